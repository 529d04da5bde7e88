import type { HistoryLimits } from "../../domain/broker.js";
import { formatMessageId } from "../../domain/message-id.js";
import {
  type ChannelRecord,
  decodeChannel,
  encodeChannel,
  encodeMessage,
  type StoredMessage,
  textKey,
} from "./records.js";
import type { MessageKey, Store } from "./store.js";

/**
 * How far a channel's store grows above its size before it is trimmed, as a fraction of the size:
 * removing messages one by one would cost a page of its own with every push.
 */
const TRIM_SLACK = 0.25;

/** After every sequence. */
export const END_OF_CHANNEL = Number.MAX_SAFE_INTEGER;

/** What is committed of the channel; undefined if it has no record. */
export function readChannel(store: Store, channel: string): ChannelRecord | undefined {
  const record = store.channels.get(textKey(channel));
  return record && decodeChannel(record);
}

/** The keys of a channel's stored messages, oldest first. */
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

/** When a message expires, in milliseconds. */
export function endOf(acceptedAt: number, { ttl }: HistoryLimits): number {
  return Math.min(acceptedAt + ttl * 1000, Number.MAX_SAFE_INTEGER);
}

/** What one transaction changes in the messages of one channel. */
export class ChannelWrites {
  readonly #store: Store;
  readonly #channel: string;
  readonly #limits: HistoryLimits;
  readonly #record: ChannelRecord;
  /** Whether `due` must get an entry: the channel has no stored message yet. */
  readonly #isEmpty: boolean;
  readonly #trimmed: readonly MessageKey[];
  readonly #added: Buffer[] = [];
  #firstAt = 0;
  /** How many of the added messages have been delivered. */
  delivered = 0;

  /** @param newRecord makes the record of a channel that has none. */
  constructor(
    store: Store,
    channel: string,
    limits: HistoryLimits,
    newRecord: () => ChannelRecord,
  ) {
    this.#store = store;
    this.#channel = channel;
    this.#limits = limits;
    const known = readChannel(store, channel);
    this.#record = known ?? newRecord();
    const { newest, trimmedTo } = this.#record;
    this.#isEmpty = newest === trimmedTo;
    // Only what exceeds the size already: a reader must find the committed messages until the new
    // ones are delivered, and skips by itself what they push out.
    const above = newest - trimmedTo - limits.size;
    const isTrimmed = above > limits.size * TRIM_SLACK;
    this.#trimmed = isTrimmed ? [...storedKeys(store, this.#record, above)] : [];
  }

  /** The sequence of the newest message that has been delivered. */
  get deliveredTo(): number {
    return this.#record.newest + this.delivered;
  }

  /** @returns the message's id. */
  add(message: StoredMessage): string {
    if (this.#added.length === 0) this.#firstAt = message.acceptedAt;
    const { epoch, newest } = this.#record;
    return formatMessageId(epoch, newest + this.#added.push(encodeMessage(message)));
  }

  write(): void {
    const store = this.#store;
    const { id, emptySince, newest } = this.#record;
    for (const key of this.#trimmed) store.remove(store.messages, key);
    for (const [at, message] of this.#added.entries()) {
      store.put(store.messages, [id, newest + 1 + at], message);
    }
    const record = encodeChannel({
      ...this.#record,
      trimmedTo: this.#trimmed.at(-1)?.[1] ?? this.#record.trimmedTo,
      newest: newest + this.#added.length,
      emptySince: undefined,
    });
    store.put(store.channels, textKey(this.#channel), record);
    if (emptySince !== undefined) store.remove(store.empty, [emptySince, id]);
    if (!this.#isEmpty) return;
    store.put(store.due, [endOf(this.#firstAt, this.#limits), id], Buffer.from(this.#channel));
  }
}

/** Removes a channel from the tables, within `commit`. Its entry in `due` is removed when it is due. */
export function removeChannel(
  store: Store,
  channel: string,
  { id, emptySince }: ChannelRecord,
  stored: readonly MessageKey[],
): void {
  for (const key of stored) store.remove(store.messages, key);
  if (emptySince !== undefined) store.remove(store.empty, [emptySince, id]);
  store.remove(store.channels, textKey(channel));
}
