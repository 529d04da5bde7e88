import type Koa from "koa";
import type { IdempotencyStore } from "../../application/idempotency.js";
import type { AuthPolicy } from "../../domain/auth-policy.js";
import { isPromise } from "../../domain/maybe-promise.js";
import type { ReadyPush, RefusedPush } from "../../domain/push-service.js";
import { answerDenied, HttpAuthRequest, isAuthorized } from "./authorized.js";
import { type BatchItem, readBatch } from "./batch-body.js";
import { answer, answerJson } from "./errors.js";
import { InvalidOption } from "./malformed-request.js";
import {
  failure,
  fingerprintOf,
  keyOf,
  type PushAnswer,
  type PushDesk,
  settlePush,
  tooManyKeys,
} from "./push-answer.js";
import { type PushRouteLimits, pushBody, readJsonText } from "./push-body.js";
import { isOn, type PushOptions, readPushOptions } from "./push-options.js";
import { acceptsJson, setRetryAfter } from "./push-route.js";

export interface BatchLimits extends PushRouteLimits {
  /** Most pushes in one batch. @defaultValue 100 */
  readonly pushesMax: number;
}

export interface BatchDesk extends PushDesk {
  readonly policy: AuthPolicy;
  /** Remembers which body a key was used with. */
  readonly batches: IdempotencyStore<true>;
}

type Prepared = ReadyPush | RefusedPush;

/**
 * `POST /api/push/batch`: `{"pushes":[…]}`, each as `POST /api/push` takes it, answered with
 * `{"results":[{"status","body","id"}…]}` in their order.
 *
 * Each push is authorised, checked and answered on its own. They are delivered in their order, once
 * all are authorised. Where the policy denies every one of them, the answer is that of the first.
 */
export function batchRoute(desk: BatchDesk, limits: BatchLimits): Koa.Middleware[] {
  return [
    ...pushBody(limits),
    async (ctx) => {
      const { text, cut } = readJsonText(ctx);
      const batch = readBatch(text, limits.pushesMax, cut);
      if (!acceptsJson(ctx)) return;
      if (!batch.ok) {
        // Asked about no push at all, so that a caller without a key learns nothing.
        if (await isAuthorized(ctx, desk.policy)) answer(ctx, 422, batch.message);
        return;
      }
      const { items } = batch;
      const request = new HttpAuthRequest(ctx, {});
      const asked = items.map(({ input }) =>
        desk.pushes.prepare(new HttpAuthRequest(request, input)),
      );
      // A promise for each of them only where the policy takes its time.
      const prepared = asked.some(isPromise) ? await Promise.all(asked) : (asked as Prepared[]);
      const [first] = prepared;
      if (first?.kind === "denied" && prepared.every(({ kind }) => kind === "denied")) {
        answerDenied(ctx, first.answer);
        return;
      }
      const options = readPushOptions(ctx, batch.dryRun);
      const misuse = await bindKey(desk, prepared, options, text);
      if (misuse !== undefined) {
        ctx.status = misuse.status;
        setRetryAfter(ctx, misuse);
        answerJson(ctx, misuse.body);
        return;
      }
      const results: string[] = [];
      for (const [index, each] of prepared.entries()) {
        const settled = settleItem(desk, each, items[index] as BatchItem, options, index);
        // Waited for only where there is something to wait for: nothing comes in between otherwise.
        const result = isPromise(settled) ? await settled : settled;
        setRetryAfter(ctx, result);
        results.push(resultJson(result));
      }
      ctx.status = 200;
      answerJson(ctx, `{"results":[${results.join(",")}]}`);
    },
  ];
}

/**
 * A key belongs to the whole text of a batch. One of which nothing can be delivered has not used
 * its key.
 *
 * @returns what is wrong where it was used with another text, or no further one can be remembered.
 */
async function bindKey(
  { batches }: BatchDesk,
  prepared: readonly Prepared[],
  { dryRun, idempotencyKey }: PushOptions,
  text: string,
): Promise<PushAnswer | undefined> {
  const ready = prepared.find((each) => each.kind === "ready");
  if (idempotencyKey === undefined || dryRun || ready === undefined) return undefined;
  const key = keyOf(ready.by, idempotencyKey);
  const result = await batches.once(key, fingerprintOf(text), () => true);
  if (result.kind === "mismatch") {
    return failure(422, "The Idempotency-Key was used for another batch.");
  }
  return result.kind === "full" ? tooManyKeys(result.retryAfterMs) : undefined;
}

function settleItem(
  desk: BatchDesk,
  prepared: Prepared,
  item: BatchItem,
  options: PushOptions,
  index: number,
) {
  try {
    return settlePush(desk, prepared, itemOptions(prepared, item, options, index));
  } catch (error) {
    if (error instanceof InvalidOption) return failure(error.status, error.message);
    throw error;
  }
}

/**
 * Each push has a key of its own: what was refused the first time may be delivered by a repeat. The
 * line break keeps these keys from those that callers choose.
 */
function itemOptions(
  prepared: Prepared,
  item: BatchItem,
  options: PushOptions,
  index: number,
): PushOptions {
  const { idempotencyKey } = options;
  if (idempotencyKey === undefined && item.dryRun === undefined) return options;
  return {
    ...options,
    dryRun: options.dryRun || (prepared.kind !== "denied" && isOn("dry_run", item.dryRun)),
    ...(idempotencyKey !== undefined && { idempotencyKey: `${idempotencyKey}\n${index}` }),
  };
}

function resultJson({ status, body, pushId }: PushAnswer): string {
  const id = pushId === undefined ? "" : `,"id":${JSON.stringify(pushId)}`;
  return `{"status":${status},"body":${body}${id}}`;
}
