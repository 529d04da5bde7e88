interface Identified {
  readonly socketId: string | undefined;
}

/** The sockets of one transport: by their id, and how many each channel has. */
export class OpenSockets<S extends Identified> {
  readonly #open = new Set<S>();
  readonly #bySocketId = new Map<string, Set<S>>();
  readonly #subscribers = new Map<string, number>();

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

  /** One of the sockets has joined this channel. */
  joined(channel: string): void {
    this.#subscribers.set(channel, (this.#subscribers.get(channel) ?? 0) + 1);
  }

  /** One of the sockets has left this channel. */
  left(channel: string): void {
    const subscribers = (this.#subscribers.get(channel) ?? 0) - 1;
    if (subscribers > 0) this.#subscribers.set(channel, subscribers);
    else this.#subscribers.delete(channel);
  }

  subscribers(channel: string): number {
    return this.#subscribers.get(channel) ?? 0;
  }

  /** Channels with at least one subscriber. */
  channels(): Iterable<string> {
    return this.#subscribers.keys();
  }

  subscriptions(): number {
    let subscriptions = 0;
    for (const subscribers of this.#subscribers.values()) subscriptions += subscribers;
    return subscriptions;
  }
}
