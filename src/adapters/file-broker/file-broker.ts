import { randomBytes } from "node:crypto";
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
import { formatMessageId } from "../../domain/message-id.js";
import { keepsHistory } from "./channel-table.js";
import { DirectoryHeld, DirectoryLock } from "./directory-lock.js";
import type { FileBrokerLog } from "./log.js";
import { readHistory } from "./read-history.js";
import type { BrokerState } from "./records.js";
import { makeDirectory, Store } from "./store.js";
import { Writer } from "./writer.js";

// Not from writer.ts, which would bring the types of lmdb into the public ones.
export type { FileBrokerLog } from "./log.js";

export interface FileBrokerOptions {
  /** Made for its owner alone where it is not there. One broker at a time may use it. */
  readonly directory: string;
  readonly historyLimits: (channel: string) => HistoryLimits;
  /** Most idempotency keys that are remembered at a time; 0 refuses every key. */
  readonly idempotencyKeysMax: number;
  /** How long a key is remembered from its first use, in milliseconds. @defaultValue 300000 */
  readonly idempotencyWindowMs?: number;
  /** Milliseconds since 1970: they are kept over a restart. */
  readonly now: () => number;
  readonly log?: FileBrokerLog;
  /** Most bytes of pushes that wait for the disk; more are refused. @defaultValue 64 MiB */
  readonly waitingBytesMax?: number;
  /** After how long a commit that does not end lets pushes be refused, in milliseconds. @defaultValue 10000 */
  readonly stuckAfterMs?: number;
  /** How often what is too old is looked for, in milliseconds. @defaultValue 1000 */
  readonly sweepEveryMs?: number;
}

const WINDOW_MS = 300_000;
const WAITING_BYTES_MAX = 67_108_864;
const STUCK_AFTER_MS = 10_000;
const SWEEP_EVERY_MS = 1000;

interface Running {
  readonly store: Store;
  readonly lock: DirectoryLock;
  readonly writer: Writer;
  readonly sweeps: NodeJS.Timeout;
}

/**
 * The broker of one node that keeps its histories, its epoch and its idempotency keys in a
 * directory, over a crash of the process and a loss of power. `publish` settles once the push is
 * on the disk; pushes that come at the same time share one commit (docs/adr/0014-file-broker.md).
 *
 * Of a channel that keeps no history nothing is written. Its messages still wait their turn behind
 * what is being written, so that a push stays whole and in order; with nothing to wait for they are
 * delivered at once.
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
      const writer = this.#writer(store, await beginIn(store), deliver);
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

  /** There is one node: it gets every message. */
  subscribe(): void {}

  unsubscribe(): void {}

  position(channel: string): string | undefined {
    const { writer } = this.#started();
    if (!keepsHistory(this.#options.historyLimits(channel))) return undefined;
    return formatMessageId(writer.epoch, writer.delivered);
  }

  history(channel: string, query: HistoryQuery): History {
    const { store, writer } = this.#started();
    return readHistory(channel, query, {
      store,
      limits: this.#options.historyLimits(channel),
      epoch: writer.epoch,
      delivered: writer.delivered,
      undelivered: writer.undelivered(channel),
      forgottenTo: writer.forgottenTo,
      now: this.#options.now(),
    });
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

/** Where the broker stood, or a new beginning. */
async function beginIn(store: Store): Promise<BrokerState> {
  const known = store.readState();
  if (known !== undefined && !known.unkept) return known;
  // A channel that kept nothing until now may keep a history from now on: what it delivered is
  // behind no position that can be told from others, so those of channels without a record end here.
  const sequence = (known?.sequence ?? -1) + 1;
  const epoch = known?.epoch ?? newEpoch();
  const forgottenTo = known === undefined ? 0 : sequence;
  const state = { epoch, sequence, forgottenTo, unkept: false };
  await store.commit(() => store.writeState(state));
  return state;
}

function newEpoch(): string {
  return BigInt(`0x${randomBytes(10).toString("hex")}`).toString(36);
}

/** One line. */
function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof DirectoryHeld || code === undefined) return message.replace(/\s+/g, " ");
  return typeof code === "string" ? code : message.replace(/\s+/g, " ");
}
