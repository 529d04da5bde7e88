import type { MaybePromise } from "../../domain/auth-policy.js";
import { isPromise } from "../../domain/maybe-promise.js";
import type { RawResponse } from "./raw-http.js";
import type { RequestHead } from "./request-head.js";

const EMPTY = Buffer.alloc(0);

/** What answers plain requests to one path by itself, without the handler for `node:http`. */
export interface Lane {
  readonly path: string;
  /** Of a POST to the path without a query string. */
  takes(headers: RequestHead["headers"]): boolean;
  /** Must not reject. */
  answer(request: PlainRequest): MaybePromise<LaneAnswer>;
}

export interface LaneAnswer {
  /**
   * As it goes on the wire: what follows `HTTP/1.1 ` in the status line, and the fields but those
   * that uWebSockets.js writes itself, each behind a CRLF.
   */
  readonly head: string;
  readonly body: string;
}

export interface PlainRequestOptions {
  readonly lane: Lane;
  /** Tells the client to close the connection. */
  readonly isDraining: () => boolean;
  /** Called once, when the answer is complete or its client has gone. */
  readonly done: () => void;
}

/** One request of which the lane gets the head and the whole body, with a length that was told. */
export class PlainRequest {
  isGone = false;
  /** There in the turn in which the lane is asked, and not behind it. */
  body: Buffer = EMPTY;
  readonly #raw: RawResponse;
  readonly #options: PlainRequestOptions;
  #parts: Buffer[] | undefined;
  #isAnswered = false;

  constructor(
    raw: RawResponse,
    readonly headers: RequestHead["headers"],
    options: PlainRequestOptions,
  ) {
    this.#raw = raw;
    this.#options = options;
  }

  /** Must be called within the request's own callback. */
  receive(): void {
    this.#raw.onAborted(() => {
      this.isGone = true;
      this.#options.done();
    });
    this.#raw.onData((chunk, isLast) => this.#onData(chunk, isLast));
  }

  /** Undefined once the answer is complete: a policy may ask late, and the connection serves another. */
  get remoteAddress(): string | undefined {
    if (this.isGone || this.#isAnswered) return undefined;
    return Buffer.from(this.#raw.getRemoteAddressAsText()).toString("latin1");
  }

  #onData(chunk: ArrayBuffer, isLast: boolean): void {
    if (!isLast) {
      this.#parts ??= [];
      // uWebSockets.js takes the chunk's memory back when this callback returns.
      this.#parts.push(Buffer.from(chunk.slice(0)));
      return;
    }
    const last = Buffer.from(chunk);
    this.body = this.#parts === undefined ? last : Buffer.concat([...this.#parts, last]);
    const answer = this.#options.lane.answer(this);
    // It was read by now, and its memory is not ours any more.
    this.body = EMPTY;
    if (isPromise(answer)) {
      void answer.then((settled) => {
        if (!this.isGone) this.#raw.cork(() => this.#end(settled));
      });
    } else {
      // What is written in the turn of the request's own callback is corked already.
      this.#end(answer);
    }
  }

  #end({ head, body }: LaneAnswer): void {
    if (this.isGone) return;
    this.#isAnswered = true;
    // One call for all of it: each one into uWebSockets.js costs more than to put the text together.
    this.#raw.writeStatus(head);
    this.#raw.end(body, this.#options.isDraining());
    this.#options.done();
  }
}
