/** How often silent sockets are looked for, in milliseconds: the most that one outlives its time. */
const SWEEP_MS = 500;

/** What is kept at each socket for this: a list of its own would take twice as much memory. */
export interface Listed<S> {
  readonly socketId: string | undefined;
  /** When its last frame came, in milliseconds. */
  lastFrameAt: number;
  /** The sockets before and behind it in the order of their last frames. */
  silentLonger: S | undefined;
  silentShorter: S | undefined;
}

/**
 * The open sockets of one transport, also by their id. Finds those whose client has been silent for
 * too long: they are a list in the order of their last frames, so that a sweep looks only at those
 * that are due, however many there are.
 *
 * uWebSockets.js's own idle timeout works in steps of 4 seconds and cuts without a close frame.
 */
export class OpenSockets<S extends Listed<S>> {
  #size = 0;
  #longest: S | undefined;
  #shortest: S | undefined;
  readonly #bySocketId = new Map<string, Set<S>>();
  readonly #timeoutMs: number;
  readonly #onIdle: (socket: S) => void;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;

  /** @param onIdle closes the socket; one that stays is told of again after as long. */
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

  /** Looks for silent sockets from now on. */
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

  /** One that is not there yet. */
  add(socket: S): void {
    this.#size++;
    this.#append(socket);
    const { socketId } = socket;
    if (socketId === undefined) return;
    const ofSameId = this.#bySocketId.get(socketId);
    if (ofSameId === undefined) this.#bySocketId.set(socketId, new Set([socket]));
    else ofSameId.add(socket);
  }

  /** A frame came from this socket. */
  touch(socket: S): void {
    if (socket === this.#shortest) {
      socket.lastFrameAt = this.#now();
    } else if (this.#has(socket)) {
      this.#unlink(socket);
      this.#append(socket);
    }
  }

  /** @returns whether it was there. */
  remove(socket: S): boolean {
    if (!this.#has(socket)) return false;
    this.#size--;
    this.#unlink(socket);
    const { socketId } = socket;
    if (socketId === undefined) return true;
    const ofSameId = this.#bySocketId.get(socketId);
    ofSameId?.delete(socket);
    if (ofSameId?.size === 0) this.#bySocketId.delete(socketId);
    return true;
  }

  /**
   * The silent longest first. A copy: to close a socket changes what it was found in.
   *
   * @param max the most of them.
   */
  all(max = this.#size): S[] {
    const sockets: S[] = [];
    for (let at = this.#longest; at !== undefined && sockets.length < max; at = at.silentShorter) {
      sockets.push(at);
    }
    return sockets;
  }

  /** A copy too. */
  ofSocketId(socketId: string): S[] {
    return [...(this.#bySocketId.get(socketId) ?? [])];
  }

  sweep(): void {
    const due = this.#now() - this.#timeoutMs;
    for (;;) {
      const socket = this.#longest;
      if (socket === undefined || socket.lastFrameAt > due) return;
      // So that this ends, whatever becomes of it.
      this.touch(socket);
      this.#onIdle(socket);
    }
  }

  #has(socket: S): boolean {
    return socket.silentLonger !== undefined || socket === this.#longest;
  }

  #append(socket: S): void {
    socket.lastFrameAt = this.#now();
    socket.silentLonger = this.#shortest;
    if (this.#shortest === undefined) this.#longest = socket;
    else this.#shortest.silentShorter = socket;
    this.#shortest = socket;
  }

  #unlink(socket: S): void {
    const { silentLonger: before, silentShorter: behind } = socket;
    if (before !== undefined) before.silentShorter = behind;
    else this.#longest = behind;
    if (behind !== undefined) behind.silentLonger = before;
    else this.#shortest = before;
    socket.silentLonger = undefined;
    socket.silentShorter = undefined;
  }
}
