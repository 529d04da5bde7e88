import type { PushTraces } from "../../application/push-traces.js";
import type { MaybePromise } from "../../domain/auth-policy.js";
import type { IdempotencyClaim } from "../../domain/broker.js";
import { needsEscape } from "../../domain/json.js";
import { isPromise } from "../../domain/maybe-promise.js";
import type { Push } from "../../domain/push.js";
import type {
  AcceptedPush,
  PushService,
  ReadyPush,
  RefusedPush,
  UnacceptedPush,
} from "../../domain/push-service.js";
import {
  type ApiAnswer,
  type ApiRequest,
  type ApiRoute,
  denialAnswer,
  failure,
  type HttpPlatform,
  notAcceptable,
} from "./api.js";
import { HttpAuthRequest } from "./authorize.js";
import { readPush } from "./push-body.js";
import { NO_OPTIONS, type PushOptions, pushOptions } from "./push-options.js";
import { traceJson } from "./trace-json.js";

export interface PushServices {
  readonly pushes: PushService;
  readonly traces: PushTraces;
  readonly platform: HttpPlatform;
}

export interface PushRouteLimits {
  /** Largest request body, in bytes, also after decompression. @defaultValue 8000000 */
  readonly bodyBytesMax: number;
}

/** A larger body, and the answer that repeats it, is better read and written in pieces. */
const SMALL_BODY_BYTES = 65_536;

/** `POST /api/push`: checks the body, then `accept`, then asks the policy, then checks the arguments. */
export function pushRoute(services: PushServices, { bodyBytesMax }: PushRouteLimits): ApiRoute {
  return {
    method: "POST",
    path: "/api/push",
    body: { bytesMax: bodyBytesMax, smallBytesMax: SMALL_BODY_BYTES },
    handle: (request) => answerPush(services, request),
  };
}

/** Synchronous if policy and broker are. */
function answerPush(services: PushServices, request: ApiRequest): MaybePromise<ApiAnswer> {
  const { input, dryRun } = readPush(request, services.platform);
  if (!request.acceptsJson) return notAcceptable();
  const prepared = services.pushes.prepare(new HttpAuthRequest(request, input));
  return isPromise(prepared)
    ? prepared.then((each) => settle(services, request, each, dryRun))
    : settle(services, request, prepared, dryRun);
}

function settle(
  services: PushServices,
  { headers, query }: ApiRequest,
  prepared: ReadyPush | RefusedPush,
  dryRun: unknown,
): MaybePromise<ApiAnswer> {
  // A caller who may not push does not learn what else is wrong.
  const options =
    prepared.kind === "denied"
      ? NO_OPTIONS
      : pushOptions(headers["idempotency-key"], query, dryRun);
  return settlePush(services, prepared, options);
}

/** Delivers a push that is ready, unless the caller asks for a dry run. Synchronous if the broker is. */
export function settlePush(
  services: PushServices,
  prepared: ReadyPush | RefusedPush,
  options: PushOptions,
): MaybePromise<ApiAnswer> {
  if (prepared.kind !== "ready") return refusal(services, prepared, options);
  const body = pushJson(prepared.push);
  if (options.dryRun) return { status: 200, body };
  const outcome = services.pushes.accept(prepared, claimOf(services, prepared, body, options));
  return isPromise(outcome)
    ? outcome.then((settled) => outcomeAnswer(services, body, settled, options))
    : outcomeAnswer(services, body, outcome, options);
}

/** A push as the API answers it: `{"channel":[…],"data":…,"event":…}` with the keys in this order. */
export function pushJson({ channels, event, data }: Push): string {
  const first = channels[0] as string;
  // Most names need no escape; then one template makes one string.
  if (channels.length === 1 && !needsEscape(first) && !needsEscape(event)) {
    return `{"channel":["${first}"],"data":${data.text},"event":"${event}"}`;
  }
  return `{"channel":${JSON.stringify(channels)},"data":${data.text},"event":${JSON.stringify(event)}}`;
}

/**
 * A repeat is recognised by what would be delivered. The answer can be made again from it, so no
 * answer needs to be stored.
 */
function claimOf(
  { platform }: PushServices,
  ready: ReadyPush,
  body: string,
  { idempotencyKey }: PushOptions,
): IdempotencyClaim | undefined {
  if (idempotencyKey === undefined) return undefined;
  return { key: keyOf(ready.by, idempotencyKey), fingerprint: platform.fingerprint(body) };
}

function outcomeAnswer(
  services: PushServices,
  body: string,
  outcome: AcceptedPush | UnacceptedPush,
  options: PushOptions,
): ApiAnswer {
  switch (outcome.kind) {
    case "accepted":
      return accepted(services, body, outcome.id, options);
    case "repeated":
      return { ...accepted(services, body, outcome.id, options), isReplay: true };
    case "mismatch":
      return failure(422, "The Idempotency-Key was used for another push.");
    case "full":
      return tooManyKeys(outcome.retryAfterMs);
    case "unavailable":
      return {
        ...failure(503, "The push could not be accepted now."),
        pushId: outcome.id,
        retryAfterSeconds: 1,
      };
  }
}

/** Each caller has its own keys: two backends that count from 1 do not collide. */
export function keyOf(by: string | undefined, idempotencyKey: string): string {
  return JSON.stringify([by ?? null, idempotencyKey]);
}

export function tooManyKeys(retryAfterMs: number): ApiAnswer {
  return {
    ...failure(503, "Too many Idempotency-Keys are in use."),
    retryAfterSeconds: Math.max(1, Math.ceil(retryAfterMs / 1000)),
  };
}

function accepted(
  services: PushServices,
  body: string,
  pushId: string,
  { explain }: PushOptions,
): ApiAnswer {
  return { status: 200, body: explain ? explained(services, body, pushId) : body, pushId };
}

function refusal(
  services: PushServices,
  refused: RefusedPush,
  { explain }: PushOptions,
): ApiAnswer {
  const pushId = refused.id;
  if (refused.kind === "denied") return { ...denialAnswer(refused.answer), pushId };
  const { status, body } = failure(422, refused.error.message);
  return { status, body: explain ? explained(services, body, pushId) : body, pushId };
}

/** The answer's object with the trace as one more member. */
function explained({ traces }: PushServices, body: string, pushId: string): string {
  const trace = traces.get(pushId);
  const json = trace === undefined ? "null" : JSON.stringify(traceJson(trace));
  return `${body.slice(0, -1)},"explain":${json}}`;
}
