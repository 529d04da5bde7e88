// The load generator: one process that loads one server with one scenario, then prints one line of
// JSON. scripts/bench.mjs starts it; by hand: node bench/load.mjs '{"port":4004,"pid":123,...}'
// with the fields of `scenario` in workloads.mjs.
//
// It measures the server's CPU time from the outside, and it is strict: a delivery that is missing,
// doubled or wrong, or an answer other than the documented one, fails the run.
import { setTimeout as sleep } from "node:timers/promises";
import { Pacer } from "./load/pacer.mjs";
import { cpuNanoseconds, residentBytes, waitedNanoseconds } from "./load/process-stats.mjs";
import {
  answerText,
  channelName,
  dataText,
  EVENT,
  FIRST_SEQUENCE,
  Pusher,
} from "./load/pusher.mjs";
import { Subscriber, Tally } from "./load/subscriber.mjs";

// No progress at all for this long means that something will never arrive.
const STALL_MS = 10_000;
// After the last expected frame: time for the server to fall idle and for a doubled one to show.
const GRACE_MS = 40;
const BACKLOG = 4;
const CONNECTS_AT_ONCE = 128;
// One source address has some 28,000 ports to one destination.
const SOCKETS_PER_ADDRESS = 20_000;

const UNJOINED = 99_999;

const job = JSON.parse(process.argv[2]);
const tally = new Tally();
let sequence = FIRST_SEQUENCE;

try {
  const result = job.memory ? await memoryRun() : await pushRun();
  console.log(JSON.stringify(result));
  process.exit(0);
} catch (error) {
  console.log(JSON.stringify({ failure: error.message }));
  process.exit(1);
}

async function pushRun() {
  const { subscribers } = await openSubscribers(job.sockets);
  const phases = {};
  await withPushers(1, ([pusher]) => prove(subscribers, pusher));
  // The way of a push through the server is run (and compiled) far less often than its deliveries,
  // so it gets a warm-up of its own, on a channel that nobody has joined.
  await withPushers(16, (pushers) =>
    drive([], pushers, { ...job.warmRoute, window: 16, napMs: 0, channel: UNJOINED }),
  );
  for (const phase of job.phases) {
    await heartbeat(subscribers);
    await withPushers(phase.window, async (pushers) => {
      await drive(subscribers, pushers, { ...phase, ...phase.warm });
      phases[phase.name] = await drive(subscribers, pushers, phase);
    });
  }
  await withPushers(1, ([pusher]) => prove(subscribers, pusher));
  for (const subscriber of subscribers) subscriber.close();
  return { phases };
}

/** Fresh connections for each step: servers close those that idle (node:http after 5 s). */
async function withPushers(count, work) {
  const pushers = Array.from({ length: count }, () => new Pusher(job.port));
  await Promise.all(pushers.map((pusher) => pusher.open()));
  await work(pushers);
  for (const pusher of pushers) pusher.close();
}

async function memoryRun() {
  // A server that never had a client still has code to load and a heap to grow, which is no
  // socket's memory. So the first look is at a server that has some already; they stay open, for
  // what closed ones leave behind would be taken up again by the next and hide their cost.
  const { subscribers: earlier } = await openSubscribers(job.before);
  const before = await settledMemory();
  const { subscribers, opening } = await openSubscribers(job.sockets);
  const after = await settledMemory();
  const all = [...earlier, ...subscribers];
  await heartbeat(all);
  for (const subscriber of all) subscriber.close();
  const idle = { bytesPerSocket: (after - before) / job.sockets, before, after };
  return { phases: { idle, open: opening } };
}

/** Connects and joins, a fixed number at once; tells what it cost the server. */
async function openSubscribers(count) {
  const subscribers = Array.from(
    { length: count },
    (_, index) => new Subscriber(channelName(job.channels > 1 ? index % job.channels : 0), tally),
  );
  const cpuBefore = cpuNanoseconds(job.pid);
  const begin = performance.now();
  let next = 0;
  const lane = async () => {
    while (next < count) {
      const index = next++;
      const address = Math.floor(index / SOCKETS_PER_ADDRESS);
      const localAddress = address > 0 ? `127.0.0.${1 + address}` : undefined;
      await subscribers[index].open({ port: job.port, localAddress });
    }
  };
  await Promise.all(Array.from({ length: CONNECTS_AT_ONCE }, lane));
  const seconds = (performance.now() - begin) / 1000;
  const cpu = cpuNanoseconds(job.pid) - cpuBefore;
  return { subscribers, opening: { cpuUs: cpu / 1000 / count, perSecond: count / seconds } };
}

/** A server closes a socket from which it hears nothing for 45 s; no scenario step lasts as long. */
async function heartbeat(subscribers) {
  if (subscribers.length === 0) return;
  const done = arrival(subscribers.length, "heartbeat replies");
  for (const subscriber of subscribers) subscriber.heartbeat();
  await done;
}

/**
 * Sends pushes with at most `window` of them unanswered; ends after `pushes` of them or `seconds`,
 * whichever comes first. With a window of one, the next push waits for all deliveries of the last
 * too. With more, an answer lets the next one go, as it does for a backend with several workers,
 * but deliveries may lag behind by BACKLOG windows at most: a benchmark is no test of buffers.
 */
function drive(subscribers, pushers, { window, pushes, seconds, napMs, channel = 0 }) {
  const channels = channel === UNJOINED ? 1 : job.channels;
  const perPush = subscribers.length / channels;
  const first = sequence;
  const framesBefore = tally.frames;
  const countsBefore = subscribers.map(({ counter }) => [counter.frames, counter.bytes]);
  const watched = subscribers[0];
  const seen = [];
  const free = [...pushers];
  const pacer = new Pacer(napMs);
  let limit = pushes;
  let sent = 0;
  let answered = 0;

  return new Promise((resolve, reject) => {
    const deliveries = () => tally.frames - framesBefore;
    const delivered = () => (perPush === 0 ? sent : Math.floor(deliveries() / perPush));
    const backlog = window === 1 ? 1 : BACKLOG * window;

    const advance = () => {
      if (sent < limit && performance.now() > deadline) limit = sent;
      // A connection is free once its push is answered, so the free ones are the window.
      while (sent < limit && free.length > 0 && sent - delivered() < backlog) {
        free.pop().send(channel + (sent % channels), sequence++);
        sent++;
      }
      if (perPush > 0) {
        tally.wakeAt = framesBefore + (Math.floor(deliveries() / perPush) + 1) * perPush;
      }
      if (answered === limit && delivered() === limit && !finished) {
        finished = true;
        finish().then(resolve, reject);
      }
    };
    const fail = (error) => {
      finished = true;
      clearInterval(watchdog);
      pacer.stop();
      reject(error);
    };
    const finish = async () => {
      const wall = performance.now() - begin;
      const busy = pacer.stop();
      const own = process.cpuUsage(ownBefore);
      clearInterval(watchdog);
      tally.wakeAt = Number.POSITIVE_INFINITY;
      await sleep(GRACE_MS);
      const cpu = cpuNanoseconds(job.pid) - cpuBefore;
      const waited = waitedNanoseconds(job.pid) - waitedBefore;
      if (watched) watched.counter.onText = undefined;
      checkCounts();
      const units = perPush === 0 ? sent : sent * perPush;
      return {
        pushes: sent,
        units,
        cpuUs: cpu / 1000 / units,
        perSecond: (units / wall) * 1000,
        perCpuSecond: (units / cpu) * 1e9,
        serverBusy: cpu / 1e6 / wall,
        serverWaited: waited / (waited + cpu),
        // A spinning generator burns its whole CPU; only the busy part of that is its work.
        generatorUs: napMs > 0 ? (own.user + own.system) / units : (busy * wall * 1000) / units,
        generatorBusy: busy,
      };
    };

    /** Exact: each socket's frames; as many bytes as the watched one got; its payloads. */
    const checkCounts = () => {
      subscribers.forEach(({ counter, channel }, index) => {
        const [frames, bytes] = countsBefore[index];
        const mine = index % channels;
        const expected = Math.floor(sent / channels) + (mine < sent % channels ? 1 : 0);
        const got = counter.frames - frames;
        if (got !== expected) {
          throw new Error(`lost or doubled: ${got} of ${expected} on ${channel}, socket ${index}`);
        }
        if (channels > 1) return;
        if (counter.bytes - bytes !== watched.counter.bytes - countsBefore[0][1]) {
          throw new Error(`socket ${index} got other bytes than socket 0`);
        }
      });
      if (!watched) return;
      const expected = [];
      for (let i = 0; i < sent; i += channels) expected.push(first + i);
      // Several pushes under way on several connections have no order among themselves.
      if (window > 1) seen.sort((a, b) => a - b);
      if (seen.join() !== expected.join()) throw new Error("the watched socket got other pushes");
    };

    let finished = false;
    let progress = -1;
    const watchdog = setInterval(() => {
      const now = answered + deliveries();
      if (now === progress && !finished) {
        fail(
          new Error(
            `stalled: ${sent} sent, ${answered} answered, ` +
              `${deliveries()} of ${sent * perPush} deliveries arrived`,
          ),
        );
      }
      progress = now;
    }, STALL_MS);

    if (watched) watched.counter.onText = (text) => seen.push(checkedSequence(text, watched));
    for (const pusher of pushers) {
      pusher.onFailure = fail;
      pusher.onAnswer = () => {
        answered++;
        pacer.active = true;
        free.push(pusher);
        advance();
      };
    }
    tally.onFailure = fail;
    tally.onWake = advance;
    tally.pacer = pacer;
    const cpuBefore = cpuNanoseconds(job.pid);
    const waitedBefore = waitedNanoseconds(job.pid);
    const ownBefore = process.cpuUsage();
    const begin = performance.now();
    const deadline = begin + seconds * 1000;
    pacer.start();
    advance();
  });
}

/** One push to every channel of the scenario, with every byte of every payload looked at. */
async function prove(subscribers, pusher) {
  const number = sequence++;
  const names = Array.from({ length: job.channels }, (_, index) => channelName(index));
  const done = arrival(subscribers.length, "deliveries of the proving push");
  let right = 0;
  for (const subscriber of subscribers) {
    subscriber.counter.onText = (text) => {
      if (checkedSequence(text, subscriber) === number) right++;
      subscriber.counter.onText = undefined;
    };
  }
  const answer = await pusher.ask(names.length > 1 ? names : names[0], number);
  if (answer !== answerText(names, number)) throw new Error(`an unexpected answer: ${answer}`);
  await done;
  if (right !== subscribers.length) throw new Error("a delivery of another push came");
}

function checkedSequence(text, { channel }) {
  const [joinRef, ref, topic, event, payload] = JSON.parse(text);
  const number = payload.data?.seq;
  const wrong =
    joinRef !== null ||
    ref !== null ||
    topic !== channel ||
    event !== "msg" ||
    payload.event !== EVENT ||
    JSON.stringify(payload.data) !== dataText(number);
  if (wrong) throw new Error(`a wrong delivery on ${channel}: ${text}`);
  return number;
}

/** Resolves when `count` more frames have come, to all subscribers together. */
function arrival(count, what) {
  const base = tally.frames;
  return new Promise((resolve, reject) => {
    const end = (settle, value) => {
      clearTimeout(timer);
      tally.wakeAt = Number.POSITIVE_INFINITY;
      settle(value);
    };
    const timer = setTimeout(() => {
      end(reject, new Error(`lost: ${tally.frames - base} of ${count} ${what} arrived`));
    }, STALL_MS);
    tally.onFailure = (error) => end(reject, error);
    tally.onWake = () => end(resolve);
    tally.wakeAt = base + count;
    if (count === 0) end(resolve);
  });
}

/** Resident memory once it has stayed within a quarter of a MiB for some looks (at most 10 s). */
async function settledMemory() {
  if (job.collectable) process.kill(job.pid, "SIGUSR2");
  const looks = [];
  for (let i = 0; i < 100; i++) {
    await sleep(100);
    looks.push(residentBytes(job.pid));
    const last = looks.slice(-job.steadyLooks);
    if (last.length === job.steadyLooks && Math.max(...last) - Math.min(...last) < 256 * 1024)
      break;
  }
  return looks.at(-1);
}
