// Keeps a thread's event loop from ever sleeping inside the kernel's poll.
//
// A process that sleeps in poll must be woken by whoever writes to it, and the writer, the server
// under test, pays for that with its own CPU time: the more often the generator falls asleep, the
// dearer each delivery looks. So while a measurement runs the loop never waits for sockets:
// with an interval it naps on a memory cell (which no socket can wake) and then reads all that has
// come; without one it spins, for workloads where the generator's reaction time bounds the rate.

const cell = new Int32Array(new SharedArrayBuffer(4));

export class Pacer {
  #interval;
  #running = false;
  #last = 0;
  #idle = 0;
  #begin = 0;
  #turns;
  /** Set by whoever handled an event; a turn of a spinning loop without one was idle. */
  active = false;
  /** Called in each turn, once all that had come was read. */
  onTurn = () => {};

  /** `watched`: it keeps the length of each turn, for `lag`. */
  constructor(intervalMs, watched = false) {
    this.#interval = intervalMs;
    this.#turns = watched ? [] : undefined;
  }

  start() {
    this.#running = true;
    this.#idle = 0;
    this.#begin = this.#last = performance.now();
    const turn = () => {
      if (!this.#running) return;
      this.onTurn();
      const now = performance.now();
      if (this.#interval > 0) {
        Atomics.wait(cell, 0, 0, this.#interval);
        this.#idle += performance.now() - now;
      } else {
        if (!this.active) this.#idle += now - this.#last;
        this.active = false;
      }
      this.#turns?.push(now - this.#last);
      this.#last = now;
      setImmediate(turn);
    };
    setImmediate(turn);
  }

  /** Ends the pacing; tells for which part of the time the generator had work to do. */
  stop() {
    this.#running = false;
    const wall = performance.now() - this.#begin;
    return 1 - this.#idle / wall;
  }

  /** For how long what came lay unread, in ms. */
  lag() {
    return readingLag(this.#turns ?? []);
  }
}

/**
 * Data that arrive during a turn of the loop are read in the next turn, so they wait for the rest of
 * the turn: half a turn in the mean, weighted by the length of the turns. `p99` is the 99th
 * percentile of the wait.
 */
export function readingLag(turns) {
  const total = turns.reduce((sum, ms) => sum + ms, 0);
  if (total === 0) return { mean: 0, p99: 0 };
  const mean = turns.reduce((sum, ms) => sum + ms * ms, 0) / (2 * total);
  const waitingLonger = (ms) => turns.reduce((sum, turn) => sum + Math.max(0, turn - ms), 0);
  let low = 0;
  let high = turns.reduce((most, ms) => Math.max(most, ms), 0);
  while (high - low > 0.001) {
    const middle = (low + high) / 2;
    if (waitingLonger(middle) > total / 100) low = middle;
    else high = middle;
  }
  return { mean, p99: high };
}
