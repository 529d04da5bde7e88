// What a push and a connect cost the built server, in units that a busy machine does not change, or hardly:
//
//   node test/performance/costs.mjs                          every figure, a line each
//   node test/performance/costs.mjs allocations|calls|cpu    one kind, as JSON: name → figure
//
// test/performance/costs.test.ts holds the figures against bounds; bench/README.md says how they
// are set.
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { channelName, FIRST_SEQUENCE } from "../../bench/load/content.mjs";
import { phoenix } from "../../bench/load/dialects/phoenix.mjs";
import { cpuNanoseconds } from "../../bench/load/process-stats.mjs";
import { Pusher } from "../../bench/load/pusher.mjs";
import { Subscriber, Tally } from "../../bench/load/subscriber.mjs";
import { startServer } from "../../bench/servers.mjs";

/** Below the usual limit of 1,024 open files, with room for the rest. */
const SUBSCRIBERS = 500;
const CHANNELS = 50;
const CONNECTIONS = 16;

let sequence = FIRST_SEQUENCE;

/** A channel that nobody joins, to which this many pushes compile the code and fill the traces. */
const UNJOINED = 99_999;
const ROUTE_PUSHES = 20_000;

/** What is pushed where; behind `warm` pushes the channels' histories are full. */
const LOADS = {
  post: { subscribers: 0, channels: 1, warm: 150, pushes: 400 },
  channels: { subscribers: CHANNELS, channels: CHANNELS, warm: 7_500, pushes: 400 },
  fanout: { subscribers: SUBSCRIBERS, channels: 1, warm: 300, pushes: 100 },
};

/** Connects with a join, behind `warm` of them; all stay open, so they are few. */
const CONNECTS = { subscribers: 0, channels: 1, warm: 0, warmConnects: 100, connects: 50 };

/** Clients of one server that is warm; each subscriber has one channel. */
class Clients {
  #load;
  #pushers;
  #subscribers;
  #tally = new Tally();

  static async open(port, load) {
    const clients = new Clients();
    clients.#load = load;
    clients.#pushers = Array.from({ length: CONNECTIONS }, () => new Pusher(phoenix, { port }));
    clients.#subscribers = Array.from(
      { length: load.subscribers },
      (_, index) => new Subscriber(phoenix, channelName(index % load.channels), clients.#tally),
    );
    await Promise.all(clients.#pushers.map((pusher) => pusher.open()));
    for (const subscriber of clients.#subscribers) await subscriber.open({ port });
    await clients.push(load.warm);
    return clients;
  }

  /** Lets a fresh server compile what a push runs through. */
  static async warm(port) {
    const clients = await Clients.open(port, { subscribers: 0, channels: 1, warm: 0 });
    await clients.#send(ROUTE_PUSHES, CONNECTIONS, () => UNJOINED);
    clients.close();
  }

  /** So many are under way at a time. Resolves once all are answered and delivered. */
  async push(count, connections = CONNECTIONS) {
    const { channels, subscribers } = this.#load;
    const tally = this.#tally;
    const delivered = new Promise((resolve, reject) => {
      tally.wakeAt = tally.frames + (count * subscribers) / channels;
      tally.onWake = resolve;
      tally.onFailure = reject;
      if (subscribers === 0) resolve();
    });
    await this.#send(count, connections, (index) => index % channels);
    await delivered;
    tally.wakeAt = Number.POSITIVE_INFINITY;
  }

  /** One behind the other, each with its join. */
  async connect(port, count) {
    for (let opened = 0; opened < count; opened++) {
      const subscriber = new Subscriber(phoenix, channelName(0), this.#tally);
      await subscriber.open({ port });
      this.#subscribers.push(subscriber);
    }
  }

  async #send(count, connections, channelOf) {
    let sent = 0;
    const lane = async (pusher) => {
      while (sent < count) await answerTo(pusher, channelOf(sent++));
    };
    await Promise.all(this.#pushers.slice(0, connections).map(lane));
  }

  close() {
    for (const client of [...this.#pushers, ...this.#subscribers]) client.close();
  }
}

function median(figures) {
  return figures.sort((a, b) => a - b)[figures.length >> 1];
}

function answerTo(pusher, channel) {
  return new Promise((resolve, reject) => {
    pusher.onAnswer = resolve;
    pusher.onFailure = reject;
    pusher.send(channel, sequence++);
  });
}

/**
 * A fresh server that tells of itself. In a sample one push goes out behind the other: what several
 * bring together is merged by chance.
 *
 * @returns what `measure` comes to, by the load's name, and of `connect`
 */
async function withMeasuredServer(env, measure) {
  const script = fileURLToPath(new URL("measured-server.mjs", import.meta.url));
  // So large that hardly anything is collected within a sample, which takes away what is counted.
  const execArgv = ["--expose-gc", "--min-semi-space-size=128", "--max-semi-space-size=128"];
  const server = fork(script, { execArgv, env: { PATH: process.env.PATH, ...env } });
  try {
    const [{ port }] = await once(server, "message");
    const ask = async (question) => {
      server.send(question);
      return (await once(server, "message"))[0];
    };
    await Clients.warm(port);
    const results = {};
    for (const [name, load] of Object.entries(LOADS)) {
      const clients = await Clients.open(port, load);
      const sample = () => clients.push(load.pushes, 1);
      results[name] = await measure(ask, sample, load.pushes);
      clients.close();
    }
    const clients = await Clients.open(port, CONNECTS);
    await clients.connect(port, CONNECTS.warmConnects);
    const sample = () => clients.connect(port, CONNECTS.connects);
    results.connect = await measure(ask, sample, CONNECTS.connects);
    clients.close();
    if (process.env.EXPLAIN) console.error(results);
    return results;
  } finally {
    server.kill("SIGKILL");
  }
}

/** The median of samples within which nothing was collected, without what the asking takes. */
async function bytesEach(ask, sample, pushes) {
  await ask("settle");
  await sample();
  const asking = await bytesOf(ask, async () => {});
  return ((await bytesOf(ask, sample)) - asking) / pushes;
}

async function bytesOf(ask, sample) {
  const samples = [];
  for (let tries = 0; samples.length < 5; tries++) {
    const before = await ask("begin");
    await sample();
    const after = await ask("end");
    if (after.collections === 0) samples.push(after.bytes - before.bytes);
    else if (tries > 20) throw new Error("garbage was collected within each sample");
  }
  return median(samples);
}

async function allocations() {
  const { post, channels, fanout, connect } = await withMeasuredServer({}, bytesEach);
  return {
    "bytes a POST, no subscriber": post,
    "bytes a push to a channel of one": channels,
    [`bytes a delivery, ${SUBSCRIBERS} subscribers`]: (fanout - channels) / SUBSCRIBERS,
    "bytes a connect and join": connect,
  };
}

/** By the method's name. */
async function callsEach(ask, sample, pushes) {
  const before = await ask("calls");
  await sample();
  const after = await ask("calls");
  const each = Object.entries(after).map(([name, count]) => [
    name,
    (count - (before[name] ?? 0)) / pushes,
  ]);
  return Object.fromEntries(each.filter(([, count]) => count > 0));
}

async function calls() {
  const { post, channels, fanout, connect } = await withMeasuredServer(
    { COUNT_CALLS: "1" },
    callsEach,
  );
  const sum = (each) => Object.values(each).reduce((total, count) => total + count, 0);
  return {
    "uWebSockets.js calls a POST, no subscriber": sum(post),
    "uWebSockets.js calls a push to a channel of one": sum(channels),
    [`uWebSockets.js calls a push to ${SUBSCRIBERS} subscribers`]: sum(fanout),
    "uWebSockets.js calls a connect and join": sum(connect),
  };
}

const ROUNDS = 9;
/** A sample is some 100 ms of a server's CPU time. */
const CPU_PUSHES = { post: 3_000, channels: 3_000, fanout: 250 };

/** The server's CPU time over the floor's: the median of pairs of samples, taken in turns. */
async function overFloor(servers, name) {
  const sides = [];
  for (const { job } of servers) {
    sides.push({ pid: job.pid, clients: await Clients.open(job.port, LOADS[name]) });
  }
  const ratios = [];
  for (let round = 0; round < ROUNDS; round++) {
    const costs = [];
    for (const { pid, clients } of sides) {
      const before = cpuNanoseconds(pid);
      await clients.push(CPU_PUSHES[name]);
      costs.push(cpuNanoseconds(pid) - before);
    }
    const [floor, own] = costs;
    ratios.push(own / floor);
  }
  for (const { clients } of sides) clients.close();
  return median(ratios);
}

async function cpu() {
  const servers = [];
  try {
    for (const name of ["floor", "hexpush"]) servers.push(await startServer(name));
    for (const { job } of servers) await Clients.warm(job.port);
    return {
      "CPU a POST, over the floor's": await overFloor(servers, "post"),
      "CPU a push to a channel of one, over the floor's": await overFloor(servers, "channels"),
      [`CPU a push to ${SUBSCRIBERS}, over the floor's`]: await overFloor(servers, "fanout"),
    };
  } finally {
    for (const server of servers) await server.stop();
  }
}

const KINDS = { allocations, calls, cpu };
const kind = process.argv[2];
if (kind === undefined) {
  for (const measure of Object.values(KINDS)) {
    for (const [name, figure] of Object.entries(await measure())) {
      console.log(`${figure.toFixed(2).padStart(10)}  ${name}`);
    }
  }
} else {
  console.log(JSON.stringify(await KINDS[kind]()));
}
process.exit(0);
