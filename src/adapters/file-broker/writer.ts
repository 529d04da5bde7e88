import {
  BrokerUnavailable,
  type Deliver,
  type Publication,
  type PublishResult,
} from "../../domain/broker.js";
import { keepsHistory, readChannel } from "./channel-table.js";
import { CommitFailed } from "./commit-failed.js";
import { Group, type GroupedMessage, type GroupedPush } from "./group.js";
import type { FileBrokerLog } from "./log.js";
import { PushQueue, type Waiting } from "./push-queue.js";
import type { BrokerState } from "./records.js";
import { type SweepOptions, SweepSlice } from "./sweep.js";

export interface WriterOptions extends SweepOptions {
  readonly state: BrokerState;
  readonly deliver: Deliver;
  /** Milliseconds. */
  readonly now: () => number;
  readonly waitingBytesMax: number;
  /** How long a commit may take before it counts as stuck, in milliseconds. */
  readonly stuckAfterMs: number;
  readonly log: FileBrokerLog | undefined;
}

const ACCEPTED: PublishResult = { kind: "accepted" };
/** Maximum number of channels that are known to have no record. */
const WITHOUT_RECORD_MAX = 10_000;

/**
 * The only one that writes: pushes in groups, each committed and then delivered, and slices of the
 * background work between them. It does one thing at a time, each based on everything before it.
 */
export class Writer {
  readonly #options: WriterOptions;
  readonly #queue: PushQueue;
  /**
   * As committed, except that a channel id or an epoch of a commit that failed is not used again:
   * it may be on disk all the same.
   */
  #state: BrokerState;
  /** The group that is being committed or delivered. */
  #group: Group | undefined;
  #work: Promise<void> | undefined;
  #deliversNow = false;
  #sweepDue = false;
  #nextSlice: NodeJS.Timeout | undefined;
  /** Resolved when a sweep has nothing left to do. */
  #onSwept: (() => void)[] = [];
  #ends = false;
  #failing = false;
  #stuck: BrokerUnavailable | undefined;
  #onStuck = () => {};
  #lastNow = 0;
  /** Channels without history that have no record from an earlier run. */
  readonly #withoutRecord = new Set<string>();

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#queue = new PushQueue(options.waitingBytesMax);
    this.#state = options.state;
  }

  /** The epoch of channels without a record. */
  get epoch(): string {
    return this.#state.epoch;
  }

  /** The channel's newest delivered sequence, if more may be committed; undefined if all are delivered. */
  deliveredTo(channel: string): number | undefined {
    return this.#group?.deliveredTo(channel);
  }

  /** @throws {BrokerUnavailable} */
  publish(publication: Publication): PublishResult | Promise<PublishResult> {
    if (this.#stuck !== undefined) throw this.#stuck;
    if (this.#needsNoTurn(publication)) return this.#deliverNow(publication);
    const result = this.#queue.push(publication);
    if (result === undefined) throw new BrokerUnavailable("too many pushes wait for the disk");
    this.#begin();
    return result;
  }

  /** Starts to remove what is too old. */
  sweep(): void {
    clearTimeout(this.#nextSlice);
    this.#sweepDue = true;
    this.#begin();
  }

  /** Resolves once a sweep finds nothing left to do, or fails. */
  sweepAll(): Promise<void> {
    const swept = new Promise<void>((resolve) => this.#onSwept.push(resolve));
    this.sweep();
    return swept;
  }

  /** Resolves once everything in progress is done; with `false` at once if the disk does not answer. */
  async done(): Promise<boolean> {
    this.#ends = true;
    clearTimeout(this.#nextSlice);
    while (this.#work !== undefined) {
      if (this.#stuck !== undefined) return false;
      await Promise.race([this.#work, new Promise<void>((resolve) => (this.#onStuck = resolve))]);
    }
    this.#swept();
    return true;
  }

  /**
   * The pushes of this turn of the event loop share the first commit; those that arrive during a
   * commit share the next one.
   */
  #begin(): void {
    this.#work ??= new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.#turns())
      .finally(() => {
        this.#work = undefined;
        if (!this.#queue.isEmpty || this.#sweepDue) this.#begin();
      });
  }

  async #turns(): Promise<void> {
    while (!this.#queue.isEmpty || this.#sweepDue) {
      const waiting = this.#queue.take();
      if (waiting.length > 0) await this.#publish(waiting);
      if (this.#sweepDue) await this.#sweep();
    }
  }

  async #publish(waiting: readonly Waiting[]): Promise<void> {
    let pushes: GroupedPush[];
    let group: Group;
    try {
      group = new Group(this.#options, this.#state, this.#now());
      pushes = waiting.map(({ publication }) => group.add(publication));
      this.#group = group;
      this.#raise(group.state);
      if (group.writes) await this.#commit(() => group.write());
    } catch (error) {
      this.#group = undefined;
      const unavailable = this.#failed(error);
      for (const { reject } of waiting) reject(unavailable);
      return;
    }
    if (group.writes) this.#succeeded(group.state);
    const settle = pushes.map((push, at) => this.#settled(push, waiting[at] as Waiting));
    this.#group = undefined;
    for (const each of settle) each();
  }

  /** Delivers the push. @returns tells its caller, to be called after all pushes are delivered. */
  #settled(push: GroupedPush, { publication, resolve, reject }: Waiting): () => void {
    const { result } = push;
    if (result !== undefined) return () => resolve(result);
    const errors: unknown[] = [];
    for (const grouped of push.messages) this.#deliver(grouped, publication.pushId, errors);
    if (errors.length === 0) return () => resolve(ACCEPTED);
    return () => reject(errors[0]);
  }

  /** @param errors gets what `deliver` throws against its promise: the push's caller must know. */
  #deliver({ message, writes }: GroupedMessage, pushId: string, errors: unknown[]): void {
    if (writes !== undefined) writes.delivered++;
    try {
      this.#options.deliver(message, pushId);
    } catch (error) {
      errors.push(error);
    }
  }

  /** Whether there is nothing to write, and nothing to wait for. */
  #needsNoTurn({ push, idempotency }: Publication): boolean {
    if (this.#work !== undefined || this.#deliversNow || idempotency !== undefined) return false;
    // The state must say that there was such a message before the first one is delivered.
    if (!this.#state.unkept) return false;
    return push.channels.every(
      (channel) => !keepsHistory(this.#options.limits(channel)) && this.#hasNoRecord(channel),
    );
  }

  /** A record from a run in which the channel kept a history must be removed first. */
  #hasNoRecord(channel: string): boolean {
    const known = this.#withoutRecord;
    if (known.has(channel)) return true;
    if (readChannel(this.#options.store, channel) !== undefined) return false;
    if (known.size >= WITHOUT_RECORD_MAX) known.clear();
    known.add(channel);
    return true;
  }

  #deliverNow({ push, pushId }: Publication): PublishResult {
    const errors: unknown[] = [];
    this.#deliversNow = true;
    for (const channel of push.channels) {
      this.#deliver({ message: push.message(channel), writes: undefined }, pushId, errors);
    }
    this.#deliversNow = false;
    if (errors.length > 0) throw errors[0];
    return ACCEPTED;
  }

  async #sweep(): Promise<void> {
    this.#sweepDue = false;
    const beganAt = performance.now();
    try {
      const slice = new SweepSlice(this.#options, this.#state, this.#now());
      if (slice.isEmpty) return this.#swept();
      this.#raise(slice.state);
      await this.#commit(() => slice.write());
      this.#succeeded(slice.state);
      if (this.#ends) return;
      // Somebody waits until nothing is left; a slice may also have made work for the next one.
      if (!slice.more && this.#onSwept.length === 0) return;
      // Pushes wait for a slice, so they get as much time as the slice took.
      const pause = performance.now() - beganAt;
      this.#nextSlice = setTimeout(() => this.sweep(), pause).unref();
    } catch (error) {
      this.#failed(error);
      this.#swept();
    }
  }

  #swept(): void {
    for (const resolve of this.#onSwept.splice(0)) resolve();
  }

  /** While a commit is stuck its own pushes wait, since it may still succeed; all others are refused. */
  async #commit(write: () => void): Promise<void> {
    const timer = setTimeout(() => {
      this.#stuck = this.#failed(new CommitFailed("the disk does not answer"));
      for (const { reject } of this.#queue.clear()) reject(this.#stuck);
      this.#onStuck();
    }, this.#options.stuckAfterMs);
    try {
      await this.#options.store.commit(write);
    } finally {
      clearTimeout(timer);
      this.#stuck = undefined;
    }
  }

  #raise({ epoch, lastChannelId }: BrokerState): void {
    this.#state = { ...this.#state, epoch, lastChannelId };
  }

  #succeeded(state: BrokerState): void {
    this.#state = state;
    if (this.#failing) this.#options.log?.info("the file broker writes again");
    this.#failing = false;
  }

  #failed(error: unknown): BrokerUnavailable {
    const reason = error instanceof CommitFailed ? error.message : "an error of the store";
    const line = `the file broker cannot write: ${reason}`;
    if (!this.#failing) this.#options.log?.error(line);
    this.#failing = true;
    return new BrokerUnavailable(line);
  }

  /** Monotonic: if the clock is set back, no message becomes younger than those before it. */
  #now(): number {
    this.#lastNow = Math.max(this.#lastNow, this.#options.now());
    return this.#lastNow;
  }
}
