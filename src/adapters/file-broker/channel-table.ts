import type { HistoryLimits } from "../../domain/broker.js";
import {
  type ChannelRecord,
  decodeChannel,
  encodeChannel,
  encodeMessage,
  textKey,
} from "./records.js";
import type { MessageKey, Store } from "./store.js";

/**
 * How far above its size a channel's store grows before it is trimmed, as a part of the size: each
 * message that goes alone would cost a page of its own at each push.
 */
const TRIM_SLACK = 0.25;

/** Behind every sequence. */
export const END_OF_CHANNEL = Number.MAX_SAFE_INTEGER;

/** What was committed of the channel; undefined where nothing is left of it. */
export function readChannel(store: Store, channel: string): ChannelRecord | undefined {
  const record = store.channels.get(textKey(channel));
  return record && decodeChannel(record);
}

/** The keys of a channel's stored messages, the oldest first. */
export function storedKeys(
  store: Store,
  { id, trimmedTo }: ChannelRecord,
  limit?: number,
): Iterable<MessageKey> {
  const range = { start: [id, trimmedTo + 1], end: [id, END_OF_CHANNEL] };
  return store.messages.getKeys(limit === undefined ? range : { ...range, limit });
}

export function keepsHistory({ size, ttl }: HistoryLimits): boolean {
  return size > 0 && ttl > 0;
}

/** From when on a message is gone, in milliseconds. */
export function endOf(acceptedAt: number, { ttl }: HistoryLimits): number {
  return Math.min(acceptedAt + ttl * 1000, Number.MAX_SAFE_INTEGER);
}

export interface NewMessage {
  readonly sequence: number;
  readonly acceptedAt: number;
  readonly event: string;
  /** JSON text. */
  readonly data: string;
}

/** What one transaction changes of the messages of one channel. */
export class ChannelWrites {
  readonly #key: Buffer;
  readonly #isNew: boolean;
  readonly #record: ChannelRecord;
  readonly #trimmed: MessageKey[] = [];
  readonly #added: [sequence: number, Buffer][] = [];
  #firstAt = 0;

  constructor(
    readonly store: Store,
    readonly channel: string,
    readonly limits: HistoryLimits,
    /** Becomes the id of the channel where it has none. */
    sequence: number,
  ) {
    this.#key = textKey(channel);
    const known = readChannel(store, channel);
    this.#isNew = known === undefined;
    this.#record = known ?? { id: sequence, trimmedTo: 0, newest: 0, count: 0 };
    // Only what is above the size already: a reader must find what was there until the moment in
    // which the new ones are handed over, and leaves out by itself what they push out.
    const above = this.#record.count - limits.size;
    if (above > limits.size * TRIM_SLACK)
      this.#trimmed.push(...storedKeys(store, this.#record, above));
  }

  /** How many are added. */
  get added(): number {
    return this.#added.length;
  }

  add({ sequence, ...message }: NewMessage): void {
    if (this.#added.length === 0) this.#firstAt = message.acceptedAt;
    this.#added.push([sequence, encodeMessage(message)]);
  }

  write(): void {
    const { store } = this;
    const record = this.#record;
    for (const key of this.#trimmed) {
      store.remove(store.messages, key);
      record.trimmedTo = key[1];
    }
    for (const [sequence, message] of this.#added) {
      store.put(store.messages, [record.id, sequence], message);
      record.newest = sequence;
    }
    record.count += this.#added.length - this.#trimmed.length;
    store.put(store.channels, this.#key, encodeChannel(record));
    if (!this.#isNew) return;
    const due = endOf(this.#firstAt, this.limits);
    store.put(store.due, [due, record.id], Buffer.from(this.channel));
  }
}

/** Takes a channel out of the tables; within `commit`. Its entry in `due` goes when it is looked at. */
export function removeChannel(store: Store, channel: string, stored: readonly MessageKey[]): void {
  for (const key of stored) store.remove(store.messages, key);
  store.remove(store.channels, textKey(channel));
}
