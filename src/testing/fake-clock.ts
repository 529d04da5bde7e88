/** A clock that changes only when a test sets it. Unix time in seconds. */
export class FakeClock {
  #seconds: number;

  /** @param seconds the initial time. @defaultValue the current second */
  constructor(seconds: number = Math.floor(Date.now() / 1000)) {
    this.#seconds = finite(seconds);
  }

  /** Unix time in seconds. Bound, so that it can be passed on its own: `{ now: clock.now }`. */
  readonly now = (): number => this.#seconds;

  /** @throws {RangeError} if `seconds` is negative; use `set` to go back. */
  advance(seconds: number): void {
    if (!(seconds >= 0)) throw new RangeError(`time cannot advance by ${seconds} seconds`);
    this.#seconds = finite(this.#seconds + seconds);
  }

  /** @param seconds Unix time in seconds */
  set(seconds: number): void {
    this.#seconds = finite(seconds);
  }
}

function finite(seconds: number): number {
  if (Number.isFinite(seconds)) return seconds;
  throw new RangeError(`${seconds} is no time`);
}
