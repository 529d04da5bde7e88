// How long a push takes to a client: the time of its sending is known, and every so many a socket
// tells when it read it.
import { clockMs } from "./clock.mjs";

const FIELD = '"seq":';
const DIGITS = 8;

export class Latencies {
  #first;
  #times;
  #all = [];

  /** `times` are those of the pushes, in `clockMs`, from the push with the number `first` on. */
  constructor(times, first) {
    this.#times = times;
    this.#first = first;
  }

  /** Takes a delivery that was just read; what else is in it is not looked at. */
  add(text) {
    const now = clockMs();
    const at = text.indexOf(FIELD) + FIELD.length;
    const sent = this.#times[Number(text.slice(at, at + DIGITS)) - this.#first];
    if (!(sent > 0)) throw new Error(`a delivery of no push: ${text}`);
    this.#all.push(now - sent);
  }

  figures() {
    this.#all.sort((a, b) => a - b);
    const within = (part) => this.#all[Math.ceil(this.#all.length * part) - 1];
    return {
      samples: this.#all.length,
      p50Ms: within(0.5),
      p90Ms: within(0.9),
      p99Ms: within(0.99),
      mostMs: this.#all.at(-1),
    };
  }
}
