// The measured part of a run: pushes go out, deliveries are counted, the server's CPU time is read.
import { setTimeout as sleep } from "node:timers/promises";
import { Latencies } from "./latencies.mjs";
import { LazyReaders } from "./lazy-readers.mjs";
import { Pacer } from "./pacer.mjs";
import { cpuNanoseconds, waitedNanoseconds } from "./process-stats.mjs";
import { checkedSequence, STALL_MS } from "./run.mjs";

// After the last expected frame: time for the server to fall idle and for a doubled one to show.
const GRACE_MS = 40;

/**
 * Lets `source` (closed-loop.mjs) push until it is done and everything has arrived; resolves to the
 * figures. `sampleEvery`: latencies are taken from each so manieth socket. `lazyMs`: those of which
 * none is taken are read only so often.
 */
export async function drive(run, subscribers, source, phase) {
  const { tally } = run;
  const { pid } = run.job;
  const { napMs, channels = run.job.channels, sampleEvery, lazyMs } = phase;
  const perPush = subscribers.length / channels;
  const checks = new Checks(run, subscribers, channels);
  const pacer = new Pacer(napMs, sampleEvery !== undefined);
  const framesBefore = tally.frames;
  const deliveries = () => tally.frames - framesBefore;
  const delivered = () => (perPush === 0 ? source.sent : Math.floor(deliveries() / perPush));
  const latencies = sampleEvery && new Latencies(source.times, run.sequence);
  const lazy = lazyMs && lazyReaders(subscribers, sampleEvery, lazyMs);
  if (lazy) pacer.onTurn = () => lazy.turn();

  checks.watch();
  if (latencies) sample(subscribers, sampleEvery, latencies);
  const before = look();
  try {
    await allDone();
    const wall = performance.now() - before.at;
    const busy = pacer.stop();
    const own = process.cpuUsage(before.own);
    await sleep(GRACE_MS);
    const cpu = cpuNanoseconds(pid) - before.cpu;
    const waited = waitedNanoseconds(pid) - before.waited;
    checks.end(source.sent, phase.window);
    const units = source.sent * (perPush === 0 ? (run.job.perRequest ?? 1) : perPush);
    const lag = pacer.lag();
    return {
      pushes: source.sent,
      units,
      cpuUs: cpu / 1000 / units,
      perSecond: (units / wall) * 1000,
      pushesPerSecond: (source.sent / wall) * 1000,
      perCpuSecond: (units / cpu) * 1e9,
      serverBusy: cpu / 1e6 / wall,
      serverWaited: waited / (waited + cpu),
      // A spinning generator burns its whole CPU; only the busy part of that is its work.
      generatorUs: napMs > 0 ? (own.user + own.system) / units : (busy * wall * 1000) / units,
      // Two threads: what they both used of their one CPU.
      generatorBusy: phase.apart ? (own.user + own.system) / 1000 / wall : busy,
      ...source.figures(),
      ...(latencies ? { ...latencies.figures(), lagMeanMs: lag.mean, lagP99Ms: lag.p99 } : {}),
    };
  } finally {
    pacer.stop();
    lazy?.end();
    tally.wakeAt = Number.POSITIVE_INFINITY;
    for (const { counter } of subscribers) counter.onText = undefined;
  }

  function look() {
    return {
      cpu: cpuNanoseconds(pid),
      waited: waitedNanoseconds(pid),
      own: process.cpuUsage(),
      at: performance.now(),
    };
  }

  function allDone() {
    return new Promise((resolve, reject) => {
      let progress = -1;
      const watchdog = setInterval(() => {
        const now = source.answered + deliveries();
        if (now === progress) {
          fail(
            new Error(
              `stalled: ${source.sent} sent, ${source.answered} answered, ` +
                `${deliveries()} of ${source.sent * perPush} deliveries arrived`,
            ),
          );
        }
        progress = now;
      }, STALL_MS);
      const fail = (error) => {
        clearInterval(watchdog);
        reject(error);
      };
      const advance = () => {
        source.advance(delivered());
        if (perPush > 0) {
          tally.wakeAt = framesBefore + (Math.floor(deliveries() / perPush) + 1) * perPush;
        }
        if (source.done && delivered() === source.sent) {
          clearInterval(watchdog);
          resolve();
        }
      };
      source.onFailure = fail;
      source.onChange = () => {
        pacer.active = true;
        advance();
      };
      tally.onFailure = fail;
      tally.onWake = advance;
      tally.pacer = pacer;
      pacer.start();
      source.start();
      advance();
    });
  }
}

function lazyReaders(subscribers, sampleEvery, everyMs) {
  return new LazyReaders(
    subscribers.filter((_, index) => index % (sampleEvery ?? subscribers.length) !== 0),
    everyMs,
  );
}

/** The first is watched already, and stays so. */
function sample(subscribers, every, latencies) {
  subscribers.forEach(({ counter }, index) => {
    if (index % every !== 0) return;
    const watcher = counter.onText;
    counter.onText = (text) => {
      latencies.add(text);
      watcher?.(text);
    };
  });
}

/** Exact: each socket's frames; as many bytes as the watched one got; its payloads. */
class Checks {
  #run;
  #subscribers;
  #channels;
  #counts;
  #first;
  #seen = [];

  constructor(run, subscribers, channels) {
    this.#run = run;
    this.#subscribers = subscribers;
    this.#channels = channels;
    this.#first = run.sequence;
    this.#counts = subscribers.map(({ counter }) => [counter.frames, counter.bytes]);
  }

  watch() {
    const watched = this.#subscribers[0];
    if (!watched) return;
    watched.counter.onText = (text) => {
      this.#seen.push(checkedSequence(this.#run, text, watched));
    };
  }

  end(sent, window) {
    const channels = this.#channels;
    const watched = this.#subscribers[0];
    this.#subscribers.forEach(({ counter, channel }, index) => {
      const [frames, bytes] = this.#counts[index];
      const mine = index % channels;
      const expected = Math.floor(sent / channels) + (mine < sent % channels ? 1 : 0);
      const got = counter.frames - frames;
      if (got !== expected) {
        throw new Error(`lost or doubled: ${got} of ${expected} on ${channel}, socket ${index}`);
      }
      if (channels > 1) return;
      if (counter.bytes - bytes !== watched.counter.bytes - this.#counts[0][1]) {
        throw new Error(`socket ${index} got other bytes than socket 0`);
      }
    });
    if (!watched) return;
    const expected = [];
    for (let i = 0; i < sent; i += channels) expected.push(this.#first + i);
    // Several pushes under way on several connections have no order among themselves.
    if (window > 1) this.#seen.sort((a, b) => a - b);
    if (this.#seen.join() !== expected.join()) {
      throw new Error("the watched socket got other pushes");
    }
  }
}
