// What every kind of run is made of: sockets that join, connections that push, one proving push.
import { setTimeout as sleep } from "node:timers/promises";
import { channelName, FIRST_SEQUENCE } from "./content.mjs";
import { inBatches } from "./dialects/batch.mjs";
import { DIALECTS } from "./dialects/index.mjs";
import { cpuNanoseconds } from "./process-stats.mjs";
import { Pusher } from "./pusher.mjs";
import { Subscriber, Tally } from "./subscriber.mjs";

// No progress at all for this long means that something will never arrive.
export const STALL_MS = 10_000;
const CONNECTS_AT_ONCE = 128;
// hexpush takes so many in one push.
const CHANNELS_AT_ONCE = 1_000;
// One source address has some 28,000 ports to one destination.
const SOCKETS_PER_ADDRESS = 20_000;

/** One scenario against one server: its job, and what all steps of it share. */
export class Run {
  tally = new Tally();
  /** The number of the next push. */
  sequence = FIRST_SEQUENCE;

  constructor(job) {
    this.job = job;
    const dialect = DIALECTS[job.dialect ?? "phoenix"];
    this.dialect = job.perRequest === undefined ? dialect : inBatches(dialect, job.perRequest);
  }
}

/** Fresh connections for each step: servers close those that idle (node:http after 5 s). */
export async function withPushers(run, count, work) {
  const pushers = Array.from({ length: count }, () => new Pusher(run.dialect, run.job));
  await Promise.all(pushers.map((pusher) => pusher.open()));
  await work(pushers);
  for (const pusher of pushers) pusher.close();
}

/** Connects and joins, a fixed number at once; tells what it cost the server. */
export async function openSubscribers(run, count) {
  const { job, dialect, tally } = run;
  const subscribers = Array.from(
    { length: count },
    (_, index) =>
      new Subscriber(dialect, channelName(job.channels > 1 ? index % job.channels : 0), tally),
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
  const lanes = dialect.joinsAtOnce ?? CONNECTS_AT_ONCE;
  await Promise.all(Array.from({ length: lanes }, lane));
  const seconds = (performance.now() - begin) / 1000;
  if (dialect.settleMs !== undefined) await sleep(dialect.settleMs);
  const cpu = cpuNanoseconds(job.pid) - cpuBefore;
  const opening = {
    cpuUs: cpu / 1000 / count,
    perSecond: count / seconds,
    perCpuSecond: (count / cpu) * 1e9,
  };
  return { subscribers, opening };
}

/** A server closes a socket from which it hears nothing for 45 s; no scenario step lasts as long. */
export async function heartbeat(run, subscribers) {
  if (subscribers.length === 0 || run.dialect.heartbeat === undefined) return;
  const done = arrival(run, subscribers.length, "heartbeat replies");
  for (const subscriber of subscribers) subscriber.heartbeat();
  await done;
}

/** One push to every channel of the scenario, with every byte of every payload looked at. */
export async function prove(run, subscribers, pusher) {
  const number = run.sequence++;
  const names = Array.from({ length: run.job.channels }, (_, index) => channelName(index));
  const done = arrival(run, subscribers.length, "deliveries of the proving push");
  let right = 0;
  for (const subscriber of subscribers) {
    subscriber.counter.onText = (text) => {
      if (checkedSequence(run, text, subscriber) === number) right++;
      subscriber.counter.onText = undefined;
    };
  }
  for (let at = 0; at < names.length; at += CHANNELS_AT_ONCE) {
    await pusher.ask(names.slice(at, at + CHANNELS_AT_ONCE), number);
  }
  await done;
  if (right !== subscribers.length) throw new Error("a delivery of another push came");
}

export function checkedSequence({ dialect }, text, { channel }) {
  const number = dialect.delivered(text, channel);
  if (number === undefined) throw new Error(`a wrong delivery on ${channel}: ${text}`);
  return number;
}

/** Resolves when `count` more frames have come, to all subscribers together. */
function arrival({ tally }, count, what) {
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
