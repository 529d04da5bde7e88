import type { HistoryLimits } from "../../domain/broker.js";
import {
  END_OF_CHANNEL,
  endOf,
  keepsHistory,
  readChannel,
  removeChannel,
} from "./channel-table.js";
import { ClaimWrites } from "./claim-table.js";
import type { GroupOptions } from "./group.js";
import {
  acceptedAt,
  type BrokerState,
  type ChannelRecord,
  encodeChannel,
  textKey,
} from "./records.js";
import type { DueKey, MessageKey, Store } from "./store.js";

/** Most records that one slice removes. */
const SLICE = 500;

/**
 * One slice of the work in the background: takes what is too old out of the channels and the
 * idempotency keys. Each channel stands in `due` once, at a time when it may have something to remove.
 */
export class SweepSlice {
  readonly #store: Store;
  readonly #limits: (channel: string) => HistoryLimits;
  readonly #now: number;
  readonly #claims: ClaimWrites;
  readonly #writes: (() => void)[] = [];
  readonly #before: BrokerState;
  #forgottenTo: number;
  #left = SLICE;
  /** Whether there may be more. */
  readonly more: boolean;

  constructor({ store, limits, claims }: GroupOptions, state: BrokerState, now: number) {
    this.#store = store;
    this.#limits = limits;
    this.#now = now;
    this.#before = state;
    this.#forgottenTo = state.forgottenTo;
    this.#claims = new ClaimWrites(store, claims, now);
    const ended = this.#claims.removeEnded(SLICE);
    this.#channels();
    this.more = this.#left <= 0 || ended >= SLICE;
  }

  /** What holds once it is committed. */
  get state(): BrokerState {
    return { ...this.#before, forgottenTo: this.#forgottenTo };
  }

  get isEmpty(): boolean {
    return this.#writes.length === 0 && this.#claims.isEmpty;
  }

  /** Within `Store.commit`. */
  write(): void {
    this.#store.writeState(this.state);
    for (const write of this.#writes) write();
    this.#claims.write();
  }

  #channels(): void {
    const range = { start: [0, 0], end: [this.#now + 1, 0], limit: SLICE };
    for (const { key, value } of this.#store.due.getRange(range)) {
      if (this.#left <= 0) return;
      this.#left--;
      this.#channel(key, value.toString());
    }
  }

  #channel(due: DueKey, channel: string): void {
    const store = this.#store;
    const record = readChannel(store, channel);
    if (record?.id !== due[1]) {
      this.#writes.push(() => store.remove(store.due, due));
      return;
    }
    const { gone, oldestAt, whole } = this.#gone(record, this.#limits(channel));
    this.#left -= gone.length;
    const trimmedTo = gone.at(-1)?.[1] ?? record.trimmedTo;
    if (whole && oldestAt === undefined) {
      this.#forgottenTo = Math.max(this.#forgottenTo, trimmedTo, record.newest);
      this.#writes.push(() => {
        removeChannel(store, channel, gone);
        store.remove(store.due, due);
      });
      return;
    }
    const count = record.count - gone.length;
    this.#writes.push(() => {
      for (const key of gone) store.remove(store.messages, key);
      store.put(store.channels, textKey(channel), encodeChannel({ ...record, trimmedTo, count }));
      if (oldestAt === undefined) return;
      store.remove(store.due, due);
      const next = Math.max(endOf(oldestAt, this.#limits(channel)), this.#now + 1);
      store.put(store.due, [next, record.id], Buffer.from(channel));
    });
  }

  /** What may go of the channel, and since when the oldest that stays is there; not `whole` where the slice ends before. */
  #gone(record: ChannelRecord, limits: HistoryLimits) {
    const gone: MessageKey[] = [];
    const keeps = keepsHistory(limits);
    const range = { start: [record.id, record.trimmedTo + 1], end: [record.id, END_OF_CHANNEL] };
    for (const { key, value } of this.#store.messages.getRange(range)) {
      if (gone.length >= this.#left) return { gone, oldestAt: undefined, whole: false };
      const at = acceptedAt(value);
      const stays = record.count - gone.length <= limits.size && endOf(at, limits) > this.#now;
      if (keeps && stays) return { gone, oldestAt: at, whole: true };
      gone.push(key);
    }
    return { gone, oldestAt: undefined, whole: true };
  }
}
