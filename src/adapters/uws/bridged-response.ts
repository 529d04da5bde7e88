import { STATUS_CODES, validateHeaderName, validateHeaderValue } from "node:http";
import { Writable } from "node:stream";
import type { BridgedRequest, BridgedSocket } from "./bridged-request.js";
import { LINGER_BYTES_MAX, LINGER_MS_MAX, type RawResponse } from "./raw-http.js";

type HeaderValue = string | number | readonly string[];
type WriteCallback = (error?: Error | null) => void;

/** uWebSockets.js writes these itself, from what it really sends. */
const OWN_HEADERS = new Set([
  "connection",
  "content-length",
  "date",
  "keep-alive",
  "transfer-encoding",
]);

/** Above this a whole answer is handed over piece by piece, as the client takes it. */
const WHOLE_BYTES_MAX = 65_536;

// One function and one variable in place of a closure for each answer: `cork` calls it at once.
let corked: BridgedResponse | undefined;
const writeCorked = (): void => corked?.writeWhole();

/** The server's side of a bridged request: what handlers use of `http.ServerResponse`. */
export class BridgedResponse extends Writable {
  statusCode = 200;
  statusMessage = "";
  headersSent = false;
  sendDate = true;
  readonly req: BridgedRequest;
  /** Called once, when the answer is complete or the connection lost. */
  onceSettled: (() => void) | undefined;
  readonly #raw: RawResponse;
  readonly #isDraining: () => boolean;
  /** Name in lower case → the name as it was set, and the value. */
  readonly #headers = new Map<string, [name: string, value: HeaderValue]>();
  #whole: string | Uint8Array | undefined;
  #lost = false;
  #answered = false;
  #lingers = false;
  /** Bytes of a declared content-length that are not written yet. */
  #declared: number | undefined;

  constructor(raw: RawResponse, request: BridgedRequest, isDraining: () => boolean) {
    super();
    this.#raw = raw;
    this.req = request;
    this.#isDraining = isDraining;
  }

  get socket(): BridgedSocket {
    return this.req.socket;
  }

  get connection(): BridgedSocket {
    return this.req.socket;
  }

  /** As with Node: the handler has called `end`, whether or not all is sent. */
  get finished(): boolean {
    return this.writableEnded;
  }

  setHeader(name: string, value: HeaderValue): this {
    if (this.headersSent) {
      throw Object.assign(new Error("Cannot set headers after they are sent to the client"), {
        code: "ERR_HTTP_HEADERS_SENT",
      });
    }
    validateHeaderName(name);
    if (typeof value === "string" || typeof value === "number") {
      validateHeaderValue(name, String(value));
    } else {
      for (const each of value) validateHeaderValue(name, each);
    }
    this.#headers.set(name.toLowerCase(), [name, value]);
    return this;
  }

  setHeaders(headers: Iterable<[string, HeaderValue]>): this {
    for (const [name, value] of headers) this.setHeader(name, value);
    return this;
  }

  appendHeader(name: string, value: string | readonly string[]): this {
    const before = this.getHeader(name);
    const values = before === undefined ? [] : Array.isArray(before) ? before : [String(before)];
    return this.setHeader(name, [...values, ...(typeof value === "string" ? [value] : value)]);
  }

  getHeader(name: string): HeaderValue | undefined {
    return this.#headers.get(name.toLowerCase())?.[1];
  }

  getHeaders(): Record<string, HeaderValue> {
    const headers: Record<string, HeaderValue> = Object.create(null);
    for (const [name, [, value]] of this.#headers) headers[name] = value;
    return headers;
  }

  getHeaderNames(): string[] {
    return [...this.#headers.keys()];
  }

  hasHeader(name: string): boolean {
    return this.#headers.has(name.toLowerCase());
  }

  removeHeader(name: string): void {
    this.#headers.delete(name.toLowerCase());
  }

  writeHead(
    status: number,
    second?: string | Record<string, HeaderValue>,
    third?: Record<string, HeaderValue>,
  ): this {
    this.statusCode = status;
    if (typeof second === "string") this.statusMessage = second;
    const headers = typeof second === "string" ? third : second;
    for (const [name, value] of Object.entries(headers ?? {})) this.setHeader(name, value);
    return this;
  }

  /** The head leaves with the answer's first byte: uWebSockets.js has no head of its own. */
  flushHeaders(): void {}

  writeContinue(): void {}

  addTrailers(): void {}

  setTimeout(): this {
    return this;
  }

  /** A whole answer in one piece needs no chunks: it is kept for `_final`. */
  override end(chunk?: unknown, encoding?: unknown, callback?: unknown): this {
    if (
      (typeof chunk === "string" || chunk instanceof Uint8Array) &&
      !this.headersSent &&
      !this.writableEnded &&
      this.writableLength === 0
    ) {
      const text = typeof chunk === "string";
      const utf8 = typeof encoding !== "string" || /^utf-?8$/i.test(encoding);
      this.#whole = text && !utf8 ? Buffer.from(chunk, encoding as BufferEncoding) : chunk;
      const done = typeof encoding === "function" ? encoding : callback;
      return super.end(typeof done === "function" ? (done as () => void) : undefined);
    }
    return super.end(chunk, encoding as BufferEncoding, callback as () => void);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: WriteCallback): void {
    if (this.#lost || this.#hasNoBody()) {
      callback();
      return;
    }
    this.#raw.cork(() => {
      if (!this.headersSent) this.#declared = this.#writeHead();
      if (this.#declared === undefined) this.#writeChunk(chunk, callback);
      else this.#writeDeclared(chunk, this.#declared, callback);
    });
  }

  override _final(callback: WriteCallback): void {
    if (this.#lost || this.#answered) {
      callback();
      return;
    }
    if (this.headersSent) {
      this.#finishStream();
      callback();
      return;
    }
    const whole = this.#whole ?? "";
    if (!this.#hasNoBody() && whole.length > WHOLE_BYTES_MAX) {
      // Through `_write`, which knows how to wait for the client.
      const bytes = typeof whole === "string" ? Buffer.from(whole) : whole;
      this.#headers.set("content-length", ["content-length", bytes.length]);
      this._write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), "utf8", callback);
      return;
    }
    if (this.#mustLinger()) {
      this.#answerAndLinger(whole);
    } else {
      corked = this;
      this.#raw.cork(writeCorked);
      corked = undefined;
    }
    callback();
  }

  /** Called within `cork`, by this file only. */
  writeWhole(): void {
    const declared = this.#writeHead();
    const close = this.#closesConnection();
    this.#settle();
    if (this.#hasNoBody()) this.#raw.endWithoutBody(declared, close);
    else this.#raw.end(this.#whole ?? "", close);
  }

  override _destroy(error: Error | null, callback: WriteCallback): void {
    // A handler that gives up in the middle of an answer: its client must see that it is not whole.
    if (!this.#answered && !this.#lost && !this.#lingers) this.#raw.close();
    callback(error);
  }

  /** The connection was lost. */
  abort(): void {
    if (this.#answered) return;
    this.#lost = true;
    this.#settle();
    this.destroy();
  }

  /** @returns the content-length that the handler declared. */
  #writeHead(): number | undefined {
    this.headersSent = true;
    const { statusCode } = this;
    const reason = statusText(this.statusMessage) || STATUS_CODES[statusCode] || "unknown";
    this.#raw.writeStatus(`${statusCode} ${reason}`);
    let declared: number | undefined;
    for (const [key, [name, value]] of this.#headers) {
      if (key === "content-length") declared = Number(value);
      if (OWN_HEADERS.has(key)) continue;
      if (typeof value === "string") this.#raw.writeHeader(name, headerText(value));
      else if (typeof value === "number") this.#raw.writeHeader(name, String(value));
      else for (const each of value) this.#raw.writeHeader(name, headerText(each));
    }
    if (this.#closesConnection()) this.#raw.writeHeader("connection", "close");
    return declared;
  }

  #writeChunk(chunk: Buffer, callback: WriteCallback): void {
    if (this.#raw.write(chunk)) {
      callback();
      return;
    }
    this.#raw.onWritable(() => {
      callback();
      return true;
    });
  }

  /** Calls back once the client has taken it. */
  #writeDeclared(chunk: Buffer, total: number, callback: WriteCallback): void {
    const start = this.#raw.getWriteOffset();
    if (start + chunk.length > total) {
      this.destroy(new Error("the answer is longer than its content-length"));
      callback();
      return;
    }
    const [ok, done] = this.#raw.tryEnd(chunk, total);
    if (done) this.#settle();
    if (ok || done) {
      callback();
      return;
    }
    this.#raw.onWritable((offset) => {
      const [okNow, doneNow] = this.#raw.tryEnd(chunk.subarray(offset - start), total);
      if (doneNow) this.#settle();
      if (okNow || doneNow) callback();
      return okNow;
    });
  }

  #finishStream(): void {
    if (this.#declared !== undefined) {
      // Shorter than declared: only a lost connection tells the client so.
      this.#raw.close();
      return;
    }
    const close = this.#closesConnection();
    this.#settle();
    this.#raw.cork(() => this.#raw.end(undefined, close));
  }

  #hasNoBody(): boolean {
    const { statusCode } = this;
    return this.req.method === "HEAD" || statusCode === 204 || statusCode === 304;
  }

  #closesConnection(): boolean {
    if (this.#isDraining()) return true;
    const value = this.#headers.get("connection")?.[1];
    return typeof value === "string" && value.toLowerCase() === "close";
  }

  /** The client is still sending a body that nobody reads, and too much of it to wait for. */
  #mustLinger(): boolean {
    const outstanding = this.req.bytesOutstanding;
    return outstanding === undefined || outstanding > LINGER_BYTES_MAX;
  }

  /**
   * Answers now, and closes the connection once the client has stopped sending or had its chance:
   * closing at once would reset the connection, and the answer could be lost with it.
   */
  #answerAndLinger(whole: string | Uint8Array): void {
    const body = Buffer.from(this.#hasNoBody() ? "" : (whole as string));
    this.#lingers = true;
    this.#headers.set("connection", ["connection", "close"]);
    this.#raw.cork(() => {
      this.#writeHead();
      // uWebSockets.js ends a header line with CRLF, so the body's own last line break is left to it.
      this.#raw.writeHeader(
        "content-length",
        Buffer.concat([Buffer.from(`${body.length + 2}\r\n\r\n`), body]),
      );
    });
    const close = (): void => {
      clearTimeout(timer);
      if (!this.#lost) this.#raw.close();
    };
    const timer = setTimeout(close, LINGER_MS_MAX);
    this.req.onDropped = close;
    this.req.dropBody(LINGER_BYTES_MAX);
  }

  #settle(): void {
    if (!this.#lost) {
      this.#answered = true;
      this.socket.release();
      if (!this.req.complete) this.req.dropBody(Number.POSITIVE_INFINITY);
    }
    const settled = this.onceSettled;
    this.onceSettled = undefined;
    settled?.();
  }
}

/** Nothing where the handler set a text that could end the status line. */
function statusText(message: string): string {
  return /^[\x20-\x7e]*$/.test(message) ? message : "";
}

/** Node writes header text as Latin-1, and uWebSockets.js a string as UTF-8. */
function headerText(value: string): string | Uint8Array {
  for (let at = 0; at < value.length; at++) {
    if (value.charCodeAt(at) > 0x7f) return Buffer.from(value, "latin1");
  }
  return value;
}
