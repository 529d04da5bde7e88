import type { Headers, MaybePromise, PushDenial } from "../../domain/auth-policy.js";
import { Json } from "../../domain/json.js";

/** A request for the API, whichever server read it. */
export interface ApiRequest {
  /** The caller's `x-request-id`, or a new one. */
  readonly requestId: string;
  readonly method: string;
  /** In its normal form, without the query string. */
  readonly path: string;
  /** The query string without its `?`; empty if there is none. */
  readonly query: string;
  /** The decoded values of the route's `:names`. */
  readonly params: Readonly<Record<string, string>>;
  readonly headers: Headers;
  /** Whether the field `accept` allows `application/json`. */
  readonly acceptsJson: boolean;
  /**
   * The whole body, decompressed; undefined if there is none. A handler reads it before it returns:
   * the server may reuse the memory afterwards.
   */
  readonly body: Uint8Array | undefined;
  readonly remoteAddress: string | undefined;
}

/** The answer to a request. The server adds `x-request-id`, `cache-control` and `content-type`. */
export interface ApiAnswer {
  readonly status: number;
  /** JSON. */
  readonly body: string;
  /** The id of the push, if the request made one; the field `x-push-id`. */
  readonly pushId?: string;
  /** The push was delivered by an earlier request; the field `idempotent-replayed`. */
  readonly isReplay?: boolean;
  /** The field `retry-after`. */
  readonly retryAfterSeconds?: number;
}

/** One route of the API. Any server can mount it. */
export interface ApiRoute {
  readonly method: "GET" | "POST" | "DELETE";
  /** `:name` stands for one segment. */
  readonly path: string;
  /** Undefined if the route takes no body. */
  readonly body?: RouteBody;
  /** What this throws, or rejects with, is for `explainError`. */
  handle(request: ApiRequest): MaybePromise<ApiAnswer>;
}

export interface RouteBody {
  /** Larger bodies are refused with 413, in bytes. */
  readonly bytesMax: number;
  /**
   * A body of up to this many bytes is small enough to read and answer in one piece. If undefined,
   * the fast path leaves the route alone.
   */
  readonly smallBytesMax?: number;
}

/** What the handlers need of the platform that they run on. */
export interface HttpPlatform {
  /** The text of these bytes; undefined if they are not UTF-8. */
  decodeUtf8(bytes: Uint8Array): string | undefined;
  /**
   * The members of `application/x-www-form-urlencoded` text.
   *
   * @throws {URIError} if the text is not percent-encoded UTF-8.
   * @throws {RangeError} if there are too many members, or they are nested too deep.
   */
  parseForm(text: string): Readonly<Record<string, unknown>>;
  /** A short digest: equal for equal texts, and different for any two others. */
  fingerprint(text: string): string;
}

export const JSON_TYPE = "application/json; charset=utf-8";
export const NO_STORE = "max-age=0, private, must-revalidate";

/** Calls `set` for each of the answer's own header fields, in the order of the wire. */
export function eachHeader(answer: ApiAnswer, set: (name: string, value: string) => void): void {
  const { pushId, isReplay, retryAfterSeconds } = answer;
  if (pushId !== undefined) set("x-push-id", pushId);
  if (isReplay === true) set("idempotent-replayed", "true");
  if (retryAfterSeconds !== undefined) set("retry-after", `${retryAfterSeconds}`);
}

/** 200 with the JSON of this value. */
export function success(value: object): ApiAnswer {
  return { status: 200, body: JSON.stringify(value) };
}

/** `{"error": text}` */
export function failure(status: number, error: string): ApiAnswer {
  return { status, body: JSON.stringify({ error }) };
}

export function notAcceptable(): ApiAnswer {
  return failure(406, "The answer is application/json, which the request does not accept.");
}

/** The policy's own answer, or 403 `{"error":"Access Forbidden"}`. */
export function denialAnswer(denial: PushDenial | undefined): ApiAnswer {
  if (isDenial(denial)) return { status: denial.status, body: denial.body.text };
  return { status: 403, body: '{"error":"Access Forbidden"}' };
}

/** A denial must not look like a success to the caller, whatever answer the policy gives. */
function isDenial(denial: PushDenial | undefined): denial is PushDenial {
  const status = denial?.status;
  const isError = Number.isInteger(status) && Number(status) >= 400 && Number(status) < 600;
  return isError && denial?.body instanceof Json;
}

/** PushEx accepts a caller's id of 20 to 200 printable ASCII characters. */
const REQUEST_ID = /^[\x20-\x7e]{20,200}$/;

/** @param sent the field `x-request-id` */
export function requestIdOf(sent: unknown, newId: () => string): string {
  return typeof sent === "string" && REQUEST_ID.test(sent) ? sent : newId();
}
