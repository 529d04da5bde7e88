// Keeps the generator's event loop from ever sleeping inside the kernel's poll.
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
  /** Set by whoever handled an event; a turn of a spinning loop without one was idle. */
  active = false;

  constructor(intervalMs) {
    this.#interval = intervalMs;
  }

  start() {
    this.#running = true;
    this.#idle = 0;
    this.#begin = this.#last = performance.now();
    const turn = () => {
      if (!this.#running) return;
      const now = performance.now();
      if (this.#interval > 0) {
        Atomics.wait(cell, 0, 0, this.#interval);
        this.#idle += performance.now() - now;
      } else {
        if (!this.active) this.#idle += now - this.#last;
        this.active = false;
        this.#last = now;
      }
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
}
