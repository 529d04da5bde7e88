// One run on one broker: a server, two proxies, the clients, the pusher, and the books.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ChaosProxy } from "./chaos-proxy.mjs";
import { KINDS } from "./clients/mix.mjs";
import { Ledger } from "./ledger.mjs";
import { Pusher } from "./pusher.mjs";
import { Random } from "./random.mjs";
import { Server } from "./server.mjs";

/** Of each client, at most. */
const CHANNELS_PER_CLIENT = 3;
const CONNECTS_AT_ONCE = 20;
const JOINED_MS = 30_000;
/** Nothing is received for so long: the run has come to a standstill. */
const STILL_MS = 15_000;
/** At the end, messages to each channel until every client has one; how many times, how far apart. */
const LAST_ROUNDS = 15;
const LAST_ROUND_MS = 1_000;
/** After the last message that is due: time for one that is not. */
const GRACE_MS = 500;
const LOOK_MS = 50;
const PROGRESS_MS = 5_000;
/** How often a connection breaks in a run, on average, and the bounds of how long one lasts. */
const BREAKS_PER_RUN = 15;
const LIFE_MS = [150, 5_000];
const PUSHER_LIFE_MS = 300;
/** Before a client comes back. */
const PAUSE_MS = [5, 250];

/** What can be turned off, to see that the check finds it out. */
export const PROTECTIONS = {
  "last-event-id": "plain clients do not say where they left off",
  history: "the server keeps no history",
  keys: "pushes carry no Idempotency-Key",
  disk: "the server that is killed keeps everything in memory",
  turns: "pushes of one channel do not wait for one another, so they overtake one another",
};

/**
 * @param options.broker "memory" or "file"
 * @param options.without a name of `PROTECTIONS`, or undefined
 * @param options.say gets lines on how far it is
 * @returns what came of it; `faults` holds sentences, none where all is well
 */
export async function run(options) {
  const { broker, seed } = options;
  const directory = mkdtempSync(join(tmpdir(), "hexpush-resume-"));
  const random = new Random(seed);
  const channels = Array.from({ length: options.channels }, (_, index) => `channel-${index + 1}`);
  // The whole run does not fit in, so trimming goes on all the time; the pusher sees to it that
  // nobody falls out of it.
  const historySize = Math.max(200, Math.ceil(options.messages / options.channels / 4));
  const server = new Server({
    HEXPUSH_HOST: "127.0.0.1",
    HEXPUSH_BROKER:
      broker === "file" && options.without !== "disk"
        ? `file:${join(directory, "broker")}`
        : "memory:",
    HEXPUSH_HISTORY_SIZE: `${options.without === "history" ? 0 : historySize}`,
    HEXPUSH_HISTORY_TTL: "3600",
    HEXPUSH_IDEMPOTENCY_KEYS: "1000000",
  });
  const lifeMs = between(LIFE_MS, (options.messages / options.rate / BREAKS_PER_RUN) * 1000);
  const target = () => server.port;
  const proxy = new ChaosProxy({ target, lifeMs, random: random.fork() });
  const pushProxy = new ChaosProxy({ target, lifeMs: PUSHER_LIFE_MS, random: random.fork() });
  const setting = { ...options, channels, historySize, server, proxy, pushProxy, random };
  try {
    await server.start();
    return await runAgainst(setting);
  } finally {
    await Promise.all([proxy.close(), pushProxy.close()]);
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function runAgainst(setting) {
  const { channels, server, proxy, pushProxy, random, say } = setting;
  const ledger = new Ledger(channels);
  const port = await proxy.listen();
  const clients = await openClients(setting, ledger, port);
  say(`${clients.length} clients have joined`);
  const pusher = new Pusher({
    port: await pushProxy.listen(),
    channels,
    messages: setting.messages,
    rate: setting.rate,
    lagMax: setting.historySize / 2,
    hasKeys: setting.without !== "keys",
    hasOrder: setting.without !== "turns",
    ledger,
    random: random.fork(),
  });
  const begin = performance.now();
  proxy.startFaults();
  pushProxy.startFaults();
  const watch = watchProgress(setting, ledger, pusher);
  const failures = [];
  try {
    await Promise.all([pusher.run(), killNowAndThen(setting, ledger, pusher)]);
  } catch (error) {
    failures.push(error.message);
    pusher.stop();
  }
  pushProxy.cutAllAndStop();
  proxy.cutAllAndStop();
  if (failures.length === 0) await pushLastOnes(ledger, pusher);
  watch.stop();
  pusher.close();
  const seconds = (performance.now() - begin) / 1000;
  const cuts = server.cuts;
  await Promise.all(clients.map(({ close }) => close()));
  if (!server.isRunning) failures.push(`the server has ended by itself:\n${server.output}`);
  return { ...setting, ledger, pusher, seconds, cuts, failures };
}

/** No fault comes before all have joined: from then on each message is due to each of them. */
async function openClients(setting, ledger, port) {
  const { channels, without } = setting;
  const random = setting.random.fork();
  const kinds = Object.entries(KINDS);
  const clients = [];
  for (let index = 0; index < setting.clients; index++) {
    const [kind, start] = kinds[index % kinds.length];
    const own = random.sample(channels, random.between(1, CHANNELS_PER_CLIENT));
    const record = ledger.open(kind, own);
    const pauseMs = () => random.between(...PAUSE_MS);
    clients.push(start({ port, record, pauseMs, resumes: without !== "last-event-id" }));
    if (clients.length % CONNECTS_AT_ONCE === 0) await joined(clients);
  }
  await joined(clients);
  return clients;
}

async function joined(clients) {
  const late = sleep(JOINED_MS, "late", { ref: false });
  const first = await Promise.race([Promise.all(clients.map(({ ready }) => ready)), late]);
  if (first === "late") throw new Error("not every client could join");
}

/** Once in each of as many stretches of the messages, so that a slow machine is not killed more often. */
async function killNowAndThen({ kills, messages, server, random, say }, ledger, pusher) {
  const draws = random.fork();
  for (let stretch = 0; stretch < kills; stretch++) {
    const place = ((stretch + draws.next() * 0.9) / kills) * messages;
    while (ledger.messages < place) {
      if (pusher.isOver) return;
      await sleep(LOOK_MS);
    }
    await server.killAndRestart();
    say(
      `SIGKILL after ${ledger.messages} messages; back in ${Math.round(server.outages.at(-1))} ms`,
    );
  }
}

/**
 * The connections are good again. Whoever has the last message of a channel gets nothing of it any
 * more that was accepted before: what is missing then is lost. One that was not back for the last
 * message, and has lost that as well, gets the next one.
 */
async function pushLastOnes(ledger, pusher) {
  for (let round = 0; round < LAST_ROUNDS; round++) {
    await pusher.pushToAll();
    if (await isReceived(ledger)) break;
  }
  await sleep(GRACE_MS);
}

/** Whether everyone has the last message of each channel, once that is so or nothing comes. */
async function isReceived(ledger) {
  let received = ledger.received;
  let since = performance.now();
  while (!ledger.isUpToDate) {
    await sleep(LOOK_MS);
    if (ledger.received !== received) since = performance.now();
    else if (performance.now() - since > LAST_ROUND_MS) return false;
    received = ledger.received;
  }
  return true;
}

/** Says how far it is, and ends a run that has come to a standstill. */
function watchProgress({ messages, say }, ledger, pusher) {
  let received = 0;
  let stillMs = 0;
  const timer = setInterval(() => {
    stillMs = ledger.received > received ? 0 : stillMs + PROGRESS_MS;
    received = ledger.received;
    if (stillMs > STILL_MS) pusher.stop();
    const { resumes, duplicated, reordered } = ledger;
    say(
      `${ledger.messages} of ${messages} messages accepted, ${received} received, ` +
        `${resumes} resumes, ${duplicated} duplicated, ${reordered} reordered`,
    );
  }, PROGRESS_MS);
  return { stop: () => clearInterval(timer) };
}

function between([least, most], value) {
  return Math.min(most, Math.max(least, value));
}
