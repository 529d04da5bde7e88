interface Identified {
  readonly socketId: string | undefined;
}

/** The sockets of one transport, also by their id. */
export class OpenSockets<S extends Identified> {
  readonly #open = new Set<S>();
  readonly #bySocketId = new Map<string, Set<S>>();

  get size(): number {
    return this.#open.size;
  }

  [Symbol.iterator](): Iterator<S> {
    return this.#open.values();
  }

  add(socket: S): void {
    this.#open.add(socket);
    const { socketId } = socket;
    if (socketId === undefined) return;
    const ofSameId = this.#bySocketId.get(socketId);
    if (ofSameId === undefined) this.#bySocketId.set(socketId, new Set([socket]));
    else ofSameId.add(socket);
  }

  /** @returns whether it was there. */
  remove(socket: S): boolean {
    const { socketId } = socket;
    const wasOpen = this.#open.delete(socket);
    if (!wasOpen || socketId === undefined) return wasOpen;
    const ofSameId = this.#bySocketId.get(socketId);
    ofSameId?.delete(socket);
    if (ofSameId?.size === 0) this.#bySocketId.delete(socketId);
    return true;
  }

  /** A copy: to close a socket changes what it was found in. */
  ofSocketId(socketId: string): S[] {
    return [...(this.#bySocketId.get(socketId) ?? [])];
  }
}
