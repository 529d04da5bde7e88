import type { MaybePromise } from "../../domain/auth-policy.js";
import {
  type Broker,
  BrokerError,
  BrokerUnavailable,
  type Deliver,
  type History,
  type HistoryLimits,
  type HistoryQuery,
  type Publication,
  type PublishResult,
} from "../../domain/broker.js";
import { DirectoryHeld, DirectoryLock } from "./directory-lock.js";
import { newEpoch } from "./epoch.js";
import type { FileBrokerLog } from "./log.js";
import { type ReadOptions, readHistory, readPosition } from "./read-history.js";
import type { BrokerState } from "./records.js";
import { makeDirectory, Store } from "./store.js";
import { Writer } from "./writer.js";

// Not from writer.ts, which would bring the types of lmdb into the public ones.
export type { FileBrokerLog } from "./log.js";

export interface FileBrokerOptions {
  /** Created for its owner alone if it is missing. One broker at a time may use it. */
  readonly directory: string;
  readonly historyLimits: (channel: string) => HistoryLimits;
  /** Maximum number of idempotency keys remembered at a time; 0 refuses every key. */
  readonly idempotencyKeysMax: number;
  /** How long a key is remembered from its first use, in milliseconds. @defaultValue 300000 */
  readonly idempotencyWindowMs?: number;
  /** Milliseconds since 1970; they are stored across restarts. */
  readonly now: () => number;
  readonly log?: FileBrokerLog;
  /** Maximum size of the pushes that wait for the disk, in bytes; more are refused. @defaultValue 64 MiB */
  readonly waitingBytesMax?: number;
  /** Pushes are refused once a commit takes longer than this, in milliseconds. @defaultValue 10000 */
  readonly stuckAfterMs?: number;
  /** How often expired messages and keys are removed, in milliseconds. @defaultValue 1000 */
  readonly sweepEveryMs?: number;
  /**
   * How many channels without a message keep their position. Above it, clients of the channels that
   * have been empty longest are told that they may have missed something. @defaultValue 100000
   */
  readonly emptyChannelsMax?: number;
}

const WINDOW_MS = 300_000;
const WAITING_BYTES_MAX = 67_108_864;
const STUCK_AFTER_MS = 10_000;
const SWEEP_EVERY_MS = 1000;
const EMPTY_CHANNELS_MAX = 100_000;

interface Running {
  readonly store: Store;
  readonly lock: DirectoryLock;
  readonly writer: Writer;
  readonly sweeps: NodeJS.Timeout;
}

/**
 * The broker of a single node that keeps its histories and idempotency keys in a directory. They
 * survive a crash of the process and a loss of power. `publish` settles once the push is on disk;
 * pushes that arrive at the same time share one commit (docs/adr/0014-file-broker.md).
 *
 * Messages of a channel without history are not written. They still wait for earlier pushes that are
 * being written, so that pushes stay whole and in order. If there are none, they are delivered at once.
 */
export class FileBroker implements Broker {
  readonly #options: FileBrokerOptions;
  #running: Running | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: FileBrokerOptions) {
    this.#options = options;
  }

  async start(deliver: Deliver): Promise<void> {
    const { directory } = this.#options;
    let lock: DirectoryLock | undefined;
    let store: Store | undefined;
    try {
      makeDirectory(directory);
      lock = await DirectoryLock.acquire(directory);
      store = await Store.open(directory);
      const writer = this.#writer(store, await this.#stateOf(store), deliver);
      const every = this.#options.sweepEveryMs ?? SWEEP_EVERY_MS;
      const sweeps = setInterval(() => writer.sweep(), every).unref();
      this.#running = { store, lock, writer, sweeps };
      this.#stopped = undefined;
    } catch (error) {
      await store?.close();
      await lock?.release();
      throw new BrokerError(`cannot use the broker's directory ${directory}: ${reasonOf(error)}`);
    }
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  publish(publication: Publication): MaybePromise<PublishResult> {
    if (this.#stopped !== undefined) throw new BrokerUnavailable("the file broker has stopped");
    return this.#started().writer.publish(publication);
  }

  /** The only node gets every message. */
  subscribe(): void {}

  unsubscribe(): void {}

  position(channel: string): string | undefined {
    return readPosition(channel, this.#readOptions(channel));
  }

  history(channel: string, query: HistoryQuery): History {
    return readHistory(channel, query, this.#readOptions(channel));
  }

  /**
   * Runs a sweep now, as happens by itself every `sweepEveryMs`. Resolves once nothing is left to
   * remove.
   */
  async sweep(): Promise<void> {
    await this.#started().writer.sweepAll();
  }

  #readOptions(channel: string): ReadOptions {
    const { store, writer } = this.#started();
    return {
      store,
      limits: this.#options.historyLimits(channel),
      epoch: writer.epoch,
      deliveredTo: writer.deliveredTo(channel),
      now: this.#options.now(),
    };
  }

  /** Where the broker stood, or a new beginning. */
  async #stateOf(store: Store): Promise<BrokerState> {
    const known = store.readState();
    if (known === "outdated") {
      this.#options.log?.info(
        "the file broker starts with empty histories: those on disk have the ids of an older version",
      );
    } else if (known !== undefined && !known.unkept) {
      return known;
    }
    // A channel that kept nothing may keep a history from now on. A client from before must be told
    // that it missed something, so channels without a record begin a new epoch.
    const lastChannelId = known === undefined || known === "outdated" ? 0 : known.lastChannelId;
    const state = { epoch: newEpoch(), lastChannelId, unkept: false };
    await store.commit(() => {
      if (known === "outdated") store.clearHistory();
      store.writeState(state);
    });
    return state;
  }

  #writer(store: Store, state: BrokerState, deliver: Deliver): Writer {
    const { historyLimits, idempotencyKeysMax, idempotencyWindowMs, ...options } = this.#options;
    return new Writer({
      store,
      state,
      deliver,
      limits: historyLimits,
      claims: { keysMax: idempotencyKeysMax, windowMs: idempotencyWindowMs ?? WINDOW_MS },
      now: options.now,
      waitingBytesMax: options.waitingBytesMax ?? WAITING_BYTES_MAX,
      stuckAfterMs: options.stuckAfterMs ?? STUCK_AFTER_MS,
      log: options.log,
      emptyChannelsMax: options.emptyChannelsMax ?? EMPTY_CHANNELS_MAX,
    });
  }

  #started(): Running {
    if (this.#running === undefined) throw new BrokerUnavailable("the file broker is not running");
    return this.#running;
  }

  async #stop(): Promise<void> {
    if (this.#running === undefined) return;
    const { store, lock, writer, sweeps } = this.#running;
    clearInterval(sweeps);
    // A disk that does not answer would not let the store be closed either.
    const done = await writer.done();
    this.#running = undefined;
    if (done) await store.close();
    await lock.release();
  }
}

/** One line. */
function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof DirectoryHeld || code === undefined) return message.replace(/\s+/g, " ");
  return typeof code === "string" ? code : message.replace(/\s+/g, " ");
}
