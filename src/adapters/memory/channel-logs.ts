import type { HistoryLimits } from "../../domain/broker.js";
import { ChannelLog, type ChannelPosition, type NewEntry } from "./channel-log.js";
import { GoneChannels } from "./gone-channels.js";
import { UseOrder } from "./use-order.js";

/**
 * The logs of all channels within one memory budget. If it is used up, whole logs are dropped, least
 * recently pushed to or read first: an unused channel keeps nothing, rather than every channel a
 * little.
 */
export class ChannelLogs {
  readonly #logs = new Map<string, ChannelLog>();
  readonly #order = new UseOrder<ChannelLog>();
  readonly #gone: GoneChannels;
  readonly #bytesMax: number;
  /** Of the logs. */
  #bytes = 0;
  /** How far the sweep has come. */
  #swept: Iterator<ChannelLog> | undefined;

  /** @param newEpoch never returns the same epoch twice. */
  constructor(bytesMax: number, newEpoch: () => string) {
    this.#bytesMax = bytesMax;
    this.#gone = new GoneChannels(newEpoch, bytesMax / 8);
  }

  /** The estimated memory of everything. Never above the budget between two calls. */
  get bytes(): number {
    return this.#bytes + this.#gone.bytes;
  }

  get size(): number {
    return this.#logs.size;
  }

  get(channel: string): ChannelLog | undefined {
    return this.#logs.get(channel);
  }

  /** Makes the log of a channel that has none. Append to it at once. */
  open(channel: string, limits: HistoryLimits): ChannelLog {
    const log = new ChannelLog(channel, limits, this.#gone.take(channel));
    this.#logs.set(log.channel, log);
    this.#bytes += log.bytes;
    return log;
  }

  /** @returns the sequence of the message. */
  append(log: ChannelLog, entry: NewEntry): number {
    this.#order.use(log);
    const before = log.bytes;
    log.expire(entry.at);
    const sequence = log.append(entry);
    this.#bytes += log.bytes - before;
    if (this.bytes > this.#bytesMax) this.#makeRoom(log);
    return sequence;
  }

  /** The channel's log, if it has one, without messages that are too old. */
  read(channel: string, now: number): ChannelLog | undefined {
    const log = this.#logs.get(channel);
    if (log === undefined) return undefined;
    this.#expire(log, now);
    if (log.length === 0) return undefined;
    this.#order.use(log);
    return log;
  }

  /** Where the channel stands, whether it has a log or not. */
  position(channel: string): ChannelPosition {
    return this.#logs.get(channel) ?? this.#gone.position(channel);
  }

  /** Drops what is too old in the next `max` logs; a later call continues after them. */
  sweep(now: number, max: number): void {
    for (let seen = 0; seen < max; seen++) {
      this.#swept ??= this.#logs.values();
      const { done, value } = this.#swept.next();
      if (done) {
        this.#swept = undefined;
        return;
      }
      this.#expire(value, now);
    }
  }

  #expire(log: ChannelLog, now: number): void {
    const before = log.bytes;
    log.expire(now);
    this.#bytes += log.bytes - before;
    if (log.length === 0) this.#drop(log);
  }

  #makeRoom(kept: ChannelLog): void {
    while (this.bytes > this.#bytesMax) {
      const { oldest } = this.#order;
      if (oldest !== undefined && oldest !== kept) this.#drop(oldest);
      else if (kept.length > 1) {
        const before = kept.bytes;
        kept.dropOldest();
        this.#bytes += kept.bytes - before;
      } else {
        this.#gone.shrink(Math.max(0, this.#bytesMax - this.#bytes));
        // The message alone is larger than the budget.
        if (this.bytes > this.#bytesMax) this.#drop(kept);
      }
    }
  }

  #drop(log: ChannelLog): void {
    this.#order.remove(log);
    this.#logs.delete(log.channel);
    this.#bytes -= log.bytes;
    this.#gone.add(log.channel, log);
  }
}
