import type { HistoryLimits } from "../../domain/broker.js";
import { ownText } from "./own-text.js";
import type { Used } from "./use-order.js";

/** A message of a log. The channel and the id are added again when it is read. */
export interface LogEntry {
  readonly sequence: number;
  /** When it was accepted, in milliseconds. */
  readonly at: number;
  readonly event: string;
  /** JSON text. */
  readonly data: string;
  /** What its texts take in memory. */
  readonly bytes: number;
}

export type NewEntry = Omit<LogEntry, "sequence">;

/*
 * What V8 takes on a 64-bit machine (Node 20 and 22), in bytes. test/adapters/memory/footprint.test.ts
 * compares the sum with what the heap really grows by.
 */

/** A log (168), the headers of its two arrays (64), its limits (40) and its place in the map (64). */
export const LOG_BYTES = 336;
/** A message's place in a log's arrays: two texts and two numbers. */
const SLOT_BYTES = 32;

/** The position of a channel: `newest` counts its messages in this epoch. */
export interface ChannelPosition {
  readonly epoch: string;
  readonly newest: number;
}

/**
 * What one channel keeps: its newest messages, in a ring buffer that grows up to the channel's limit.
 *
 * The messages are no objects. They outlive the young generation, where V8 pays for each object with
 * copies and marks; this way only the text of a message's data costs that.
 *
 * Sequences are contiguous: the oldest kept message has `trimmedTo + 1`.
 */
export class ChannelLog implements Used<ChannelLog>, ChannelPosition {
  readonly channel: string;
  readonly epoch: string;
  older: ChannelLog | undefined = undefined;
  newer: ChannelLog | undefined = undefined;
  /** What it takes in memory. */
  bytes: number;
  /** The sequence of the channel's newest message that is gone; 0 if none is. */
  #trimmedTo: number;
  /** Event and data of each place; empty texts if it holds no message. */
  #texts: string[] = [];
  /** Time and bytes of each place. */
  #numbers: number[] = [];
  /** The number of places, the place of the oldest message, and the number of messages. */
  #places = 0;
  #head = 0;
  #length = 0;

  /** @param start where the channel stood before; all messages up to there are gone. */
  constructor(
    channel: string,
    readonly limits: HistoryLimits,
    start: ChannelPosition,
  ) {
    const own = ownText(channel);
    this.channel = own.text;
    this.epoch = start.epoch;
    this.#trimmedTo = start.newest;
    this.bytes = LOG_BYTES + own.bytes;
  }

  get length(): number {
    return this.#length;
  }

  get trimmedTo(): number {
    return this.#trimmedTo;
  }

  /** The sequence of the newest message, even if it is gone. */
  get newest(): number {
    return this.#trimmedTo + this.#length;
  }

  /** @returns the sequence of the message. */
  append({ at, event, data, bytes }: NewEntry): number {
    if (this.#length >= this.limits.size) this.dropOldest();
    if (this.#length === this.#places) this.#grow();
    const place = this.#place(this.#length);
    const texts = this.#texts;
    texts[2 * place] = event;
    texts[2 * place + 1] = data;
    const numbers = this.#numbers;
    numbers[2 * place] = at;
    numbers[2 * place + 1] = bytes;
    this.#length++;
    this.bytes += bytes;
    return this.newest;
  }

  dropOldest(): void {
    if (this.#length === 0) return;
    const place = this.#head;
    this.#texts[2 * place] = "";
    this.#texts[2 * place + 1] = "";
    this.#head = (place + 1) % this.#places;
    this.#length--;
    this.#trimmedTo++;
    this.bytes -= this.#numbers[2 * place + 1] as number;
  }

  /** Drops messages that are too old. */
  expire(now: number): void {
    const bound = now - this.limits.ttl * 1000;
    while (this.#length > 0 && (this.#numbers[2 * this.#head] as number) <= bound) {
      this.dropOldest();
    }
  }

  /** The oldest entries after `sequence`, at most `max`. */
  after(sequence: number, max: number): LogEntry[] {
    const entries: LogEntry[] = [];
    const first = Math.max(0, sequence - this.#trimmedTo);
    for (let at = first; at < this.#length && entries.length < max; at++) {
      entries.push(this.#entry(at));
    }
    return entries;
  }

  #place(index: number): number {
    return (this.#head + index) % this.#places;
  }

  /** @param index 0 is the oldest. */
  #entry(index: number): LogEntry {
    const place = this.#place(index);
    return {
      sequence: this.#trimmedTo + 1 + index,
      at: this.#numbers[2 * place] as number,
      event: this.#texts[2 * place] as string,
      data: this.#texts[2 * place + 1] as string,
      bytes: this.#numbers[2 * place + 1] as number,
    };
  }

  #grow(): void {
    const places = Math.min(this.limits.size, Math.max(1, 2 * this.#places));
    // In order again, the oldest first.
    const texts = inOrder(this.#texts, 2 * this.#head);
    const numbers = inOrder(this.#numbers, 2 * this.#head);
    this.#texts = texts.concat(new Array<string>(2 * places - texts.length).fill(""));
    // Infinity, since 0 would make V8 box the numbers, or convert the array later.
    this.#numbers = numbers.concat(new Array<number>(2 * places - numbers.length).fill(Infinity));
    this.bytes += SLOT_BYTES * (places - this.#places);
    this.#places = places;
    this.#head = 0;
  }
}

function inOrder<T>(ring: readonly T[], head: number): T[] {
  return [...ring.slice(head), ...ring.slice(0, head)];
}
