import { closeSync, fsyncSync, mkdirSync, openSync, readSync, statSync } from "node:fs";
import { endianness } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Database, RootDatabase } from "lmdb";
import { CommitFailed } from "./commit-failed.js";
import type { BrokerState } from "./records.js";

const FORMAT = 2;
/** Its ids counted the messages of all channels together. Idempotency keys were stored as now. */
const FORMAT_OF_SHARED_IDS = 1;
const STATE = "state";

/** `[channel id, sequence]` */
export type MessageKey = [number, number];
/** `[milliseconds, channel id]` */
export type DueKey = [number, number];

/**
 * The tables of the file broker, in one LMDB environment (see docs/adr/0014-file-broker.md).
 *
 * Reads see what is committed. `commit` collects writes; its caller makes sure that there is one at
 * a time.
 */
export class Store {
  readonly #root: RootDatabase<Buffer, string>;
  readonly #meta: Database<Buffer, string>;
  /** By the channel's name. */
  readonly channels: Database<Buffer, Buffer>;
  readonly messages: Database<Buffer, MessageKey>;
  /** By the time at which a channel may have expired messages; the channel's name. */
  readonly due: Database<Buffer, DueKey>;
  /** By the time since which a channel has no message; the channel's name. */
  readonly empty: Database<Buffer, DueKey>;
  /** By the idempotency key. */
  readonly claims: Database<Buffer, Buffer>;
  /** The keys of `claims` in the order of their ends; nothing. */
  readonly claimEnds: Database<Buffer, Buffer>;

  private constructor(root: RootDatabase<Buffer, string>) {
    this.#root = root;
    const table = <K extends MessageKey | string>(name: string) =>
      this.#root.openDB<Buffer, K>(name, { encoding: "binary" });
    const binary = (name: string) =>
      this.#root.openDB<Buffer, Buffer>(name, { encoding: "binary", keyEncoding: "binary" });
    this.#meta = table<string>("meta");
    this.messages = table<MessageKey>("messages");
    this.due = table<DueKey>("due");
    this.empty = table<DueKey>("empty");
    this.channels = binary("channels");
    this.claims = binary("claims");
    this.claimEnds = binary("claim-ends");
  }

  /** The directory must be there. @throws if its files are not to be used. */
  static async open(directory: string): Promise<Store> {
    // Only now: who keeps everything in memory need not have the library, nor wait for its loading.
    const { open } = await import("lmdb");
    const path = join(directory, "broker.mdb");
    checkFile(path);
    const root = open<Buffer, string>({
      path,
      noSubdir: true,
      encoding: "binary",
      // A commit is done once it is on the disk, and a failed one was never visible.
      overlappingSync: false,
      // What is in one `batch` is one transaction, and nothing else is.
      eventTurnBatching: false,
    });
    const store = new Store(root);
    // A file's name is on the disk once its directory is.
    syncDirectory(directory);
    return store;
  }

  /**
   * Undefined if nothing was ever committed; "outdated" if `clearHistory` must be called, since the
   * histories are in an older format.
   *
   * @throws if the format is not known.
   */
  readState(): BrokerState | "outdated" | undefined {
    const record = this.#meta.get(STATE);
    if (record === undefined) return undefined;
    const { format, ...state } = JSON.parse(record.toString()) as BrokerState & { format: number };
    if (format === FORMAT_OF_SHARED_IDS) return "outdated";
    if (format !== FORMAT) throw new Error(`its format ${format} is not known`);
    return state;
  }

  /** Removes all channels and messages, and keeps idempotency keys. Only within `commit`. */
  clearHistory(): void {
    for (const table of [this.channels, this.messages, this.due, this.empty]) {
      void table.clearAsync();
    }
  }

  /** Only within `commit`. */
  writeState(state: BrokerState): void {
    void this.#meta.put(STATE, Buffer.from(JSON.stringify({ format: FORMAT, ...state })));
  }

  /** Only within `commit`, whose promise tells how it ended; a write's own says nothing there. */
  put<K extends Buffer | MessageKey>(table: Database<Buffer, K>, key: K, value: Buffer): void {
    void table.put(key, value);
  }

  /** Only within `commit`. */
  remove<K extends Buffer | MessageKey>(table: Database<Buffer, K>, key: K): void {
    void table.remove(key);
  }

  /**
   * Does all writes of `write` in one transaction, or none.
   *
   * @returns resolves once it is on the disk; rejects with `CommitFailed`.
   */
  async commit(write: () => void): Promise<void> {
    try {
      await this.#root.batch(write);
    } catch (error) {
      throw new CommitFailed(await reasonOf(error));
    }
  }

  get claimCount(): number {
    return entryCount(this.claims);
  }

  get emptyCount(): number {
    return entryCount(this.empty);
  }

  close(): Promise<void> {
    return this.#root.close();
  }
}

function entryCount(table: { getStats(): object }): number {
  return (table.getStats() as { entryCount: number }).entryCount;
}

/** Where the first page says that it is LMDB's, and of which layout: a number each of 4 bytes. */
const MAGIC_AT = 24;
const MAGIC = 0xbeefc0de;
const LAYOUTS = [1, 2];
const PAGES_BYTES_MIN = 8192;

/** The library ends the whole process if it opens a file that it cannot read. */
function checkFile(path: string): void {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0) return;
  const file = openSync(path, "r");
  try {
    const head = Buffer.alloc(PAGES_BYTES_MIN);
    const bytes = readSync(file, head, 0, head.length, 0);
    const read =
      endianness() === "LE" ? head.readUInt32LE.bind(head) : head.readUInt32BE.bind(head);
    if (bytes < head.length || read(MAGIC_AT) !== MAGIC || !LAYOUTS.includes(read(MAGIC_AT + 4))) {
      throw new Error("broker.mdb is not a store of this version");
    }
  } finally {
    closeSync(file);
  }
}

/** Makes it and what is above it, for its owner alone, if it does not exist. */
export function makeDirectory(directory: string): void {
  const first = mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = resolve(directory); made !== dirname(first); made = dirname(made)) {
    syncDirectory(dirname(made));
  }
}

function syncDirectory(directory: string): void {
  // Windows can't be asked for that.
  if (process.platform === "win32") return;
  const handle = openSync(directory, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

async function reasonOf(error: unknown): Promise<string> {
  const { commitError, message } = error as Error & { commitError?: Promise<unknown> };
  if (commitError === undefined) return message;
  try {
    await commitError;
    return message;
  } catch (cause) {
    return (cause as Error).message;
  }
}
