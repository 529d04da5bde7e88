import { createHash } from "node:crypto";
import type Koa from "koa";
import type { IdempotencyStore } from "../../application/idempotency.js";
import type { AuthPolicy } from "../../domain/auth-policy.js";
import { Json } from "../../domain/json.js";
import { parsePushInput } from "../../domain/push-input.js";
import { HttpAuthRequest, isAuthorized } from "./authorized.js";
import { answer, answerJson } from "./errors.js";
import { MalformedRequest } from "./malformed-request.js";
import { type PushAnswer, type PushDesk, settlePush } from "./push-answer.js";
import { type PushRouteLimits, pushBody, readJsonText } from "./push-body.js";
import { NO_OPTIONS, type PushOptions, readPushOptions } from "./push-options.js";
import { acceptsJson } from "./push-route.js";

export interface BatchLimits extends PushRouteLimits {
  /** Most pushes in one batch. @defaultValue 100 */
  readonly pushesMax: number;
}

export interface BatchDesk extends PushDesk {
  readonly policy: AuthPolicy;
  /** Remembers which body a key was used with. */
  readonly batches: IdempotencyStore<true>;
}

/**
 * `POST /api/push/batch`: `{"pushes":[…]}`, each as `POST /api/push` takes it, answered with
 * `{"results":[{"status","body","id"}…]}` in their order.
 *
 * Each push is authorised, checked and answered on its own. They are delivered in their order, once
 * all are authorised. Where the policy denies every one of them, the answer is that denial.
 */
export function batchRoute(desk: BatchDesk, limits: BatchLimits): Koa.Middleware[] {
  return [
    ...pushBody(limits),
    async (ctx) => {
      const text = readJsonText(ctx);
      const { items, dryRun, fault } = readBatch(text, limits.pushesMax);
      if (!acceptsJson(ctx)) return;
      if (items === undefined) {
        // Asked about no push at all, so that a caller without a key learns nothing.
        if (await isAuthorized(ctx, desk.policy)) answer(ctx, 422, fault);
        return;
      }
      const prepared = await Promise.all(
        items.map((item) => {
          const result = parsePushInput(item.text);
          return desk.pushes.prepare(new HttpAuthRequest(ctx, result.ok ? result.input : {}));
        }),
      );
      const [first] = prepared;
      if (first !== undefined && prepared.every(({ kind }) => kind === "denied")) {
        const denied = await settlePush(desk, first, NO_OPTIONS);
        ctx.status = denied.status;
        answerJson(ctx, denied.body);
        return;
      }
      const options = readPushOptions(ctx, dryRun);
      const key = options.idempotencyKey;
      const isBound = key !== undefined && !options.dryRun;
      if (isBound && !(await isSameBatch(ctx, desk, key, text))) return;
      const results: string[] = [];
      for (const [index, each] of prepared.entries()) {
        const settled = await settlePush(desk, each, itemOptions(options, index));
        results.push(resultJson(settled));
      }
      ctx.status = 200;
      answerJson(ctx, `{"results":[${results.join(",")}]}`);
    },
  ];
}

/** Each push has a key of its own: what was refused the first time may be delivered by a repeat. */
function itemOptions(options: PushOptions, index: number): PushOptions {
  const { idempotencyKey } = options;
  if (idempotencyKey === undefined) return options;
  return { ...options, idempotencyKey: `${idempotencyKey}\n${index}` };
}

/** Answers where the key was used with another body, or no further one can be remembered. */
async function isSameBatch(
  ctx: Koa.Context,
  { batches }: BatchDesk,
  key: string,
  text: string,
): Promise<boolean> {
  const fingerprint = createHash("sha256").update(text).digest("base64");
  const caller = createHash("sha256")
    .update(ctx.headers.authorization ?? "")
    .digest("base64");
  const result = await batches.once(`${caller}\n${key}`, fingerprint, () => true);
  if (result.kind === "mismatch") {
    answer(ctx, 422, "The Idempotency-Key was used for another batch.");
    return false;
  }
  if (result.kind === "full") {
    ctx.set("retry-after", `${Math.max(1, Math.ceil(result.retryAfterMs / 1000))}`);
    answer(ctx, 503, "Too many Idempotency-Keys are in use.");
    return false;
  }
  return true;
}

interface Batch {
  readonly items: readonly Json[] | undefined;
  readonly dryRun?: unknown;
  /** What is wrong with a text that is no batch. */
  readonly fault?: string;
}

function readBatch(text: string, pushesMax: number): Batch {
  let members: Map<"pushes" | "dry_run", Json> | undefined;
  try {
    members = text === "" ? undefined : Json.members(text, ["pushes", "dry_run"]);
  } catch {
    throw new MalformedRequest("The request body is not valid JSON.");
  }
  const pushes = members?.get("pushes");
  const items = pushes === undefined ? undefined : Json.elements(pushes.text);
  if (items === undefined) {
    return { items, fault: 'A batch is an object with an array "pushes".' };
  }
  if (items.length === 0) return { items: undefined, fault: "pushes must hold at least one push." };
  if (items.length > pushesMax) {
    return { items: undefined, fault: `pushes must not hold more than ${pushesMax} pushes.` };
  }
  return { items, dryRun: members?.get("dry_run")?.value() };
}

function resultJson({ status, body, pushId }: PushAnswer): string {
  const id = pushId === undefined ? "" : `,"id":${JSON.stringify(pushId)}`;
  return `{"status":${status},"body":${body}${id}}`;
}
