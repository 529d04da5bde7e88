import type { HistoryLimits } from "../../domain/broker.js";
import type { Json } from "../../domain/json.js";
import { ownText } from "./own-text.js";
import type { Used } from "./use-order.js";

/** A message as a log keeps it: the channel and the id are made again when it is read. */
export interface LogEntry {
  readonly sequence: number;
  /** When it was accepted, in milliseconds. */
  readonly at: number;
  readonly event: string;
  readonly data: Json;
  /** What the entry takes in memory, all told. */
  readonly bytes: number;
}

/*
 * What V8 takes on a 64-bit machine (Node 20 and 22), in bytes. test/adapters/memory/footprint.test.ts
 * measures that all of it together is not less than what the heap really grows by.
 */

/** An entry (64), its two numbers where they are boxed (16 each) and the Json around its text (32). */
export const ENTRY_BYTES = 128;
/** A log (144), its array's two headers (32), its limits (40) and its place in the map (64). */
export const LOG_BYTES = 288;
/** A place in a log's array. */
const SLOT_BYTES = 8;

const SLOTS_MIN = 4;

/** What one channel keeps: its newest messages, in a ring that grows up to the channel's limit. */
export class ChannelLog implements Used<ChannelLog> {
  readonly channel: string;
  older: ChannelLog | undefined = undefined;
  newer: ChannelLog | undefined = undefined;
  /** What it takes in memory. */
  bytes: number;
  #slots: (LogEntry | undefined)[] = [];
  #head = 0;
  #length = 0;

  /** @param trimmedTo the sequence of the newest message of the channel that is gone; 0 where none is. */
  constructor(
    channel: string,
    readonly limits: HistoryLimits,
    public trimmedTo: number,
  ) {
    const own = ownText(channel);
    this.channel = own.text;
    this.bytes = LOG_BYTES + own.bytes;
  }

  get length(): number {
    return this.#length;
  }

  append(entry: LogEntry): void {
    if (this.#length >= this.limits.size) this.dropOldest();
    if (this.#length === this.#slots.length) this.#grow();
    this.#slots[this.#slot(this.#length)] = entry;
    this.#length++;
    this.bytes += entry.bytes;
  }

  dropOldest(): void {
    const oldest = this.#slots[this.#head];
    if (oldest === undefined) return;
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) % this.#slots.length;
    this.#length--;
    this.bytes -= oldest.bytes;
    this.trimmedTo = oldest.sequence;
  }

  /** Drops what is too old. */
  expire(now: number): void {
    const bound = now - this.limits.ttl * 1000;
    for (;;) {
      const oldest = this.#slots[this.#head];
      if (oldest === undefined || oldest.at > bound) return;
      this.dropOldest();
    }
  }

  /** The oldest entries behind `sequence`, at most `max`. */
  behind(sequence: number, max: number): LogEntry[] {
    const entries: LogEntry[] = [];
    for (let at = this.#firstBehind(sequence); at < this.#length && entries.length < max; at++) {
      entries.push(this.#at(at));
    }
    return entries;
  }

  /** What is the newest message that is gone once the whole log is. */
  get newest(): number {
    return this.#length === 0 ? this.trimmedTo : this.#at(this.#length - 1).sequence;
  }

  #firstBehind(sequence: number): number {
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#at(middle).sequence > sequence) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #at(index: number): LogEntry {
    return this.#slots[this.#slot(index)] as LogEntry;
  }

  #slot(index: number): number {
    return (this.#head + index) % this.#slots.length;
  }

  #grow(): void {
    const slots = Math.min(this.limits.size, Math.max(SLOTS_MIN, 2 * this.#slots.length));
    const grown = new Array<LogEntry | undefined>(slots).fill(undefined);
    for (let at = 0; at < this.#length; at++) grown[at] = this.#at(at);
    this.bytes += SLOT_BYTES * (slots - this.#slots.length);
    this.#slots = grown;
    this.#head = 0;
  }
}
