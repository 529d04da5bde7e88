import type { History, HistoryLimits, HistoryQuery } from "../../domain/broker.js";
import { Json } from "../../domain/json.js";
import type { Message } from "../../domain/message.js";
import { formatMessageId, parseMessageId } from "../../domain/message-id.js";
import { endOf, keepsHistory, readChannel, storedKeys } from "./channel-table.js";
import { type ChannelRecord, decodeMessage } from "./records.js";
import type { Store } from "./store.js";

/** What a reader may know of. */
export interface ReadOptions {
  readonly store: Store;
  readonly limits: HistoryLimits;
  readonly epoch: string;
  /** The last sequence that was handed over; what is behind it is not there yet. */
  readonly delivered: number;
  /** How many messages of the channel are committed, or being so, and not handed over. */
  readonly undelivered: number;
  readonly forgottenTo: number;
  readonly now: number;
}

/** What the channel keeps at this moment, by its limits, whatever is still stored. */
export function readHistory(channel: string, query: HistoryQuery, options: ReadOptions): History {
  const { limits, epoch, delivered } = options;
  if (!keepsHistory(limits)) {
    return { position: undefined, recovered: query.since === undefined, messages: [] };
  }
  const position = formatMessageId(epoch, delivered);
  const since = sinceOf(query, options);
  if (since === "nothing of ours") return { position, recovered: false, messages: [] };
  const record = readChannel(options.store, channel);
  const gone = { position, recovered: false, messages: [] };
  if (record === undefined) {
    const recovered = since === undefined || since >= options.forgottenTo;
    return { position, recovered, messages: [] };
  }
  const trimmedTo = visiblyTrimmedTo(record, options);
  if (since !== undefined && since < trimmedTo) return gone;
  const messages: Message[] = [];
  const limit = query.limit ?? Number.POSITIVE_INFINITY;
  const range = {
    start: [record.id, Math.max(trimmedTo, since ?? 0) + 1],
    end: [record.id, delivered + 1],
  };
  for (const { key, value } of options.store.messages.getRange(range)) {
    const { acceptedAt, event, data } = decodeMessage(value);
    if (endOf(acceptedAt, limits) <= options.now) {
      if (since !== undefined) return gone;
      continue;
    }
    if (messages.length >= limit) break;
    const id = formatMessageId(epoch, key[1]);
    messages.push({ channel, event, data: Json.parse(data), id });
  }
  return { position, recovered: true, messages };
}

function sinceOf({ since }: HistoryQuery, { epoch, delivered }: ReadOptions) {
  if (since === undefined) return undefined;
  const id = parseMessageId(since);
  if (id?.epoch !== epoch || id.sequence > delivered) return "nothing of ours";
  return id.sequence;
}

/** More may be stored than the channel's size, until its next message. */
function visiblyTrimmedTo(record: ChannelRecord, options: ReadOptions): number {
  const hidden = record.newest > options.delivered ? options.undelivered : 0;
  const above = record.count - hidden - options.limits.size;
  let trimmedTo = record.trimmedTo;
  if (above <= 0) return trimmedTo;
  for (const [, sequence] of storedKeys(options.store, record, above)) trimmedTo = sequence;
  return trimmedTo;
}
