import { STATUS_CODES } from "node:http";
import type { MaybePromise } from "../../domain/auth-policy.js";
import { isPromise } from "../../domain/maybe-promise.js";
import {
  type ApiAnswer,
  type ApiRequest,
  type ApiRoute,
  eachHeader,
  JSON_TYPE,
  NO_STORE,
  requestIdOf,
} from "../../protocol/http/api.js";
import { type ErrorLog, explainError, logError } from "../../protocol/http/errors.js";
import type { RequestEnd, RequestObserver } from "../../protocol/http/observe-requests.js";
import type { RawResponse } from "./raw-http.js";
import type { RequestHead } from "./request-head.js";

/**
 * Serves routes of the API without the handler for `node:http`, at about half of its cost: requests
 * of the form that nearly every backend sends, on routes with small bodies.
 */
export interface FastPath {
  readonly routes: readonly ApiRoute[];
  /** Sees each request. @defaultValue none */
  readonly observer: RequestObserver | undefined;
  readonly newRequestId: () => string;
  readonly log: ErrorLog;
}

/** What the server tells each request on the fast path, and what each request tells the server. */
export interface FastRequestOptions extends Omit<FastPath, "routes"> {
  readonly route: ApiRoute;
  /** If true, answers tell the client to close the connection. */
  readonly isDraining: () => boolean;
  /** Called once, when the answer is complete or the client has gone. */
  readonly done: () => void;
}

/**
 * Whether the fast path serves a request to a route's path without a query string: by its form
 * alone, which is that of a small JSON body of declared length, on a connection that stays open.
 */
export function isFast(headers: RequestHead["headers"], { body }: ApiRoute): boolean {
  const { accept, connection } = headers;
  const type = headers["content-type"];
  const length = Number(headers["content-length"] ?? 0);
  return (
    length > 0 &&
    length <= Math.min(body?.bytesMax ?? 0, body?.smallBytesMax ?? 0) &&
    (type === "application/json" || type === JSON_TYPE) &&
    (accept === undefined || accept === "*/*" || accept === "application/json") &&
    (connection === undefined || connection === "keep-alive" || connection === "Keep-Alive") &&
    // These ask for decoding, CORS or an interim answer.
    headers["transfer-encoding"] === undefined &&
    headers["content-encoding"] === undefined &&
    headers.origin === undefined &&
    headers.expect === undefined
  );
}

const NO_PARAMS = {};

/** One request on the fast path, as its handler sees it, and its answer. */
export class FastRequest implements ApiRequest {
  readonly requestId: string;
  /** Readable only in the turn of the event loop in which the handler is called. */
  body: Uint8Array | undefined;
  readonly #raw: RawResponse;
  readonly #options: FastRequestOptions;
  #parts: Buffer[] | undefined;
  #isGone = false;
  #isAnswered = false;
  #ended: RequestEnd | undefined;

  constructor(
    raw: RawResponse,
    readonly headers: RequestHead["headers"],
    options: FastRequestOptions,
  ) {
    this.#raw = raw;
    this.#options = options;
    this.requestId = requestIdOf(headers["x-request-id"], options.newRequestId);
  }

  get method(): string {
    return this.#options.route.method;
  }

  get path(): string {
    return this.#options.route.path;
  }

  get query(): string {
    return "";
  }

  get params(): Readonly<Record<string, string>> {
    return NO_PARAMS;
  }

  get acceptsJson(): boolean {
    return true;
  }

  /** Undefined once the answer is complete: by then the connection may serve another request. */
  get remoteAddress(): string | undefined {
    if (this.#isGone || this.#isAnswered) return undefined;
    return Buffer.from(this.#raw.getRemoteAddressAsText()).toString("latin1");
  }

  /** Must be called within the request's own callback. */
  receive(): void {
    this.#ended = this.#options.observer?.(this.requestId, this.method, this.path);
    this.#raw.onAborted(() => {
      this.#isGone = true;
      this.#options.done();
      this.#ended?.(undefined);
    });
    this.#raw.onData((chunk, isLast) => this.#onData(chunk, isLast));
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
    this.#handle();
    // For the same reason as above.
    this.body = undefined;
  }

  #handle(): void {
    let answer: MaybePromise<ApiAnswer>;
    try {
      answer = this.#options.route.handle(this);
    } catch (error) {
      this.#write(this.#failed(error));
      return;
    }
    if (!isPromise(answer)) {
      // uWebSockets.js has corked already what is written within its own callback.
      this.#write(this.#succeeded(answer));
      return;
    }
    void answer.then(
      (settled) => this.#writeLater(this.#succeeded(settled)),
      (error: unknown) => this.#writeLater(this.#failed(error)),
    );
  }

  #succeeded(answer: ApiAnswer): WireAnswer {
    const { status, body, pushId, isReplay } = answer;
    // Nearly every answer: three pieces of text in place of five.
    const head =
      status === 200 && pushId !== undefined && isReplay !== true
        ? `${OK}${this.requestId}${PUSHED}${pushId}${LAST_FIELD}`
        : headOf(status, this.requestId, fieldsOf(answer));
    return { status, head, body };
  }

  #failed(error: unknown): WireAnswer {
    const { status, text, headers } = explainError(error);
    logError(this.#options.log, error, status, {
      requestId: this.requestId,
      isGone: this.#isGone,
    });
    let fields = "";
    for (const [name, value] of Object.entries(headers)) fields += field(name, value);
    const body = JSON.stringify({ error: text ?? STATUS_CODES[status] });
    return { status, head: headOf(status, this.requestId, fields), body };
  }

  #writeLater(answer: WireAnswer): void {
    if (!this.#isGone) this.#raw.cork(() => this.#write(answer));
  }

  #write({ status, head, body }: WireAnswer): void {
    if (this.#isGone) return;
    this.#isAnswered = true;
    // The head in one call: each call into uWebSockets.js costs more than concatenating the text.
    this.#raw.writeStatus(head);
    this.#raw.end(body, this.#options.isDraining());
    this.#options.done();
    this.#ended?.(status);
  }
}

interface WireAnswer {
  readonly status: number;
  /** What follows `HTTP/1.1 `: the rest of the status line, and header fields after a CRLF each. */
  readonly head: string;
  readonly body: string;
}

const COMMON_FIELD = field("cache-control", NO_STORE);
const LAST_FIELD = field("content-type", JSON_TYPE);
const OK = "200 OK\r\nx-request-id: ";
const PUSHED = `${COMMON_FIELD}\r\nx-push-id: `;

function fieldsOf(answer: ApiAnswer): string {
  let fields = "";
  eachHeader(answer, (name, value) => {
    fields += field(name, value);
  });
  return fields;
}

/** @param fields those between the common ones, each after its CRLF */
function headOf(status: number, requestId: string, fields: string): string {
  const line = status === 200 ? OK : `${status} ${STATUS_CODES[status] ?? ""}\r\nx-request-id: `;
  return `${line}${requestId}${COMMON_FIELD}${fields}${LAST_FIELD}`;
}

function field(name: string, value: string): string {
  return `\r\n${name}: ${value}`;
}
