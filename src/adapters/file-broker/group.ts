import type { HistoryLimits, Publication, PublishResult } from "../../domain/broker.js";
import type { Message } from "../../domain/message.js";
import { formatMessageId } from "../../domain/message-id.js";
import {
  ChannelWrites,
  keepsHistory,
  readChannel,
  removeChannel,
  storedKeys,
} from "./channel-table.js";
import { type ClaimOptions, ClaimWrites } from "./claim-table.js";
import type { BrokerState } from "./records.js";
import type { MessageKey, Store } from "./store.js";

export interface GroupOptions {
  readonly store: Store;
  readonly limits: (channel: string) => HistoryLimits;
  readonly claims: ClaimOptions;
}

/** What became of a push: what is to be delivered of it, or the answer where nothing is. */
export type GroupedPush =
  | { readonly messages: readonly GroupedMessage[]; readonly result?: undefined }
  | { readonly result: PublishResult };

export interface GroupedMessage {
  readonly message: Message;
  /** Undefined where the channel keeps no history. */
  readonly sequence: number | undefined;
}

/**
 * Pushes that are committed together: what each comes to, and what is written for all of them.
 * Made over the tables as they are committed; nothing else may be written before it is.
 */
export class Group {
  readonly #options: GroupOptions;
  readonly #now: number;
  readonly #channels = new Map<string, ChannelWrites>();
  readonly #removed = new Map<string, MessageKey[]>();
  readonly #unkept = new Set<string>();
  readonly #before: BrokerState;
  #claims: ClaimWrites | undefined;
  #sequence: number;

  constructor(options: GroupOptions, state: BrokerState, now: number) {
    this.#options = options;
    this.#before = state;
    this.#sequence = state.sequence;
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

  /** What holds once the group is committed. */
  get state(): BrokerState {
    return {
      ...this.#before,
      sequence: this.#sequence,
      unkept: this.#before.unkept || this.#unkept.size > 0,
    };
  }

  /** Whether there is anything to commit. */
  get writes(): boolean {
    const { sequence, unkept } = this.state;
    if (sequence > this.#before.sequence || unkept !== this.#before.unkept) return true;
    return this.#removed.size > 0 || this.#claims?.isEmpty === false;
  }

  /** How many messages it adds to the channel's history. */
  added(channel: string): number {
    return this.#channels.get(channel)?.added ?? 0;
  }

  /** Within `Store.commit`. */
  write(): void {
    const { store } = this.#options;
    store.writeState(this.state);
    for (const channel of this.#channels.values()) channel.write();
    for (const [channel, stored] of this.#removed) removeChannel(store, channel, stored);
    this.#claims?.write();
  }

  #accept(message: Message): GroupedMessage {
    const { channel, event, data } = message;
    const limits = this.#options.limits(channel);
    if (!keepsHistory(limits)) {
      if (!this.#unkept.has(channel)) this.#forget(channel);
      return { message, sequence: undefined };
    }
    const sequence = ++this.#sequence;
    let writes = this.#channels.get(channel);
    if (writes === undefined) {
      writes = new ChannelWrites(this.#options.store, channel, limits, sequence);
      this.#channels.set(channel, writes);
    }
    writes.add({ sequence, acceptedAt: this.#now, event, data: data.text });
    const id = formatMessageId(this.#before.epoch, sequence);
    return { message: { ...message, id }, sequence };
  }

  /**
   * Of a channel that kept a history when the broker last ran, and does not now, nothing is left:
   * `unkept` lets the next start count it as forgotten.
   */
  #forget(channel: string): void {
    this.#unkept.add(channel);
    const { store } = this.#options;
    const record = readChannel(store, channel);
    if (record === undefined) return;
    this.#removed.set(channel, [...storedKeys(store, record)]);
  }
}
