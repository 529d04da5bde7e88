import { hash } from "node:crypto";
import type { PushTraces } from "../../application/push-traces.js";
import type { MaybePromise } from "../../domain/auth-policy.js";
import type { IdempotencyClaim } from "../../domain/broker.js";
import type {
  AcceptedPush,
  PushService,
  ReadyPush,
  RefusedPush,
  UnacceptedPush,
} from "../../domain/push-service.js";
import { denialAnswer } from "./authorized.js";
import type { PushOptions } from "./push-options.js";
import { traceJson } from "./trace-json.js";

export interface PushDesk {
  readonly pushes: PushService;
  readonly traces: PushTraces;
}

/** What a caller is told of one push, alone or as one of a batch. */
export interface PushAnswer {
  readonly status: number;
  /** JSON. */
  readonly body: string;
  /** The name of the push; none where nothing was or will be delivered by this name. */
  readonly pushId?: string;
  readonly isReplay?: boolean;
  readonly retryAfterSeconds?: number;
}

/** Delivers a push that is ready, unless its caller has asked for less. */
export function settlePush(
  desk: PushDesk,
  prepared: ReadyPush | RefusedPush,
  options: PushOptions,
): MaybePromise<PushAnswer> {
  if (prepared.kind !== "ready") return refusal(desk, prepared, options);
  const body = prepared.push.toAnswer();
  if (options.dryRun) return { status: 200, body };
  const outcome = desk.pushes.accept(prepared, claimOf(prepared, body, options));
  return outcome instanceof Promise
    ? outcome.then((settled) => outcomeAnswer(desk, body, settled, options))
    : outcomeAnswer(desk, body, outcome, options);
}

/**
 * A repeat is recognised by what would be delivered, so that the answer can be made again from it
 * and none needs to be kept.
 */
function claimOf(
  ready: ReadyPush,
  body: string,
  { idempotencyKey }: PushOptions,
): IdempotencyClaim | undefined {
  if (idempotencyKey === undefined) return undefined;
  return { key: keyOf(ready.by, idempotencyKey), fingerprint: fingerprintOf(body) };
}

function outcomeAnswer(
  desk: PushDesk,
  body: string,
  outcome: AcceptedPush | UnacceptedPush,
  options: PushOptions,
): PushAnswer {
  switch (outcome.kind) {
    case "accepted":
      return accepted(desk, body, outcome.id, options);
    case "repeated":
      return { ...accepted(desk, body, outcome.id, options), isReplay: true };
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

/** Keys are their caller's own: two backends that count from 1 do not meet. */
export function keyOf(by: string | undefined, idempotencyKey: string): string {
  return JSON.stringify([by ?? null, idempotencyKey]);
}

/** The same for the same text, and short. */
export function fingerprintOf(text: string): string {
  return hash("sha256", text, "base64");
}

export function tooManyKeys(retryAfterMs: number): PushAnswer {
  return {
    ...failure(503, "Too many Idempotency-Keys are in use."),
    retryAfterSeconds: Math.max(1, Math.ceil(retryAfterMs / 1000)),
  };
}

function accepted(desk: PushDesk, body: string, pushId: string, options: PushOptions): PushAnswer {
  return { status: 200, body: options.explain ? explained(desk, body, pushId) : body, pushId };
}

function refusal(desk: PushDesk, refused: RefusedPush, options: PushOptions): PushAnswer {
  const pushId = refused.id;
  if (refused.kind === "denied") return { ...denialAnswer(refused.answer), pushId };
  const { status, body } = failure(422, refused.error.message);
  return { status, body: options.explain ? explained(desk, body, pushId) : body, pushId };
}

export function failure(status: number, error: string): PushAnswer {
  return { status, body: JSON.stringify({ error }) };
}

/** The answer's object with one member more. */
function explained({ traces }: PushDesk, body: string, pushId: string): string {
  const trace = traces.get(pushId);
  const json = trace === undefined ? "null" : JSON.stringify(traceJson(trace));
  return `${body.slice(0, -1)},"explain":${json}}`;
}
