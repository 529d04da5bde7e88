import type { ChannelPosition } from "./channel-log.js";

const CHANNELS_MAX = 100_000;
/** The header of the name, a number, and a place in the map, which may have twice the places it needs. */
const CHANNEL_BYTES = 96;

/** The channels of one epoch whose log is gone. */
interface Generation {
  readonly epoch: string;
  /** The sequence of each channel's newest message, in the order in which the logs went. */
  readonly newest: Map<string, number>;
}

/**
 * Remembers where channels stood whose log is gone, so that their sequences continue and a client
 * that missed something is told.
 *
 * If there are too many, the oldest are forgotten. A forgotten channel looks like one that never had
 * a message, so it must not continue in an epoch in which it may have had some: `epoch`, the one for
 * channels without a known position, is replaced whenever a channel of this very epoch is forgotten.
 * The channels of older epochs are forgotten first, so this happens once in `channelsMax` times.
 */
export class GoneChannels {
  /** The oldest epoch first. Few: those before the last two hold only stragglers. */
  #generations: Generation[] = [];
  #epoch: string;
  #size = 0;
  #bytes = 0;
  readonly #newEpoch: () => string;
  readonly #bytesMax: number;
  readonly #channelsMax: number;

  /** @param newEpoch never returns the same epoch twice. */
  constructor(newEpoch: () => string, bytesMax: number, channelsMax = CHANNELS_MAX) {
    this.#newEpoch = newEpoch;
    this.#epoch = newEpoch();
    this.#bytesMax = bytesMax;
    this.#channelsMax = channelsMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The epoch of channels that have no known position. */
  get epoch(): string {
    return this.#epoch;
  }

  /** Where the channel stands: before its first message if it is not known. */
  position(channel: string): ChannelPosition {
    for (const { epoch, newest } of this.#generations) {
      const sequence = newest.get(channel);
      if (sequence !== undefined) return { epoch, newest: sequence };
    }
    return { epoch: this.#epoch, newest: 0 };
  }

  /** @param channel is kept as it is: it must not be a slice of a longer string. */
  add(channel: string, { epoch, newest }: ChannelPosition): void {
    this.#generation(epoch).newest.set(channel, newest);
    this.#size++;
    this.#bytes += bytesOf(channel);
    while (this.#size > this.#channelsMax) this.#forgetOldest();
    this.shrink(this.#bytesMax);
  }

  /** As `position`; the channel has a log again, which knows its position from now on. */
  take(channel: string): ChannelPosition {
    const position = this.position(channel);
    const generation = this.#generations.find(({ newest }) => newest.has(channel));
    if (generation !== undefined) this.#remove(generation, channel);
    return position;
  }

  shrink(bytesMax: number): void {
    while (this.#bytes > bytesMax) this.#forgetOldest();
  }

  #generation(epoch: string): Generation {
    const known = this.#generations.find((each) => each.epoch === epoch);
    if (known !== undefined) return known;
    const generation = { epoch, newest: new Map<string, number>() };
    // An older epoch than the current one is that of a log that outlived its generation.
    if (epoch === this.#epoch) this.#generations.push(generation);
    else this.#generations.unshift(generation);
    return generation;
  }

  #remove(generation: Generation, channel: string): void {
    generation.newest.delete(channel);
    this.#size--;
    this.#bytes -= bytesOf(channel);
    if (generation.newest.size > 0) return;
    this.#generations = this.#generations.filter((each) => each !== generation);
  }

  #forgetOldest(): void {
    const [generation] = this.#generations;
    if (generation === undefined) return;
    for (const channel of generation.newest.keys()) {
      this.#remove(generation, channel);
      if (generation.epoch === this.#epoch) this.#epoch = this.#newEpoch();
      return;
    }
  }
}

/** Without looking at the characters: as if none were ASCII. */
function bytesOf(channel: string): number {
  return CHANNEL_BYTES + 2 * channel.length;
}
