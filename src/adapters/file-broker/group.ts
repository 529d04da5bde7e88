import type { HistoryLimits, Publication, PublishResult } from "../../domain/broker.js";
import type { Message } from "../../domain/message.js";
import {
  ChannelWrites,
  keepsHistory,
  readChannel,
  removeChannel,
  storedKeys,
} from "./channel-table.js";
import { type ClaimOptions, ClaimWrites } from "./claim-table.js";
import type { BrokerState, ChannelRecord } from "./records.js";
import type { MessageKey, Store } from "./store.js";

export interface GroupOptions {
  readonly store: Store;
  readonly limits: (channel: string) => HistoryLimits;
  readonly claims: ClaimOptions;
}

/** What a push comes to: messages to deliver, or an answer if there are none. */
export type GroupedPush =
  | { readonly messages: readonly GroupedMessage[]; readonly result?: undefined }
  | { readonly result: PublishResult };

export interface GroupedMessage {
  readonly message: Message;
  /** Where its delivery counts; undefined if the channel keeps no history. */
  readonly writes: ChannelWrites | undefined;
}

interface RemovedChannel {
  readonly record: ChannelRecord;
  readonly stored: readonly MessageKey[];
}

/**
 * Pushes that are committed together: what each comes to, and what is written for all of them. It is
 * composed from the committed tables, so nothing else may be written before it is.
 */
export class Group {
  readonly #options: GroupOptions;
  readonly #now: number;
  readonly #channels = new Map<string, ChannelWrites>();
  readonly #removed = new Map<string, RemovedChannel>();
  readonly #unkept = new Set<string>();
  readonly #before: BrokerState;
  #claims: ClaimWrites | undefined;
  #lastChannelId: number;

  constructor(options: GroupOptions, state: BrokerState, now: number) {
    this.#options = options;
    this.#before = state;
    this.#lastChannelId = state.lastChannelId;
    this.#now = now;
  }

  add({ push, pushId, idempotency }: Publication): GroupedPush {
    if (idempotency !== undefined) {
      this.#claims ??= new ClaimWrites(this.#options.store, this.#options.claims, this.#now);
      const result = this.#claims.claim(idempotency, pushId);
      if (result !== undefined) return { result };
    }
    const messages = push.channels.map((channel) => this.#accept(push.message(channel)));
    return { messages };
  }

  /** The state once the group is committed. */
  get state(): BrokerState {
    return {
      ...this.#before,
      lastChannelId: this.#lastChannelId,
      unkept: this.#before.unkept || this.#unkept.size > 0,
    };
  }

  /** Whether there is anything to commit. */
  get writes(): boolean {
    if (this.#channels.size > 0 || this.state.unkept !== this.#before.unkept) return true;
    return this.#removed.size > 0 || this.#claims?.isEmpty === false;
  }

  /** The channel's newest delivered sequence; undefined if the group does not write to it. */
  deliveredTo(channel: string): number | undefined {
    return this.#channels.get(channel)?.deliveredTo;
  }

  /** Within `Store.commit`. */
  write(): void {
    const { store } = this.#options;
    store.writeState(this.state);
    for (const channel of this.#channels.values()) channel.write();
    for (const [channel, { record, stored }] of this.#removed) {
      removeChannel(store, channel, record, stored);
    }
    this.#claims?.write();
  }

  #accept(message: Message): GroupedMessage {
    const { channel, event, data } = message;
    const { store, limits: limitsOf } = this.#options;
    const limits = limitsOf(channel);
    if (!keepsHistory(limits)) {
      if (!this.#unkept.has(channel)) this.#forget(channel);
      return { message, writes: undefined };
    }
    let writes = this.#channels.get(channel);
    if (writes === undefined) {
      writes = new ChannelWrites(store, channel, limits, () => this.#newRecord());
      this.#channels.set(channel, writes);
    }
    const id = writes.add({ acceptedAt: this.#now, event, data: data.text });
    return { message: { ...message, id }, writes };
  }

  #newRecord(): ChannelRecord {
    const id = ++this.#lastChannelId;
    return { id, epoch: this.#before.epoch, trimmedTo: 0, newest: 0, emptySince: undefined };
  }

  /**
   * Removes a channel that kept a history in an earlier run and does not now: its record would not
   * know of the messages in between. `unkept` makes the next start choose another epoch.
   */
  #forget(channel: string): void {
    this.#unkept.add(channel);
    const { store } = this.#options;
    const record = readChannel(store, channel);
    if (record === undefined) return;
    this.#removed.set(channel, { record, stored: [...storedKeys(store, record)] });
  }
}
