import {
  BrokerUnavailable,
  type Deliver,
  type Publication,
  type PublishResult,
} from "../../domain/broker.js";
import type { Message } from "../../domain/message.js";
import { keepsHistory } from "./channel-table.js";
import { CommitFailed } from "./commit-failed.js";
import { Group, type GroupedMessage, type GroupedPush, type GroupOptions } from "./group.js";
import type { FileBrokerLog } from "./log.js";
import { PushQueue, type Waiting } from "./push-queue.js";
import type { BrokerState } from "./records.js";
import { SweepSlice } from "./sweep.js";

export interface WriterOptions extends GroupOptions {
  readonly state: BrokerState;
  readonly deliver: Deliver;
  /** Milliseconds. */
  readonly now: () => number;
  readonly waitingBytesMax: number;
  /** After how long a commit that does not end counts as stuck, in milliseconds. */
  readonly stuckAfterMs: number;
  readonly log: FileBrokerLog | undefined;
}

/**
 * The one that writes: pushes in groups, each committed and then handed over, and slices of the work
 * in the background between them. One thing at a time, so that each is made over all before it.
 */
export class Writer {
  readonly #options: WriterOptions;
  readonly #queue: PushQueue;
  /**
   * As committed, but for the two numbers: what was given to a message of a commit that failed is
   * not given again, and what may be forgotten by now counts as forgotten.
   */
  #state: BrokerState;
  #delivered: number;
  /** What is being committed or handed over. */
  #group: Group | undefined;
  readonly #handedOver = new Map<string, number>();
  #work: Promise<void> | undefined;
  #handsOverNow = false;
  #sweepDue = false;
  #nextSlice: NodeJS.Timeout | undefined;
  #ends = false;
  #failing = false;
  #stuck: BrokerUnavailable | undefined;
  #onStuck = () => {};
  #lastNow = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#queue = new PushQueue(options.waitingBytesMax);
    this.#state = options.state;
    this.#delivered = options.state.sequence;
  }

  get epoch(): string {
    return this.#state.epoch;
  }

  /** The last sequence that was handed over. */
  get delivered(): number {
    return this.#delivered;
  }

  get forgottenTo(): number {
    return this.#state.forgottenTo;
  }

  /** How many messages of the channel are being committed, or committed and not handed over. */
  undelivered(channel: string): number {
    return (this.#group?.added(channel) ?? 0) - (this.#handedOver.get(channel) ?? 0);
  }

  /** @throws {BrokerUnavailable} */
  publish(publication: Publication): PublishResult | Promise<PublishResult> {
    if (this.#stuck !== undefined) throw this.#stuck;
    if (this.#needsNoTurn(publication)) return this.#handOverNow(publication);
    const result = this.#queue.push(publication);
    if (result === undefined) throw new BrokerUnavailable("too many pushes wait for the disk");
    this.#begin();
    return result;
  }

  /** Begins to look for what is too old. */
  sweep(): void {
    clearTimeout(this.#nextSlice);
    this.#sweepDue = true;
    this.#begin();
  }

  /** Resolves once all that was asked for is done; `false` at once where the disk does not answer. */
  async done(): Promise<boolean> {
    this.#ends = true;
    clearTimeout(this.#nextSlice);
    while (this.#work !== undefined) {
      if (this.#stuck !== undefined) return false;
      await Promise.race([this.#work, new Promise<void>((resolve) => (this.#onStuck = resolve))]);
    }
    return true;
  }

  /**
   * The pushes of this turn of the event loop share the first commit, those that come while it is
   * under way the next one.
   */
  #begin(): void {
    this.#work ??= new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.#turns())
      .finally(() => {
        this.#work = undefined;
        if (!this.#queue.isEmpty) this.#begin();
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
    const results = pushes.map((push, at) => this.#resultOf(push, waiting[at]));
    this.#group = undefined;
    this.#handedOver.clear();
    for (const [at, result] of results.entries()) waiting[at]?.resolve(result);
  }

  #resultOf(push: GroupedPush, waiting: Waiting | undefined): PublishResult {
    if (push.result !== undefined) return push.result;
    const pushId = waiting?.publication.pushId;
    let deliveries = 0;
    for (const message of push.messages) deliveries += this.#handOver(message, pushId);
    return { kind: "accepted", deliveries };
  }

  #handOver({ message, sequence }: GroupedMessage, pushId: string | undefined): number {
    if (sequence !== undefined) {
      const { channel } = message;
      this.#delivered = sequence;
      this.#handedOver.set(channel, (this.#handedOver.get(channel) ?? 0) + 1);
    }
    return this.#options.deliver(message, pushId);
  }

  /** Nothing to write, and nothing to wait for. */
  #needsNoTurn({ push, idempotency }: Publication): boolean {
    if (this.#work !== undefined || this.#handsOverNow || idempotency !== undefined) return false;
    // That there was such a message is written before the first one.
    if (!this.#state.unkept) return false;
    return push.channels.every((channel) => !keepsHistory(this.#options.limits(channel)));
  }

  #handOverNow({ push, pushId }: Publication): PublishResult {
    this.#handsOverNow = true;
    try {
      const messages: Message[] = push.channels.map((channel) => push.message(channel));
      let deliveries = 0;
      for (const message of messages) deliveries += this.#options.deliver(message, pushId);
      return { kind: "accepted", deliveries };
    } finally {
      this.#handsOverNow = false;
    }
  }

  async #sweep(): Promise<void> {
    this.#sweepDue = false;
    const beganAt = performance.now();
    try {
      const slice = new SweepSlice(this.#options, this.#state, this.#now());
      if (slice.isEmpty) return;
      this.#raise(slice.state);
      await this.#commit(() => slice.write());
      this.#succeeded(slice.state);
      if (!slice.more || this.#ends) return;
      // As long for the pushes as for the slice, which they wait for.
      const pause = performance.now() - beganAt;
      this.#nextSlice = setTimeout(() => this.sweep(), pause).unref();
    } catch (error) {
      this.#failed(error);
    }
  }

  /** While a commit is stuck its pushes wait, for it may still come about; all others are refused. */
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

  #raise({ sequence, forgottenTo }: BrokerState): void {
    this.#state = { ...this.#state, sequence, forgottenTo };
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

  /** A clock that is set back lets nothing become younger than what came before it. */
  #now(): number {
    this.#lastNow = Math.max(this.#lastNow, this.#options.now());
    return this.#lastNow;
  }
}
