import type { HistoryLimits } from "../../domain/broker.js";
import {
  END_OF_CHANNEL,
  endOf,
  keepsHistory,
  readChannel,
  removeChannel,
} from "./channel-table.js";
import { ClaimWrites } from "./claim-table.js";
import { newEpoch } from "./epoch.js";
import type { GroupOptions } from "./group.js";
import {
  acceptedAt,
  type BrokerState,
  type ChannelRecord,
  encodeChannel,
  textKey,
} from "./records.js";
import type { DueKey, MessageKey, Store } from "./store.js";

/** Maximum number of records that one slice removes. */
const SLICE = 500;

export interface SweepOptions extends GroupOptions {
  /** How many channels without a message keep their position; the oldest above it are forgotten. */
  readonly emptyChannelsMax: number;
}

/**
 * One slice of the background work: removes expired messages and idempotency keys, and forgets
 * channels that have been empty longest if there are too many. Each channel with messages is in
 * `due` once, with a time at which it may have something to remove.
 */
export class SweepSlice {
  readonly #store: Store;
  readonly #limits: (channel: string) => HistoryLimits;
  readonly #now: number;
  readonly #claims: ClaimWrites;
  readonly #writes: (() => void)[] = [];
  readonly #before: BrokerState;
  #epoch: string;
  #left = SLICE;
  /** Whether there may be more to do. */
  readonly more: boolean;

  constructor(options: SweepOptions, state: BrokerState, now: number) {
    const { store, limits, claims, emptyChannelsMax } = options;
    this.#store = store;
    this.#limits = limits;
    this.#now = now;
    this.#before = state;
    this.#epoch = state.epoch;
    this.#claims = new ClaimWrites(store, claims, now);
    const ended = this.#claims.removeEnded(SLICE);
    const emptied = this.#channels();
    const above = store.emptyCount + emptied - emptyChannelsMax;
    this.#forget(Math.min(above, SLICE));
    this.more = this.#left <= 0 || ended >= SLICE || above > SLICE;
  }

  /** The state once the slice is committed. */
  get state(): BrokerState {
    return { ...this.#before, epoch: this.#epoch };
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

  /** @returns how many channels have no message left. */
  #channels(): number {
    let emptied = 0;
    const range = { start: [0, 0], end: [this.#now + 1, 0], limit: SLICE };
    for (const { key, value } of this.#store.due.getRange(range)) {
      if (this.#left <= 0) break;
      this.#left--;
      if (this.#channel(key, value.toString())) emptied++;
    }
    return emptied;
  }

  /** @returns whether no message of the channel is left. */
  #channel(due: DueKey, channel: string): boolean {
    const store = this.#store;
    const record = readChannel(store, channel);
    if (record?.id !== due[1]) {
      this.#writes.push(() => store.remove(store.due, due));
      return false;
    }
    const limits = this.#limits(channel);
    const { gone, oldestAt, whole } = this.#gone(record, limits);
    this.#left -= gone.length;
    const trimmedTo = gone.at(-1)?.[1] ?? record.trimmedTo;
    const isEmpty = whole && oldestAt === undefined;
    const emptySince = isEmpty ? this.#now : undefined;
    this.#writes.push(() => {
      for (const key of gone) store.remove(store.messages, key);
      const left = encodeChannel({ ...record, trimmedTo, emptySince });
      store.put(store.channels, textKey(channel), left);
      if (isEmpty) store.put(store.empty, [this.#now, record.id], Buffer.from(channel));
      if (isEmpty || oldestAt !== undefined) store.remove(store.due, due);
      if (oldestAt === undefined) return;
      const next = Math.max(endOf(oldestAt, limits), this.#now + 1);
      store.put(store.due, [next, record.id], Buffer.from(channel));
    });
    return isEmpty;
  }

  /**
   * The messages that can go, and when the oldest remaining one was accepted. `whole` is false if the
   * slice ends before the channel does.
   */
  #gone(record: ChannelRecord, limits: HistoryLimits) {
    const gone: MessageKey[] = [];
    const keeps = keepsHistory(limits);
    const range = { start: [record.id, record.trimmedTo + 1], end: [record.id, END_OF_CHANNEL] };
    for (const { key, value } of this.#store.messages.getRange(range)) {
      if (gone.length >= this.#left) return { gone, oldestAt: undefined, whole: false };
      const at = acceptedAt(value);
      const isWithinSize = record.newest - key[1] < limits.size;
      const stays = isWithinSize && endOf(at, limits) > this.#now;
      if (keeps && stays) return { gone, oldestAt: at, whole: true };
      gone.push(key);
    }
    return { gone, oldestAt: undefined, whole: true };
  }

  /**
   * A forgotten channel looks like one that never had a message. If it had some in the epoch that
   * such channels get, they need another one: no id may be given twice.
   */
  #forget(count: number): void {
    if (count <= 0) return;
    const store = this.#store;
    for (const { key, value } of store.empty.getRange({ limit: count })) {
      const channel = value.toString();
      const record = readChannel(store, channel);
      if (record?.id !== key[1]) {
        this.#writes.push(() => store.remove(store.empty, key));
        continue;
      }
      if (record.epoch === this.#epoch) this.#epoch = newEpoch();
      this.#writes.push(() => removeChannel(store, channel, record, []));
    }
  }
}
