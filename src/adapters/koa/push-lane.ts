import { STATUS_CODES } from "node:http";
import { describeError } from "../../application/describe-error.js";
import type { Headers, MaybePromise, PushAuthRequest } from "../../domain/auth-policy.js";
import { andThen, isPromise } from "../../domain/maybe-promise.js";
import type { PushInput } from "../../domain/push.js";
import type { ReadyPush, RefusedPush } from "../../domain/push-service.js";
import { type ErrorLog, explain, JSON_TYPE, NO_STORE } from "./errors.js";
import { type PushAnswer, type PushDesk, settlePush } from "./push-answer.js";
import { type PushRouteLimits, readJsonPush, utf8Text } from "./push-body.js";
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
  readonly status: number;
  /** All of printable ASCII. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** A larger body, and the answer with what was in it, is better read and written in pieces. */
const BODY_BYTES_MAX = 65_536;

const JSON_TYPES: ReadonlySet<unknown> = new Set(["application/json", JSON_TYPE]);
const ACCEPTED: ReadonlySet<unknown> = new Set([undefined, "*/*", "application/json"]);
const LASTING: ReadonlySet<unknown> = new Set([undefined, "keep-alive", "Keep-Alive"]);
/** What asks for more than the lane does. */
const ASKING = ["transfer-encoding", "content-encoding", "origin", "expect"];

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
    const length = Number(headers["content-length"] ?? 0);
    return (
      length > 0 &&
      length <= this.#bytesMax &&
      JSON_TYPES.has(headers["content-type"]) &&
      ACCEPTED.has(headers.accept) &&
      LASTING.has(headers.connection) &&
      ASKING.every((name) => headers[name] === undefined)
    );
  }

  /** At once where policy and broker are; never rejects. */
  answer(request: PlainRequest): MaybePromise<PlainAnswer> {
    const requestId = requestIdOf(request.headers["x-request-id"]);
    const fail = (error: unknown): PlainAnswer => this.#failed(request, requestId, error);
    try {
      const settled = this.#settle(request);
      return isPromise(settled)
        ? settled.then((answer) => answerOf(requestId, answer)).catch(fail)
        : answerOf(requestId, settled);
    } catch (error) {
      return fail(error);
    }
  }

  #settle(request: PlainRequest): MaybePromise<PushAnswer> {
    const { input, dryRun } = readJsonPush(utf8Text(request.body));
    const settle = (prepared: ReadyPush | RefusedPush): MaybePromise<PushAnswer> => {
      // A caller who may not push learns nothing of what is wrong with the rest.
      const options =
        prepared.kind === "denied"
          ? NO_OPTIONS
          : pushOptions(request.headers["idempotency-key"], "", dryRun);
      return settlePush(this.#desk, prepared, options);
    };
    return andThen(this.#desk.pushes.prepare(new PlainAuthRequest(request, input)), settle);
  }

  #failed({ isGone }: PlainRequest, requestId: string, error: unknown): PlainAnswer {
    const { status, text, headers } = explain(error);
    const fields = { err: describeError(error), requestId };
    if (isGone) this.#log.debug(fields, "request broken off by its client");
    else if (status >= 500) this.#log.error(fields, "request failed");
    const body = JSON.stringify({ error: text ?? STATUS_CODES[status] });
    return { status, body, fields: fieldsOf(requestId, Object.entries(headers)) };
  }
}

function answerOf(requestId: string, answer: PushAnswer): PlainAnswer {
  const { status, body, pushId, isReplay, retryAfterSeconds } = answer;
  const own: [string, string][] = [];
  if (pushId !== undefined) own.push(["x-push-id", pushId]);
  if (isReplay === true) own.push(["idempotent-replayed", "true"]);
  if (retryAfterSeconds !== undefined) own.push(["retry-after", `${retryAfterSeconds}`]);
  return { status, body, fields: fieldsOf(requestId, own) };
}

function fieldsOf(requestId: string, own: [string, string][]): [string, string][] {
  return [
    ["x-request-id", requestId],
    ["cache-control", NO_STORE],
    ...own,
    ["content-type", JSON_TYPE],
  ];
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
