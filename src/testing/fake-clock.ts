/** A clock that stands still until a test moves it: seconds since 1970, as the server's policies take them. */
export class FakeClock {
  #seconds: number;

  /** @param seconds what it shows first. @defaultValue the present second */
  constructor(seconds: number = Math.floor(Date.now() / 1000)) {
    this.#seconds = finite(seconds);
  }

  /** Seconds since 1970. Bound, so that it can be handed on by itself: `{ now: clock.now }`. */
  readonly now = (): number => this.#seconds;

  /** @throws {RangeError} for less than 0: time goes forwards, and `set` goes anywhere. */
  advance(seconds: number): void {
    if (!(seconds >= 0)) throw new RangeError(`time cannot advance by ${seconds} seconds`);
    this.#seconds = finite(this.#seconds + seconds);
  }

  /** @param seconds since 1970 */
  set(seconds: number): void {
    this.#seconds = finite(seconds);
  }
}

function finite(seconds: number): number {
  if (Number.isFinite(seconds)) return seconds;
  throw new RangeError(`${seconds} is no time`);
}
