import type { HistoryLimits } from "../../domain/broker.js";
import { ownText } from "./own-text.js";
import type { Used } from "./use-order.js";

/** A message of a log: the channel and the id are made again when it is read. */
export interface LogEntry {
  readonly sequence: number;
  /** When it was accepted, in milliseconds. */
  readonly at: number;
  readonly event: string;
  /** The text of its JSON. */
  readonly data: string;
  /** What its texts take in memory. */
  readonly bytes: number;
}

/*
 * What V8 takes on a 64-bit machine (Node 20 and 22), in bytes. test/adapters/memory/footprint.test.ts
 * measures that all of it together is not less than what the heap really grows by.
 */

/** A log (152), its two arrays' headers (64), its limits (40) and its place in the map (64). */
export const LOG_BYTES = 320;
/** A message's place in a log's arrays: two texts and three numbers. */
const SLOT_BYTES = 40;

/**
 * What one channel keeps: its newest messages, in a ring that grows up to the channel's limit.
 *
 * No message is an object of its own. What is kept outlives the young generation, and there V8 pays
 * for each object, with copies and marks; of a message only the text of its data is left to that.
 */
export class ChannelLog implements Used<ChannelLog> {
  readonly channel: string;
  older: ChannelLog | undefined = undefined;
  newer: ChannelLog | undefined = undefined;
  /** What it takes in memory. */
  bytes: number;
  /** For each place the event and the data; empty texts where there is no message. */
  #texts: string[] = [];
  /** For each place the sequence, the time and the bytes. */
  #numbers: number[] = [];
  /** How many places there are, where the oldest message is, and how many there are. */
  #places = 0;
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

  append({ sequence, at, event, data, bytes }: LogEntry): void {
    if (this.#length >= this.limits.size) this.dropOldest();
    if (this.#length === this.#places) this.#grow();
    const place = this.#place(this.#length);
    const texts = this.#texts;
    texts[2 * place] = event;
    texts[2 * place + 1] = data;
    const numbers = this.#numbers;
    numbers[3 * place] = sequence;
    numbers[3 * place + 1] = at;
    numbers[3 * place + 2] = bytes;
    this.#length++;
    this.bytes += bytes;
  }

  dropOldest(): void {
    if (this.#length === 0) return;
    const place = this.#head;
    this.#texts[2 * place] = "";
    this.#texts[2 * place + 1] = "";
    this.#head = (place + 1) % this.#places;
    this.#length--;
    this.bytes -= this.#numbers[3 * place + 2] as number;
    this.trimmedTo = this.#numbers[3 * place] as number;
  }

  /** Drops what is too old. */
  expire(now: number): void {
    const bound = now - this.limits.ttl * 1000;
    while (this.#length > 0 && (this.#numbers[3 * this.#head + 1] as number) <= bound) {
      this.dropOldest();
    }
  }

  /** The oldest entries behind `sequence`, at most `max`. */
  behind(sequence: number, max: number): LogEntry[] {
    const entries: LogEntry[] = [];
    for (let at = this.#firstBehind(sequence); at < this.#length && entries.length < max; at++) {
      entries.push(this.#entry(this.#place(at)));
    }
    return entries;
  }

  /** What is the newest message that is gone once the whole log is. */
  get newest(): number {
    return this.#length === 0 ? this.trimmedTo : this.#sequence(this.#length - 1);
  }

  #firstBehind(sequence: number): number {
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sequence(middle) > sequence) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** @param index 0 is the oldest. */
  #sequence(index: number): number {
    return this.#numbers[3 * this.#place(index)] as number;
  }

  #place(index: number): number {
    return (this.#head + index) % this.#places;
  }

  #entry(place: number): LogEntry {
    const [event, data] = this.#texts.slice(2 * place, 2 * place + 2) as [string, string];
    const numbers = this.#numbers.slice(3 * place, 3 * place + 3);
    const [sequence, at, bytes] = numbers as [number, number, number];
    return { sequence, at, event, data, bytes };
  }

  #grow(): void {
    const places = Math.min(this.limits.size, Math.max(1, 2 * this.#places));
    // In their order again, the oldest in front.
    const texts = inOrder(this.#texts, 2 * this.#head);
    const numbers = inOrder(this.#numbers, 3 * this.#head);
    this.#texts = texts.concat(new Array<string>(2 * places - texts.length).fill(""));
    // Of Infinity and not 0, which would make V8 box the numbers, or convert the array later.
    this.#numbers = numbers.concat(new Array<number>(3 * places - numbers.length).fill(Infinity));
    this.bytes += SLOT_BYTES * (places - this.#places);
    this.#places = places;
    this.#head = 0;
  }
}

function inOrder<T>(ring: readonly T[], head: number): T[] {
  return [...ring.slice(head), ...ring.slice(0, head)];
}
