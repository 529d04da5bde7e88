import type { MaybePromise } from "../../domain/auth-policy.js";
import type { Broker, History } from "../../domain/broker.js";
import { andThen, isPromise } from "../../domain/maybe-promise.js";
import type { Message } from "../../domain/message.js";
import { parseMessageId } from "../../domain/message-id.js";

/** Messages that are read of one channel at a time, and of all channels of a stream about. */
const PAGE_MAX = 64;
const PAGE_MIN = 8;
const PAGES_BUDGET = 1024;

/** The stream that is caught up. */
export interface ReplayTarget {
  /** A message has come since this was last set to false, as it is before the tracks are read. */
  hasHeldBack: boolean;
  /** @returns false where the client should take what is there before it gets more. */
  writeMessage(message: Message): boolean;
  whenWritable(next: () => void): void;
  readonly isOpen: boolean;
  /** All is sent, and nothing has come since the history was last read. */
  goLive(): void;
  /** History has gone from under a client that takes it too slowly, or cannot be read. */
  lose(error?: unknown): void;
}

/** One channel's next messages. */
interface Track {
  readonly channel: string;
  /** Where to read on. */
  since: string;
  /** No message up to this one is missing from `page` that was not sent. */
  known: number;
  page: readonly Message[];
  /** There may be more behind the page already. */
  isFull: boolean;
}

export interface TrackStart {
  readonly channel: string;
  readonly history: History;
}

/** How many messages to read of each of so many channels. */
export function pageSize(channels: number): number {
  return Math.max(PAGE_MIN, Math.min(PAGE_MAX, Math.floor(PAGES_BUDGET / channels)));
}

/**
 * Sends what a client has missed on several channels in the one order of their ids, no faster than
 * it takes it, and hands over to what comes live without a gap.
 *
 * The order matters: the id of each message says to a client that comes back with it that it has
 * all before it, of every channel. So a message goes out only when each other channel is known up
 * to there.
 */
export class Replay {
  readonly #broker: Pick<Broker, "history">;
  readonly #target: ReplayTarget;
  readonly #tracks: Track[] = [];
  readonly #limit: number;
  #queue: Message[] = [];
  #sent = 0;

  /**
   * @param starts of every channel that keeps a history; read in this turn, where that is possible
   * @param limit with which they were read, and more is
   */
  constructor(
    broker: Pick<Broker, "history">,
    target: ReplayTarget,
    starts: readonly TrackStart[],
    limit: number,
  ) {
    this.#broker = broker;
    this.#target = target;
    this.#limit = limit;
    for (const { channel, history } of starts) {
      const track: Track = { channel, since: "", known: 0, page: [], isFull: false };
      this.#take(track, history, 0);
      this.#tracks.push(track);
    }
  }

  run(): void {
    const target = this.#target;
    while (target.isOpen) {
      if (!this.#sendQueue()) return;
      this.#collect();
      if (this.#queue.length > 0) continue;
      const isAllSent = this.#tracks.every(({ page, isFull }) => page.length === 0 && !isFull);
      if (isAllSent && !target.hasHeldBack) {
        target.goLive();
        return;
      }
      const read = this.#read(isAllSent ? this.#tracks : this.#behindOthers());
      if (isPromise(read)) {
        read.then(
          () => this.run(),
          (error: unknown) => target.isOpen && target.lose(error),
        );
        return;
      }
    }
  }

  /** @returns false where it goes on later, or never. */
  #sendQueue(): boolean {
    const target = this.#target;
    while (this.#sent < this.#queue.length) {
      const isTaken = target.writeMessage(this.#queue[this.#sent++] as Message);
      if (!target.isOpen) return false;
      if (isTaken) continue;
      target.whenWritable(() => this.run());
      return false;
    }
    return true;
  }

  /** Everything that can be sent in order: up to where each track is known. */
  #collect(): void {
    const bound = this.#bound();
    const ready: Message[] = [];
    for (const track of this.#tracks) {
      const { page } = track;
      if (page.length === 0) continue;
      const behind = page.findIndex((message) => sequenceOf(message.id) > bound);
      const count = behind === -1 ? page.length : behind;
      for (let at = 0; at < count; at++) ready.push(page[at] as Message);
      track.page = behind === -1 ? [] : page.slice(count);
    }
    this.#queue = ready.sort((one, other) => sequenceOf(one.id) - sequenceOf(other.id));
    this.#sent = 0;
  }

  #bound(): number {
    let bound = Number.POSITIVE_INFINITY;
    for (const { known } of this.#tracks) bound = Math.min(bound, known);
    return bound;
  }

  /** The tracks for which the others wait. All that was known of them is sent. */
  #behindOthers(): Track[] {
    const bound = this.#bound();
    return this.#tracks.filter(({ known }) => known === bound);
  }

  #read(tracks: readonly Track[]): MaybePromise<void> {
    // Before the reads, not behind them: what comes meanwhile may be in none of them.
    if (tracks.length === this.#tracks.length) this.#target.hasHeldBack = false;
    // What has been read anywhere was accepted before this, and so was all that comes before it.
    const seen = this.#seen();
    const reads: Promise<void>[] = [];
    for (const track of tracks) {
      const query = { since: track.since, limit: this.#limit };
      const taken = andThen(this.#broker.history(track.channel, query), (history) => {
        if (history.recovered) this.#take(track, history, seen);
        else if (this.#target.isOpen) this.#target.lose();
      });
      if (isPromise(taken)) reads.push(taken);
      if (!this.#target.isOpen) return;
    }
    if (reads.length > 0) return Promise.all(reads).then(() => {});
  }

  #take(track: Track, { position, messages }: History, seen: number): void {
    const last = messages.at(-1)?.id;
    track.isFull = messages.length >= this.#limit;
    track.page = messages;
    track.since = (track.isFull ? last : (position ?? last)) ?? track.since;
    track.known = track.isFull
      ? sequenceOf(last)
      : Math.max(seen, sequenceOf(position), sequenceOf(last));
  }

  #seen(): number {
    let seen = 0;
    for (const { page } of this.#tracks) seen = Math.max(seen, sequenceOf(page.at(-1)?.id));
    return seen;
  }
}

function sequenceOf(id: string | undefined): number {
  return (id === undefined ? undefined : parseMessageId(id)?.sequence) ?? 0;
}
