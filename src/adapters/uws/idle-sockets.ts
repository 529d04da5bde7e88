/** How often silent sockets are looked for, in milliseconds: the most that one outlives its time. */
const SWEEP_MS = 500;

/** What is kept at each socket for this: a list of its own would take twice as much memory. */
export interface Idle<S> {
  /** When its last frame came, in milliseconds. */
  lastFrameAt: number;
  /** The sockets before and behind it in the order of their last frames. */
  silentLonger: S | undefined;
  silentShorter: S | undefined;
}

/**
 * Finds the sockets whose client has been silent for too long. Ordered by the last frame, so that
 * a sweep looks only at those that are due, however many there are.
 *
 * uWebSockets.js's own idle timeout works in steps of 4 seconds and cuts without a close frame.
 */
export class IdleSockets<S extends Idle<S>> {
  #longest: S | undefined;
  #shortest: S | undefined;
  readonly #timeoutMs: number;
  readonly #onIdle: (socket: S) => void;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    timeoutMs: number,
    onIdle: (socket: S) => void,
    now: () => number = () => Math.trunc(performance.now()),
  ) {
    this.#timeoutMs = timeoutMs;
    this.#onIdle = onIdle;
    this.#now = now;
  }

  start(): void {
    this.#timer ??= setInterval(
      () => this.sweep(),
      Math.min(SWEEP_MS, this.#timeoutMs / 4),
    ).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** A frame came from this socket, or it has just opened. */
  touch(socket: S): void {
    socket.lastFrameAt = this.#now();
    if (socket === this.#shortest) return;
    this.remove(socket);
    socket.silentLonger = this.#shortest;
    if (this.#shortest === undefined) this.#longest = socket;
    else this.#shortest.silentShorter = socket;
    this.#shortest = socket;
  }

  /** Also of one that is not there. */
  remove(socket: S): void {
    const { silentLonger: before, silentShorter: behind } = socket;
    if (before !== undefined) before.silentShorter = behind;
    else if (socket === this.#longest) this.#longest = behind;
    if (behind !== undefined) behind.silentLonger = before;
    else if (socket === this.#shortest) this.#shortest = before;
    socket.silentLonger = undefined;
    socket.silentShorter = undefined;
  }

  sweep(): void {
    const due = this.#now() - this.#timeoutMs;
    for (;;) {
      const socket = this.#longest;
      if (socket === undefined || socket.lastFrameAt > due) return;
      this.remove(socket);
      this.#onIdle(socket);
    }
  }
}
