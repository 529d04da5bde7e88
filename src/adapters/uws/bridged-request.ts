import { Readable } from "node:stream";
import { BridgedSocket } from "./bridged-socket.js";
import type { RawResponse } from "./raw-http.js";
import type { RequestHead } from "./request-head.js";

type DestroyCallback = (error?: Error | null) => void;

/** The client's side of a bridged request: what handlers use of `http.IncomingMessage`. */
export class BridgedRequest extends Readable {
  readonly httpVersion = "1.1";
  readonly httpVersionMajor = 1;
  readonly httpVersionMinor = 1;
  readonly trailers = {};
  readonly rawTrailers: string[] = [];
  readonly socket: BridgedSocket;
  /** The body arrives in chunks: its length is not known before its end. */
  readonly isChunked: boolean;
  /** The whole body has arrived. */
  complete = false;
  aborted = false;
  readonly #raw: RawResponse;
  #bytes = 0;
  #mayPause = true;
  #paused = false;
  #released = false;
  /** Set once nobody reads the body: how many more bytes to take, and what to do then. */
  #drop: { readonly bytesMax: number; readonly done: () => void } | undefined;

  constructor(
    raw: RawResponse,
    readonly method: string,
    public url: string,
    readonly headers: RequestHead["headers"],
    /** Names and values in turn, as they came. */
    readonly rawHeaders: string[],
  ) {
    super();
    this.#raw = raw;
    this.socket = new BridgedSocket(raw);
    this.isChunked = headers["transfer-encoding"] !== undefined;
  }

  get connection(): BridgedSocket {
    return this.socket;
  }

  /** Bytes of the body that have not arrived yet; undefined if their number is not known. */
  get bytesOutstanding(): number | undefined {
    if (this.complete) return 0;
    return this.isChunked ? undefined : Number(this.headers["content-length"]) - this.#bytes;
  }

  /** Starts taking the body; must be called within the request's own callback. */
  receive(): void {
    const length = this.headers["content-length"];
    if (!this.isChunked && (length === undefined || Number(length) === 0)) {
      this.complete = true;
      this.push(null);
      return;
    }
    this.#raw.onData((chunk, isLast) => this.#onData(chunk, isLast));
  }

  /** From now on the client's bytes are taken as they come, whether or not somebody reads them. */
  keepFlowing(): void {
    this.#mayPause = false;
    this.#unpause();
  }

  /** Takes and drops what is still to come of the body, at most `bytesMax`, then calls `done`. */
  dropBody(bytesMax: number, done: () => void): void {
    this.#drop = { bytesMax: this.#bytes + bytesMax, done };
    this.keepFlowing();
  }

  /**
   * The answer is complete: the rest of the body is nobody's, and the connection serves the next
   * request. Nothing of the connection may be touched from now on.
   */
  release(): void {
    this.#released = true;
    this.socket.release();
    // As with Node: the `end` of a request that nobody reads is emitted if somebody waits for it.
    if (this.complete && !this.readableEnded && this.#isWaitedFor()) this.resume();
  }

  onConnectionLost(): void {
    this.socket.closed();
    if (this.destroyed) return;
    this.destroy(Object.assign(new Error("aborted"), { code: "ECONNRESET" }));
  }

  setTimeout(_ms: number): this {
    return this;
  }

  override _read(): void {
    this.#unpause();
  }

  /** As with Node, a request that is destroyed before its end takes the connection with it. */
  override _destroy(error: Error | null, callback: DestroyCallback): void {
    if (!this.#released && !(this.complete && this.readableEnded)) {
      this.aborted = true;
      this.emit("aborted");
      this.socket.destroy();
    }
    // As with Node: without a listener the error would end the process.
    callback(this.listenerCount("error") > 0 ? error : null);
  }

  #onData(chunk: ArrayBuffer, isLast: boolean): void {
    this.#bytes += chunk.byteLength;
    const isWanted = this.#drop === undefined && !this.#released && !this.destroyed;
    if (isWanted && chunk.byteLength > 0) {
      // uWebSockets.js takes the chunk's memory back when this callback returns.
      const wantsMore = this.push(Buffer.from(chunk.slice(0)));
      if (!wantsMore && !isLast && this.#mayPause && !this.#paused) {
        this.#paused = true;
        this.#raw.pause();
      }
    }
    if (isLast) {
      // How uWebSockets.js reads chunks is too lenient to trust what it takes for their end. Within
      // this turn it closes the connection if more bytes are there, and the request never was whole.
      if (this.isChunked) setImmediate(() => this.#onEnd());
      else this.#onEnd();
    } else if (this.#drop !== undefined && this.#bytes > this.#drop.bytesMax) {
      this.#dropped();
    }
  }

  #onEnd(): void {
    if (this.destroyed) return;
    this.complete = true;
    this.push(null);
    if (this.#drop !== undefined) this.#dropped();
    else if (this.#released && this.#isWaitedFor()) this.resume();
  }

  /** In another turn: what is in uWebSockets.js's hands in this one must get out first. */
  #dropped(): void {
    const { done } = this.#drop ?? {};
    this.#drop = { bytesMax: Number.POSITIVE_INFINITY, done: () => {} };
    if (done !== undefined) setImmediate(done);
  }

  #isWaitedFor(): boolean {
    return this.listenerCount("close") > 0 || this.listenerCount("end") > 0;
  }

  #unpause(): void {
    if (!this.#paused || this.#released || this.socket.destroyed) return;
    this.#paused = false;
    this.#raw.resume();
  }
}
