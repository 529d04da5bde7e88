// Pushes that go out from a thread of their own (push-thread.mjs), which does not wait until this
// one has read a thousand sockets: it reacts to an answer, or sends at its time, within some tenths
// of a millisecond.
import { Worker } from "node:worker_threads";

/** Cells of the memory that both threads share. */
export const CELLS = { sent: 0, answered: 1, delivered: 2 };

/** A source of pushes, as closed-loop.mjs describes it. */
export class ApartLoop {
  onChange = () => {};
  onFailure = () => {};
  done = false;
  #thread;
  #cells = new Int32Array(new SharedArrayBuffer(4 * Object.keys(CELLS).length));
  #times;
  #phase;
  #run;

  constructor(run, phase) {
    this.#run = run;
    this.#phase = phase;
    this.#times = new Float64Array(new SharedArrayBuffer(8 * phase.pushes));
  }

  get sent() {
    return Atomics.load(this.#cells, CELLS.sent);
  }

  get answered() {
    return Atomics.load(this.#cells, CELLS.answered);
  }

  /** When each push went out, by its number from the first on, in `clockMs`. */
  get times() {
    return this.#times;
  }

  /** Starts the thread and its connections. */
  async open() {
    const { job, sequence: first } = this.#run;
    this.#thread = new Worker(new URL("push-thread.mjs", import.meta.url), {
      workerData: { job, phase: this.#phase, first, cells: this.#cells, times: this.#times },
    });
    this.#thread.on("error", (error) => this.onFailure(error));
    await this.#told("open");
    this.#thread.on("message", ({ failure, ended }) => {
      if (failure !== undefined) return this.onFailure(new Error(failure));
      if (ended !== true) return;
      this.#run.sequence += this.sent;
      this.done = true;
      this.onChange();
    });
  }

  start() {
    this.#thread.postMessage("start");
  }

  advance(delivered) {
    Atomics.store(this.#cells, CELLS.delivered, delivered);
  }

  async close() {
    await this.#thread.terminate();
  }

  /** Which part of the pushes that were due went out. */
  figures() {
    return this.#phase.rate === undefined ? {} : { kept: this.sent / this.#phase.pushes };
  }

  #told(what) {
    return new Promise((resolve, reject) => {
      this.#thread.once("error", reject);
      this.#thread.once("message", (message) => {
        this.#thread.off("error", reject);
        if (message[what] === true) resolve();
        else reject(new Error(message.failure ?? "the pushing thread said something else"));
      });
    });
  }
}
