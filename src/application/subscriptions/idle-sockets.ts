/** How often idle sockets are looked for, in milliseconds: the most that one outlives its time. */
const SWEEP_MS = 500;

/** What each socket keeps for this: a list of its own would take twice as much memory. */
export interface Listed<S> {
  /** When its last frame arrived, in milliseconds. */
  lastFrameAt: number;
  /** Its neighbours in the order of last frames; `previous` has been silent for longer. */
  previous: S | undefined;
  next: S | undefined;
}

/**
 * Sockets in the order of their last frames: a sweep looks only at those that are due, however many
 * there are.
 */
export class IdleSockets<S extends Listed<S>> {
  #size = 0;
  #longest: S | undefined;
  #shortest: S | undefined;
  readonly #timeoutMs: number;
  readonly #onIdle: (socket: S) => void;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;

  /** @param onIdle closes the socket; one that stays is reported again after as long. */
  constructor(
    timeoutMs: number,
    onIdle: (socket: S) => void,
    now: () => number = () => Math.trunc(performance.now()),
  ) {
    this.#timeoutMs = timeoutMs;
    this.#onIdle = onIdle;
    this.#now = now;
  }

  get size(): number {
    return this.#size;
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

  /** One that is not in the list yet. */
  add(socket: S): void {
    this.#size++;
    this.#append(socket);
  }

  /** A frame arrived from this socket. */
  touch(socket: S): void {
    if (socket === this.#shortest) {
      socket.lastFrameAt = this.#now();
    } else if (this.#has(socket)) {
      this.#unlink(socket);
      this.#append(socket);
    }
  }

  /** @returns whether it was in the list. */
  remove(socket: S): boolean {
    if (!this.#has(socket)) return false;
    this.#size--;
    this.#unlink(socket);
    return true;
  }

  /**
   * Those that have been silent the longest come first. A copy: to close a socket changes the list.
   *
   * @param max the most of them.
   */
  all(max = this.#size): S[] {
    const sockets: S[] = [];
    for (let at = this.#longest; at !== undefined && sockets.length < max; at = at.next) {
      sockets.push(at);
    }
    return sockets;
  }

  sweep(): void {
    const due = this.#now() - this.#timeoutMs;
    for (;;) {
      const socket = this.#longest;
      if (socket === undefined || socket.lastFrameAt > due) return;
      // So that this ends, whatever `onIdle` does.
      this.touch(socket);
      this.#onIdle(socket);
    }
  }

  #has(socket: S): boolean {
    return socket.previous !== undefined || socket === this.#longest;
  }

  #append(socket: S): void {
    socket.lastFrameAt = this.#now();
    socket.previous = this.#shortest;
    if (this.#shortest === undefined) this.#longest = socket;
    else this.#shortest.next = socket;
    this.#shortest = socket;
  }

  #unlink(socket: S): void {
    const { previous, next } = socket;
    if (previous !== undefined) previous.next = next;
    else this.#longest = next;
    if (next !== undefined) next.previous = previous;
    else this.#shortest = previous;
    socket.previous = undefined;
    socket.next = undefined;
  }
}
