import type { History, HistoryLimits, HistoryQuery } from "../../domain/broker.js";
import { Json } from "../../domain/json.js";
import type { Message } from "../../domain/message.js";
import { formatMessageId, parseMessageId } from "../../domain/message-id.js";
import { endOf, keepsHistory, readChannel } from "./channel-table.js";
import { decodeMessage } from "./records.js";
import type { Store } from "./store.js";

/** What a reader may see. */
export interface ReadOptions {
  readonly store: Store;
  readonly limits: HistoryLimits;
  /** The epoch of channels without a record. */
  readonly epoch: string;
  /** The newest delivered sequence, if more messages may be committed; undefined if all are delivered. */
  readonly deliveredTo: number | undefined;
  readonly now: number;
}

/** The channel's position; undefined if it keeps no history. */
export function readPosition(channel: string, options: ReadOptions): string | undefined {
  if (!keepsHistory(options.limits)) return undefined;
  const { epoch, newest } = standing(channel, options);
  return formatMessageId(epoch, newest);
}

/** What the channel's limits keep right now, even if more is stored. */
export function readHistory(channel: string, query: HistoryQuery, options: ReadOptions): History {
  const { limits, now, store } = options;
  if (!keepsHistory(limits)) {
    return { position: undefined, recovered: query.since === undefined, messages: [] };
  }
  const { id, epoch, newest, trimmedTo } = standing(channel, options);
  const position = formatMessageId(epoch, newest);
  const gone: History = { position, recovered: false, messages: [] };
  let since: number | undefined;
  if (query.since !== undefined) {
    const asked = parseMessageId(query.since);
    if (asked?.epoch !== epoch || asked.sequence < trimmedTo || asked.sequence > newest)
      return gone;
    since = asked.sequence;
  }
  const messages: Message[] = [];
  if (id === undefined) return { position, recovered: true, messages };
  const limit = query.limit ?? Number.POSITIVE_INFINITY;
  const range = { start: [id, Math.max(trimmedTo, since ?? 0) + 1], end: [id, newest + 1] };
  for (const { key, value } of store.messages.getRange(range)) {
    const { acceptedAt, event, data } = decodeMessage(value);
    if (endOf(acceptedAt, limits) <= now) {
      if (since !== undefined) return gone;
      continue;
    }
    if (messages.length >= limit) break;
    messages.push({ channel, event, data: Json.parse(data), id: formatMessageId(epoch, key[1]) });
  }
  return { position, recovered: true, messages };
}

/** Where the channel stands for a reader: without what is not delivered yet, and what exceeds its size. */
function standing(channel: string, { store, limits, epoch, deliveredTo }: ReadOptions) {
  const record = readChannel(store, channel);
  if (record === undefined) return { id: undefined, epoch, newest: 0, trimmedTo: 0 };
  const newest = Math.min(record.newest, deliveredTo ?? record.newest);
  const trimmedTo = Math.max(record.trimmedTo, newest - limits.size);
  return { id: record.id, epoch: record.epoch, newest, trimmedTo };
}
