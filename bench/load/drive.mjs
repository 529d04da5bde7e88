// The measured part of a run: pushes go out, deliveries are counted, the server's CPU time is read.
import { setTimeout as sleep } from "node:timers/promises";
import { Pacer } from "./pacer.mjs";
import { cpuNanoseconds, waitedNanoseconds } from "./process-stats.mjs";
import { checkedSequence, STALL_MS } from "./run.mjs";

// After the last expected frame: time for the server to fall idle and for a doubled one to show.
const GRACE_MS = 40;
const BACKLOG = 4;

/**
 * Sends pushes with at most `window` of them unanswered; ends after `pushes` of them or `seconds`,
 * whichever comes first. With a window of one, the next push waits for all deliveries of the last
 * too. With more, an answer lets the next one go, as it does for a backend with several workers,
 * but deliveries may lag behind by BACKLOG windows at most: a benchmark is no test of buffers.
 */
export function drive(
  run,
  subscribers,
  pushers,
  { window, pushes, seconds, napMs, channel = 0, channels = run.job.channels },
) {
  const { tally } = run;
  const { pid } = run.job;
  const perPush = subscribers.length / channels;
  const first = run.sequence;
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
        free.pop().send(channel + (sent % channels), run.sequence++);
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
      const cpu = cpuNanoseconds(pid) - cpuBefore;
      const waited = waitedNanoseconds(pid) - waitedBefore;
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

    if (watched) watched.counter.onText = (text) => seen.push(checkedSequence(run, text, watched));
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
    const cpuBefore = cpuNanoseconds(pid);
    const waitedBefore = waitedNanoseconds(pid);
    const ownBefore = process.cpuUsage();
    const begin = performance.now();
    const deadline = begin + seconds * 1000;
    pacer.start();
    advance();
  });
}
