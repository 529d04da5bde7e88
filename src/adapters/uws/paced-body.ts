import type { RawResponse } from "./raw-http.js";

/** Bytes that are handed over at a time if uWebSockets.js would keep a copy of what does not leave at once. */
const PIECE_BYTES = 65_536;

type Callback = (error?: Error) => void;

const nothing = (): void => {};

/**
 * Hands an answer's body to uWebSockets.js no faster than the client takes it.
 *
 * Its methods must be called within `cork`, and not before the one before has called back.
 */
export class PacedBody {
  readonly #raw: RawResponse;
  /** Goes on where the client was slow, and what to tell where it has gone instead. */
  #goOn: (() => void) | undefined;
  #giveUp: Callback | undefined;
  /** The client was slower at least once. */
  hasWaited = false;
  /** Called each time that the client has taken something, once it was slow. */
  onWritable: () => void = nothing;

  constructor(raw: RawResponse) {
    this.#raw = raw;
  }

  /** As chunks. Calls back once the client has all but the last of it. */
  writeChunks(bytes: Uint8Array, callback: Callback): void {
    for (let at = 0; at < bytes.length; ) {
      const isTaken = this.#raw.write(bytes.subarray(at, at + PIECE_BYTES));
      at += PIECE_BYTES;
      if (isTaken) continue;
      const rest = bytes.subarray(at);
      this.#whenWritable(() => this.writeChunks(rest, callback), callback);
      return;
    }
    callback();
  }

  /**
   * As a part of a body of `total` bytes.
   *
   * @param done called before `callback` if the body is complete: uWebSockets.js has ended the
   * answer then.
   */
  writePart(bytes: Uint8Array, total: number, done: () => void, callback: Callback): void {
    const before = this.#raw.getWriteOffset();
    const [isTaken, isDone] = this.#raw.tryEnd(bytes, total);
    if (isDone) done();
    if (isTaken || isDone) {
      callback();
      return;
    }
    // It keeps no copy of what did not leave.
    const rest = bytes.subarray(this.#raw.getWriteOffset() - before);
    this.#whenWritable(() => this.writePart(rest, total, done, callback), callback);
  }

  /** Who waits for the client to take more is told that it has gone. */
  onConnectionLost(): void {
    const giveUp = this.#giveUp;
    this.#goOn = undefined;
    this.#giveUp = undefined;
    giveUp?.(Object.assign(new Error("aborted"), { code: "ECONNRESET" }));
  }

  #whenWritable(goOn: () => void, giveUp: Callback): void {
    this.#goOn = goOn;
    this.#giveUp = giveUp;
    if (this.hasWaited) return;
    this.hasWaited = true;
    // Once for all: it is called for each later pause too, also where nobody waits. `cork` sends
    // what uWebSockets.js has kept, which it leaves to whoever watches.
    this.#raw.onWritable(() => {
      const next = this.#goOn ?? nothing;
      this.#goOn = undefined;
      this.#giveUp = undefined;
      this.onWritable();
      this.#raw.cork(next);
      return true;
    });
  }
}
