// The load generator: one process that loads one server with one scenario, then prints one line of
// JSON. scripts/bench.mjs starts it; by hand: node bench/load.mjs '{"port":4004,"pid":123,...}'
// with the fields of `scenario` in workloads.mjs, and `dialect` if it is not Phoenix's.
//
// It measures the server's CPU time from the outside, and it is strict: a delivery that is missing,
// doubled or wrong, or an answer other than the documented one, fails the run.
import { setTimeout as sleep } from "node:timers/promises";
import { ApartLoop } from "./load/apart-loop.mjs";
import { ClosedLoop } from "./load/closed-loop.mjs";
import { API_KEY, channelName } from "./load/content.mjs";
import { drive } from "./load/drive.mjs";
import { residentBytes } from "./load/process-stats.mjs";
import { heartbeat, openSubscribers, prove, Run, withPushers } from "./load/run.mjs";

const UNJOINED = 99_999;
/** Until a server has noticed that thousands of sockets were reset. */
const CLOSED_MS = 500;
/** Concurrent pushes while the generator only fills histories. */
const FILLERS = 32;

const job = JSON.parse(process.argv[2]);
const run = new Run(job);

try {
  const runs = { memory: memoryRun, connect: connectRun, history: historyRun };
  const result = await (runs[job.kind] ?? pushRun)();
  console.log(JSON.stringify(result));
  process.exit(0);
} catch (error) {
  console.log(JSON.stringify({ failure: error.message }));
  process.exit(1);
}

async function pushRun() {
  const { subscribers } = await openSubscribers(run, job.sockets);
  const phases = {};
  await withPushers(run, 1, ([pusher]) => prove(run, subscribers, pusher));
  // The way of a push through the server is run (and compiled) far less often than its deliveries,
  // so it gets a warm-up of its own, on a channel that nobody has joined.
  const warmRoute = { ...job.warmRoute, window: 16, napMs: 0, channel: UNJOINED, channels: 1 };
  await closedLoop([], warmRoute);
  if (job.fill > 0) await withPushers(run, 1, ([pusher]) => fill(pusher));
  for (const phase of job.phases) {
    await heartbeat(run, subscribers);
    const loop = phase.apart ? apartLoop : closedLoop;
    await loop(subscribers, { ...phase, ...phase.warm });
    phases[phase.name] = await loop(subscribers, phase);
  }
  await withPushers(run, 1, ([pusher]) => prove(run, subscribers, pusher));
  for (const subscriber of subscribers) subscriber.close();
  return { phases };
}

async function closedLoop(subscribers, phase) {
  let figures;
  await withPushers(run, phase.window, async (pushers) => {
    figures = await drive(run, subscribers, new ClosedLoop(run, pushers, phase), phase);
  });
  return figures;
}

async function apartLoop(subscribers, phase) {
  const source = new ApartLoop(run, phase);
  await source.open();
  try {
    return await drive(run, subscribers, source, phase);
  } finally {
    await source.close();
  }
}

/**
 * Pushes `job.fill` times to all channels, so that their histories are full: on a server that has
 * been up for some minutes, each new message replaces an old one.
 */
async function fill(pusher) {
  const names = Array.from({ length: job.channels }, (_, index) => channelName(index));
  for (let n = 0; n < job.fill; n++) await pusher.ask(names, run.sequence++);
}

async function memoryRun() {
  // A server that never had a client still has code to load and a heap to grow, which is no
  // socket's memory. So the first look is at a server that has some already; they stay open, for
  // what closed ones leave behind would be taken up again by the next and hide their cost.
  const { subscribers: earlier } = await openSubscribers(run, job.before);
  const before = await settledMemory();
  const { subscribers, opening } = await openSubscribers(run, job.sockets);
  const after = await settledMemory();
  const all = [...earlier, ...subscribers];
  await checkAlive(all);
  for (const subscriber of all) subscriber.close();
  const idle = { bytesPerSocket: (after - before) / job.sockets, before, after };
  return { phases: { idle, open: opening } };
}

/** Each has joined, and is still open: a heartbeat says so, or a push if there are no heartbeats. */
async function checkAlive(subscribers) {
  if (run.dialect.heartbeat !== undefined) return heartbeat(run, subscribers);
  return withPushers(run, 1, ([pusher]) => prove(run, subscribers, pusher));
}

/** Connects and joins on a server that has seen some thousand before, and compiled what it needs. */
async function connectRun() {
  const { subscribers: warm } = await openSubscribers(run, job.before);
  for (const subscriber of warm) subscriber.close();
  await sleep(CLOSED_MS);
  const { subscribers, opening } = await openSubscribers(run, job.sockets);
  await checkAlive(subscribers);
  for (const subscriber of subscribers) subscriber.close();
  return { phases: { open: opening } };
}

/**
 * What `job.channels` channels take that get `job.messages` pushes each. "Before" is a server with
 * some channels that have all theirs, and keep them.
 */
async function historyRun() {
  await fillHistories(job.channels, job.before);
  const before = await settledMemory();
  await fillHistories(0, job.channels);
  const after = await settledMemory();
  const kept = await keptMessages(channelName(job.channels >> 1));
  if (kept !== 0 && kept !== job.messages) throw new Error(`${kept} messages are in a history`);
  const filled = { bytesPerChannel: (after - before) / job.channels, before, after, kept };
  return { phases: { filled } };
}

/** One push, one message: what a push to several channels brings is kept once for all of them. */
async function fillHistories(channel, channels) {
  const pushes = channels * job.messages;
  const limits = { window: FILLERS, pushes, seconds: job.seconds, napMs: 0 };
  const { pushes: sent } = await closedLoop([], { ...limits, channel, channels });
  if (sent < pushes) throw new Error(`only ${sent} of ${pushes} pushes in ${job.seconds} s`);
}

async function keptMessages(channel) {
  const url = `http://127.0.0.1:${job.port}/api/channels/${channel}/history`;
  const answer = await fetch(url, { headers: { authorization: `Bearer ${API_KEY}` } });
  if (answer.status !== 200) throw new Error(`the history was answered ${answer.status}`);
  return (await answer.json()).messages.length;
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
