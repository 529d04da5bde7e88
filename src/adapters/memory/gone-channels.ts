const CHANNELS_MAX = 100_000;
/** The name's header, a number and a place in the map, which at times has twice as many places as it needs. */
const CHANNEL_BYTES = 96;

/**
 * Of the channels whose log is gone, the newest message that went with it: a client that missed it
 * is told so. Where there are too many, those that went first are known only together from then on.
 */
export class GoneChannels {
  readonly #newest = new Map<string, number>();
  /** The newest message of all the channels that are not known singly any more. */
  #forgotten = 0;
  #bytes = 0;
  readonly #bytesMax: number;
  readonly #channelsMax: number;

  constructor(bytesMax: number, channelsMax = CHANNELS_MAX) {
    this.#bytesMax = bytesMax;
    this.#channelsMax = channelsMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The newest message of the channel that may be gone; 0 where none is. */
  newest(channel: string): number {
    return this.#newest.get(channel) ?? this.#forgotten;
  }

  /** @param channel its text is kept as it is. */
  add(channel: string, newest: number): void {
    this.#newest.set(channel, newest);
    this.#bytes += bytesOf(channel);
    while (this.#newest.size > this.#channelsMax) this.#forgetFirst();
    this.shrink(this.#bytesMax);
  }

  /** What `newest` says; the channel has a log again, which knows it from now on. */
  take(channel: string): number {
    const newest = this.newest(channel);
    if (this.#newest.delete(channel)) this.#bytes -= bytesOf(channel);
    return newest;
  }

  shrink(bytesMax: number): void {
    while (this.#bytes > bytesMax) this.#forgetFirst();
  }

  #forgetFirst(): void {
    for (const [channel, newest] of this.#newest) {
      this.#newest.delete(channel);
      this.#bytes -= bytesOf(channel);
      this.#forgotten = Math.max(this.#forgotten, newest);
      return;
    }
  }
}

/** Without a look at the characters: as if none were ASCII. */
function bytesOf(channel: string): number {
  return CHANNEL_BYTES + 2 * channel.length;
}
