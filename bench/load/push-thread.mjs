// The thread that pushes if answers (or fixed times), and not deliveries, pace the pushes.
//
// It naps for a tenth of a millisecond between its looks, in a way that no socket can interrupt:
// were it to sleep in the kernel's poll, the server would pay for waking it with each answer.
import { parentPort, workerData } from "node:worker_threads";
import { CELLS } from "./apart-loop.mjs";
import { clockMs } from "./clock.mjs";
import { Pacer } from "./pacer.mjs";
import { Pusher } from "./pusher.mjs";
import { Run } from "./run.mjs";

const NAP_MS = 0.1;
/** What is due may still go out for so long after the end. */
const LATE_MS = 100;

const { job, phase, first, cells, times } = workerData;
// With `rate`, a push is due each 1/rate seconds, whatever became of the ones before; without, as
// soon as a connection is free. Either way deliveries may lag `lag` pushes behind at most.
const { window, pushes, seconds, lag, rate } = phase;
const { dialect } = new Run(job);
const pushers = Array.from({ length: window }, () => new Pusher(dialect, job));
const free = [...pushers];
const pacer = new Pacer(NAP_MS);
let begin = 0;
let deadline = 0;
let limit = pushes;
let sent = 0;
let answered = 0;
/** When a connection was last missing for a push that was due. */
let heldBack = false;

for (const pusher of pushers) {
  pusher.onFailure = (error) => fail(error);
  pusher.onAnswer = () => {
    Atomics.store(cells, CELLS.answered, ++answered);
    free.push(pusher);
    sendDue();
  };
}
pacer.onTurn = sendDue;

try {
  await Promise.all(pushers.map((pusher) => pusher.open()));
  parentPort.once("message", () => {
    begin = clockMs();
    deadline = begin + seconds * 1000 + (rate === undefined ? 0 : LATE_MS);
    pacer.start();
  });
  parentPort.postMessage({ open: true });
} catch (error) {
  fail(error);
}

function sendDue() {
  let now = clockMs();
  if (sent < limit && now > deadline) limit = sent;
  while (sent < limit) {
    const due = rate === undefined ? now : begin + (sent * 1000) / rate;
    if (due > now) break;
    if (free.length === 0 || sent - Atomics.load(cells, CELLS.delivered) >= lag) {
      heldBack = true;
      break;
    }
    // A push that the server kept from going out at its time is late by the server's doing; one
    // that this thread overslept is not.
    times[sent] = heldBack ? due : now;
    free.pop().send(sent % job.channels, first + sent);
    Atomics.store(cells, CELLS.sent, ++sent);
    now = clockMs();
    if (rate !== undefined && begin + (sent * 1000) / rate > now) heldBack = false;
  }
  if (answered === limit) {
    pacer.stop();
    for (const pusher of pushers) pusher.close();
    parentPort.postMessage({ ended: true });
  }
}

function fail(error) {
  pacer.stop();
  parentPort.postMessage({ failure: error.message });
}
