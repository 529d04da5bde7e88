import { STATUS_CODES } from "node:http";
import { describeError } from "../../application/describe-error.js";
import type { Headers, MaybePromise, PushAuthRequest } from "../../domain/auth-policy.js";
import type { PushInput } from "../../domain/push.js";
import type { ReadyPush, RefusedPush } from "../../domain/push-service.js";
import { type ErrorLog, explain, JSON_TYPE, NO_STORE } from "./errors.js";
import { type PushAnswer, type PushDesk, settlePush } from "./push-answer.js";
import { type PushRouteLimits, readJsonPush } from "./push-body.js";
import { NO_OPTIONS, pushOptions } from "./push-options.js";
import { requestIdOf } from "./request-id.js";

/** A request that the lane takes, with its whole body. */
export interface PlainRequest {
  readonly headers: Headers;
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

/** A larger body, and the answer with what was in it, is better read and written in pieces. */
const BODY_BYTES_MAX = 65_536;

/**
 * `POST /api/push` as nearly every backend sends it, without Koa: the same rules by the same
 * functions, at half the cost. Whatever is not plain is for the Koa route, and where a host
 * wants to see each request, all of it is (docs/adr/0018-the-push-lane.md).
 */
export class PushLane {
  readonly path = "/api/push";
  readonly #desk: PushDesk;
  readonly #log: ErrorLog;
  readonly #bytesMax: number;

  constructor(desk: PushDesk, { bodyBytesMax }: PushRouteLimits, log: ErrorLog) {
    this.#desk = desk;
    this.#log = log;
    this.#bytesMax = Math.min(bodyBytesMax, BODY_BYTES_MAX);
  }

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
      // What asks for more than the lane does.
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
      const settled = this.#settle(request);
      return settled instanceof Promise
        ? settled
            .then((answer) => answerOf(requestId, answer))
            .catch((error) => this.#failed(request, requestId, error))
        : answerOf(requestId, settled);
    } catch (error) {
      return this.#failed(request, requestId, error);
    }
  }

  #settle(request: PlainRequest): MaybePromise<PushAnswer> {
    const { input, dryRun } = readJsonPush(request.body);
    const prepared = this.#desk.pushes.prepare(new PlainAuthRequest(request, input));
    return prepared instanceof Promise
      ? prepared.then((each) => this.#deliver(request, each, dryRun))
      : this.#deliver(request, prepared, dryRun);
  }

  #deliver(
    { headers }: PlainRequest,
    prepared: ReadyPush | RefusedPush,
    dryRun: unknown,
  ): MaybePromise<PushAnswer> {
    // A caller who may not push learns nothing of what is wrong with the rest.
    const options =
      prepared.kind === "denied" ? NO_OPTIONS : pushOptions(headers["idempotency-key"], "", dryRun);
    return settlePush(this.#desk, prepared, options);
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
class PlainAuthRequest implements PushAuthRequest {
  readonly method = "POST";
  readonly path = "/api/push";
  readonly #request: PlainRequest;

  constructor(
    request: PlainRequest,
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
