import type { BridgedRequest } from "./bridged-request.js";
import type { BridgedSocket } from "./bridged-socket.js";
import { PacedBody } from "./paced-body.js";
import { LINGER_BYTES_MAX, LINGER_MS_MAX, type RawResponse } from "./raw-http.js";
import { hasClose, writeResponseHead } from "./response-head.js";
import { ResponseWithHeaders } from "./response-headers.js";
import { writeEndOfChunks, writeEndOfHead, writeWholeBody } from "./unended-answer.js";

type WriteCallback = (error?: Error | null) => void;

/** Above this a whole answer is handed over piece by piece, as the client takes it. */
const WHOLE_BYTES_MAX = 65_536;

// One function and one variable in place of a closure for each answer: `cork` calls it at once.
let corked: BridgedResponse | undefined;
const writeCorked = (): void => corked?.writeWhole();

/** The server's side of a bridged request: what handlers use of `http.ServerResponse`. */
export class BridgedResponse extends ResponseWithHeaders {
  readonly req: BridgedRequest;
  /** Called once, when the answer is complete or the connection lost. */
  onceSettled: (() => void) | undefined;
  readonly #raw: RawResponse;
  readonly #isDraining: () => boolean;
  #whole: string | Uint8Array | undefined;
  /** How the body goes out, if it does not go out whole. */
  #body: PacedBody | undefined;
  /** Bytes of the body that are written, and how many the handler has declared. */
  #written = 0;
  #declared: number | undefined;
  /** The connection ends with this answer. */
  #isLast = false;
  /** The connection was lost before the answer was complete. */
  #lost = false;
  #answered = false;
  #isGone = false;
  #lingers = false;

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

  /** The head leaves with the answer's first byte: uWebSockets.js has no head of its own. */
  flushHeaders(): void {}

  /** uWebSockets.js has told the client to continue before the handler was called. */
  writeContinue(): void {}

  writeProcessing(): void {}

  writeEarlyHints(): void {}

  addTrailers(): void {}

  setTimeout(): this {
    return this;
  }

  /** A whole answer in one piece needs no chunks: it is kept for `_final`. */
  override end(chunk?: unknown, encoding?: unknown, callback?: unknown): this {
    if (
      (typeof chunk === "string" || chunk instanceof Uint8Array) &&
      this.#body === undefined &&
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
    if (this.#body === undefined) this.#declared = this.#declaredLength();
    this.#written += chunk.length;
    if (this.#declared !== undefined && this.#written > this.#declared) {
      callback(new Error("the answer is longer than its content-length"));
      return;
    }
    this.#raw.cork(() => this.#writePaced(chunk, callback));
  }

  override _final(callback: WriteCallback): void {
    if (this.#lost || this.#answered) {
      callback();
      return;
    }
    if (this.#body !== undefined) {
      this.#finishPaced();
      callback();
      return;
    }
    const isBig = !this.#hasNoBody() && (this.#whole?.length ?? 0) > WHOLE_BYTES_MAX;
    if (isBig && (!this.#mustCloseItself() || this.#mustLinger())) {
      this.#writeBig(callback);
      return;
    }
    if (this.#mustLinger()) {
      this.#answerAndLinger();
    } else {
      corked = this;
      this.#raw.cork(writeCorked);
      corked = undefined;
    }
    callback();
  }

  /** Called within `cork`, by this file only. */
  writeWhole(): void {
    this.#writeHead();
    // Elsewhere `end` writes the field itself.
    if (this.#isAskedToClose()) this.#raw.writeHeader("connection", "close");
    this.req.keepFlowing();
    if (this.#hasNoBody()) {
      this.#writeLengthOfNoBody();
      this.#raw.endWithoutBody();
    } else {
      this.#raw.end(this.#whole, this.#isLast);
    }
    this.#settle();
  }

  override _destroy(error: Error | null, callback: WriteCallback): void {
    // A handler that gives up in the middle of an answer: its client must see that it is not whole.
    if (!this.#answered && !this.#lost && !this.#lingers) this.#raw.close();
    // As with Node: without a listener the error would end the process.
    callback(this.listenerCount("error") > 0 ? error : null);
  }

  /** Not `abort`: by a method of this name Node's `pipeline` takes a stream for a client's request. */
  onConnectionLost(): void {
    this.#isGone = true;
    if (this.#answered) return;
    this.#lost = true;
    this.#settle();
    this.destroy();
    this.#body?.onConnectionLost();
  }

  #writeHead(): void {
    this.markHeadWritten();
    this.#isLast = this.#endsConnection();
    writeResponseHead(this.#raw, this.statusCode, this.statusMessage, this.fields);
  }

  /** A length that `endWithoutBody` is told it would wait for, and the next request find the connection closed. */
  #writeLengthOfNoBody(): void {
    const length = this.#declaredLength();
    if (length !== undefined) this.#raw.writeHeader("content-length", String(length));
  }

  #declaredLength(): number | undefined {
    // RFC 9110, section 8.6: none with 204.
    if (this.statusCode === 204) return undefined;
    const value = this.fields.get("content-length")?.[1];
    const length = value === undefined ? Number.NaN : Number(value);
    return Number.isSafeInteger(length) && length >= 0 ? length : undefined;
  }

  #writeBig(callback: WriteCallback): void {
    const whole = this.#whole ?? "";
    const bytes = typeof whole === "string" ? Buffer.from(whole) : whole;
    this.#declared = bytes.length;
    this.#written = bytes.length;
    this.#raw.cork(() =>
      this.#writePaced(bytes, (error) => {
        if (!this.#answered && !this.#lost) this.#finishPaced();
        callback(error);
      }),
    );
  }

  #writePaced(bytes: Uint8Array, callback: WriteCallback): void {
    if (this.#body === undefined) {
      this.#body = new PacedBody(this.#raw);
      this.#writeHead();
      if (this.#isLast) this.#raw.writeHeader("connection", "close");
    }
    if (this.#declared === undefined || this.#mustCloseItself()) {
      this.#body.writeChunks(bytes, callback);
      return;
    }
    if (this.#written === this.#declared) this.req.keepFlowing();
    this.#body.writePart(bytes, this.#declared, () => this.#settle(), callback);
  }

  #finishPaced(): void {
    if (this.#declared !== undefined && this.#written < this.#declared) {
      // Only a lost connection tells the client so.
      this.#raw.close();
      return;
    }
    this.req.keepFlowing();
    if (this.#mustCloseItself()) this.#endChunksAndLinger();
    else this.#raw.cork(() => this.#raw.end());
    this.#settle();
  }

  #hasNoBody(): boolean {
    const { statusCode } = this;
    return (
      this.req.method === "HEAD" || statusCode === 204 || statusCode === 304 || statusCode < 200
    );
  }

  /**
   * True if one of both sides asks for it, and after chunks: how uWebSockets.js reads these is
   * too lenient to let anything after them run.
   */
  #endsConnection(): boolean {
    if (this.req.isChunked || this.#isDraining()) return true;
    const asked = this.req.headers.connection;
    if (asked !== undefined && hasClose(asked)) return true;
    const value = this.fields.get("connection")?.[1];
    return typeof value === "string" && hasClose(value);
  }

  /**
   * The connection is to end and uWebSockets.js does not end it by itself. What it offers for that
   * is of use with whole bodies only: after chunks it would write a header field into the body.
   */
  #mustCloseItself(): boolean {
    return this.#endsConnection() && !this.#isAskedToClose();
  }

  /** As uWebSockets.js sees it, which ends the connection by itself then: any value of five letters. */
  #isAskedToClose(): boolean {
    const asked = this.req.headers.connection;
    // Two fields are joined by a comma here, and uWebSockets.js looks at the first one alone.
    return asked?.length === 5 && !asked.includes(",");
  }

  /**
   * The client is still sending a body that nobody reads, of unknown length or too much to wait
   * for; or the connection is to be closed after an answer that uWebSockets.js cannot close it for.
   */
  #mustLinger(): boolean {
    const outstanding = this.req.bytesOutstanding;
    if (outstanding === undefined || outstanding > LINGER_BYTES_MAX) return true;
    return this.#hasNoBody() && this.#mustCloseItself();
  }

  /**
   * Answers now, and closes the connection once the client has stopped sending or had its chance:
   * closing at once would reset the connection, and the answer could be lost with it.
   */
  #answerAndLinger(): void {
    this.#lingers = true;
    this.#raw.cork(() => {
      this.#writeHead();
      if (this.#hasNoBody()) {
        this.#writeLengthOfNoBody();
        writeEndOfHead(this.#raw);
      } else {
        writeWholeBody(this.#raw, Buffer.from((this.#whole ?? "") as string));
      }
    });
    const { close } = this.#closeSoon();
    if (this.req.complete) setImmediate(close);
    else this.req.dropBody(LINGER_BYTES_MAX, close);
  }

  /** The client is told that this is the end; it is given the time to take what it has not taken yet. */
  #endChunksAndLinger(): void {
    this.#lingers = true;
    this.#raw.cork(() => writeEndOfChunks(this.#raw));
    const { close, later } = this.#closeSoon();
    if (this.#body?.hasWaited) this.#body.onWritable = later;
    else setImmediate(close);
  }

  #closeSoon(): { close: () => void; later: () => void } {
    const close = (): void => {
      clearTimeout(timer);
      if (!this.#isGone) this.#raw.close();
    };
    const timer = setTimeout(close, LINGER_MS_MAX).unref();
    return { close, later: () => timer.refresh() };
  }

  #settle(): void {
    if (!this.#lost) {
      this.#answered = true;
      this.req.release();
    }
    const settled = this.onceSettled;
    this.onceSettled = undefined;
    settled?.();
  }
}
