import { STATUS_CODES } from "node:http";
import { describeError } from "../../application/describe-error.js";
import type { Headers, MaybePromise, PushAuthRequest } from "../../domain/auth-policy.js";
import type { PushInput } from "../../domain/push.js";
import { type ErrorLog, explain, JSON_TYPE, NO_STORE } from "./errors.js";
import type { PushAnswer } from "./push-answer.js";
import { requestIdOf } from "./request-id.js";

/** A request that a lane takes, with its whole body. */
export interface PlainRequest {
  readonly headers: Headers;
  /** To be read at once: its memory is another's behind the call that brought it. */
  readonly body: Buffer;
  readonly remoteAddress: string | undefined;
  /** Its client has gone. */
  readonly isGone: boolean;
}

export interface PlainAnswer {
  /** The status line behind `HTTP/1.1 ` and the fields, each behind a CRLF; all of printable ASCII. */
  readonly head: string;
  readonly body: string;
}

/**
 * A route without Koa, for requests as nearly every backend sends them: the same rules by the same
 * functions, at half the cost. Whatever is not plain is for the Koa route, and where a host wants
 * to see each request, all of it is (docs/adr/0018-the-push-lane.md).
 */
export abstract class PlainLane {
  abstract readonly path: string;
  readonly #log: ErrorLog;
  readonly #bytesMax: number;

  /** @param bytesMax largest body that it takes, in bytes */
  constructor(bytesMax: number, log: ErrorLog) {
    this.#bytesMax = bytesMax;
    this.#log = log;
  }

  /** What the Koa route would answer; what it throws or rejects with is answered as an error. */
  protected abstract settle(request: PlainRequest): MaybePromise<PushAnswer>;

  /** Of a POST to its path without a query string. */
  takes(headers: Headers): boolean {
    const { accept, connection } = headers;
    const type = headers["content-type"];
    const length = Number(headers["content-length"] ?? 0);
    return (
      length > 0 &&
      length <= this.#bytesMax &&
      (type === "application/json" || type === JSON_TYPE) &&
      (accept === undefined || accept === "*/*" || accept === "application/json") &&
      (connection === undefined || connection === "keep-alive" || connection === "Keep-Alive") &&
      // What asks for more than a lane does.
      headers["transfer-encoding"] === undefined &&
      headers["content-encoding"] === undefined &&
      headers.origin === undefined &&
      headers.expect === undefined
    );
  }

  /** At once where policy and broker are; never rejects. */
  answer(request: PlainRequest): MaybePromise<PlainAnswer> {
    const requestId = requestIdOf(request.headers["x-request-id"]);
    try {
      const settled = this.settle(request);
      return settled instanceof Promise
        ? settled
            .then((answer) => answerOf(requestId, answer))
            .catch((error) => this.#failed(request, requestId, error))
        : answerOf(requestId, settled);
    } catch (error) {
      return this.#failed(request, requestId, error);
    }
  }

  #failed({ isGone }: PlainRequest, requestId: string, error: unknown): PlainAnswer {
    const { status, text, headers } = explain(error);
    const fields = { err: describeError(error), requestId };
    if (isGone) this.#log.debug(fields, "request broken off by its client");
    else if (status >= 500) this.#log.error(fields, "request failed");
    const body = JSON.stringify({ error: text ?? STATUS_CODES[status] });
    let own = "";
    for (const [name, value] of Object.entries(headers)) own += `\r\n${name}: ${value}`;
    return { body, head: headOf(status, requestId, own) };
  }
}

function answerOf(requestId: string, answer: PushAnswer): PlainAnswer {
  const { status, body, pushId, isReplay, retryAfterSeconds } = answer;
  if (status === 200 && pushId !== undefined && isReplay !== true) {
    return { body, head: `${OK}${requestId}${PUSHED}${pushId}${LAST_FIELD}` };
  }
  let own = pushId === undefined ? "" : `\r\nx-push-id: ${pushId}`;
  if (isReplay === true) own += "\r\nidempotent-replayed: true";
  if (retryAfterSeconds !== undefined) own += `\r\nretry-after: ${retryAfterSeconds}`;
  return { body, head: headOf(status, requestId, own) };
}

const COMMON_FIELD = `\r\ncache-control: ${NO_STORE}`;
const LAST_FIELD = `\r\ncontent-type: ${JSON_TYPE}`;

/** What nearly every answer says, in the order of `headOf`. */
const OK = "200 OK\r\nx-request-id: ";
const PUSHED = `${COMMON_FIELD}\r\nx-push-id: `;

function headOf(status: number, requestId: string, own: string): string {
  const line = status === 200 ? "200 OK" : `${status} ${STATUS_CODES[status] ?? ""}`;
  return `${line}\r\nx-request-id: ${requestId}${COMMON_FIELD}${own}${LAST_FIELD}`;
}

/** What the push policy sees of it: as of a request that Koa has. */
export class PlainAuthRequest implements PushAuthRequest {
  readonly method = "POST";
  readonly #request: PlainRequest;

  constructor(
    request: PlainRequest,
    readonly path: string,
    readonly input: PushInput,
  ) {
    this.#request = request;
  }

  get headers(): Headers {
    return this.#request.headers;
  }

  /** Looked up on demand: most policies never ask. */
  get remoteAddress(): string | undefined {
    return this.#request.remoteAddress;
  }
}
