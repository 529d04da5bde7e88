/** How often silent sockets are looked for, in milliseconds: the most that one outlives its time. */
const SWEEP_MS = 500;

/**
 * Finds the sockets whose client has been silent for too long. Ordered by the last frame, so that
 * a sweep looks only at those that are due, however many there are.
 *
 * uWebSockets.js's own idle timeout works in steps of 4 seconds and cuts without a close frame.
 */
export class IdleSockets<S> {
  readonly #lastFrameAt = new Map<S, number>();
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
    // A Map iterates in the order of insertion: the freshest goes last.
    this.#lastFrameAt.delete(socket);
    this.#lastFrameAt.set(socket, this.#now());
  }

  remove(socket: S): void {
    this.#lastFrameAt.delete(socket);
  }

  sweep(): void {
    const due = this.#now() - this.#timeoutMs;
    for (const [socket, at] of this.#lastFrameAt) {
      if (at > due) return;
      this.#lastFrameAt.delete(socket);
      this.#onIdle(socket);
    }
  }
}
