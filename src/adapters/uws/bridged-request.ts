import { EventEmitter } from "node:events";
import { Readable } from "node:stream";
import type { RawResponse } from "./raw-http.js";
import type { RequestHead } from "./request-head.js";

/** The client's side of a bridged request: what handlers use of `http.IncomingMessage`. */
export class BridgedRequest extends Readable {
  readonly httpVersion = "1.1";
  readonly httpVersionMajor = 1;
  readonly httpVersionMinor = 1;
  readonly headers: RequestHead["headers"];
  readonly rawHeaders: string[];
  readonly trailers = {};
  readonly rawTrailers: string[] = [];
  readonly socket: BridgedSocket;
  /** The whole body has come. */
  complete = false;
  aborted = false;
  readonly #raw: RawResponse;
  readonly #hasBody: boolean;
  #paused = false;
  #dropping = false;
  #bytes = 0;
  /** Called when the body's last byte has come, or when `dropBody`'s bound is passed. */
  onDropped: (() => void) | undefined;
  #dropBytesMax = 0;

  constructor(
    raw: RawResponse,
    readonly method: string,
    public url: string,
    head: RequestHead,
  ) {
    super();
    this.#raw = raw;
    this.headers = head.headers;
    this.rawHeaders = head.rawHeaders;
    this.socket = new BridgedSocket(raw);
    const length = head.headers["content-length"];
    this.#hasBody =
      head.headers["transfer-encoding"] !== undefined ||
      (length !== undefined && Number(length) > 0);
  }

  get connection(): BridgedSocket {
    return this.socket;
  }

  /** Bytes of the body that have not come yet; undefined where their number is not known. */
  get bytesOutstanding(): number | undefined {
    if (this.complete) return 0;
    const length = this.headers["content-length"];
    return length === undefined ? undefined : Number(length) - this.#bytes;
  }

  /** Starts taking the body; must be called within the request's own callback. */
  receive(): void {
    if (!this.#hasBody) {
      this.complete = true;
      this.push(null);
      return;
    }
    this.#raw.onData((chunk, isLast) => {
      this.#bytes += chunk.byteLength;
      if (isLast) this.complete = true;
      if (this.#dropping) {
        if (isLast || this.#bytes > this.#dropBytesMax) this.onDropped?.();
        return;
      }
      if (this.destroyed) return;
      // uWebSockets.js takes the chunk's memory back when this callback returns.
      const wantsMore = chunk.byteLength === 0 || this.push(Buffer.from(chunk.slice(0)));
      if (isLast) this.push(null);
      else if (!wantsMore && !this.#paused) {
        this.#paused = true;
        this.#raw.pause();
      }
    });
  }

  /** Takes and drops what is still to come of the body, at most `bytesMax`. */
  dropBody(bytesMax: number): void {
    this.#dropping = true;
    this.#dropBytesMax = this.#bytes + bytesMax;
    this.#unpause();
  }

  abort(): void {
    this.socket.closed();
    if (this.destroyed) return;
    if (this.complete && this.readableEnded) return;
    this.aborted = true;
    this.#dropping = true;
    this.emit("aborted");
    const error = Object.assign(new Error("aborted"), { code: "ECONNRESET" });
    // As with Node: without a listener the error would end the process.
    this.destroy(this.listenerCount("error") > 0 ? error : undefined);
  }

  setTimeout(_ms: number): this {
    return this;
  }

  override _read(): void {
    this.#unpause();
  }

  #unpause(): void {
    if (!this.#paused || this.aborted || this.socket.destroyed) return;
    this.#paused = false;
    this.#raw.resume();
  }
}

/** The connection as handlers see it: an address, and whether it is still there. */
export class BridgedSocket extends EventEmitter {
  readonly encrypted = false;
  destroyed = false;
  #raw: RawResponse | undefined;
  #remoteAddress: string | undefined;

  constructor(raw: RawResponse) {
    super();
    this.#raw = raw;
  }

  get readable(): boolean {
    return !this.destroyed;
  }

  get writable(): boolean {
    return !this.destroyed;
  }

  /** Undefined once the answer is complete, unless it was asked for before. */
  get remoteAddress(): string | undefined {
    if (this.#remoteAddress === undefined && this.#raw !== undefined) {
      this.#remoteAddress = Buffer.from(this.#raw.getRemoteAddressAsText()).toString("latin1");
    }
    return this.#remoteAddress;
  }

  /** The answer is complete: the connection is not this request's any more. */
  release(): void {
    this.#raw = undefined;
  }

  /** The connection was lost. */
  closed(): void {
    this.#raw = undefined;
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit("close");
  }

  destroy(): this {
    const raw = this.#raw;
    // The abort handler runs within `close`, and marks this socket.
    raw?.close();
    return this;
  }

  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}
