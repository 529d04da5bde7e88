import type Koa from "koa";
import { isPromise } from "../../domain/maybe-promise.js";
import { HttpAuthRequest } from "./authorized.js";
import { answer, answerJson } from "./errors.js";
import { type PushAnswer, type PushDesk, settlePush } from "./push-answer.js";
import { type PushRouteLimits, pushBody, readPushInput } from "./push-body.js";
import { NO_OPTIONS, readPushOptions } from "./push-options.js";

/** `POST /api/push`: body, then acceptable answer, then the policy, then the arguments. */
export function pushRoute(desk: PushDesk, limits: PushRouteLimits): Koa.Middleware[] {
  return [
    ...pushBody(limits),
    async (ctx) => {
      const { input, dryRun } = readPushInput(ctx);
      if (!acceptsJson(ctx)) return;
      const prepared = await desk.pushes.prepare(new HttpAuthRequest(ctx, input));
      // A caller who may not push learns nothing of what is wrong with the rest.
      const options = prepared.kind === "denied" ? NO_OPTIONS : readPushOptions(ctx, dryRun);
      const settled = settlePush(desk, prepared, options);
      answerPush(ctx, isPromise(settled) ? await settled : settled);
    },
  ];
}

function answerPush(ctx: Koa.Context, settled: PushAnswer): void {
  const { pushId, isReplay } = settled;
  ctx.status = settled.status;
  if (pushId !== undefined) ctx.res.setHeader("x-push-id", pushId);
  if (isReplay === true) ctx.set("idempotent-replayed", "true");
  setRetryAfter(ctx, settled);
  answerJson(ctx, settled.body);
}

export function setRetryAfter(ctx: Koa.Context, { retryAfterSeconds }: PushAnswer): void {
  if (retryAfterSeconds !== undefined) ctx.set("retry-after", `${retryAfterSeconds}`);
}

/** Answers 406 where the caller would not take JSON. */
export function acceptsJson(ctx: Koa.Context): boolean {
  const { accept } = ctx.headers;
  // What nearly every client sends needs no negotiation.
  if (accept === undefined || accept === "*/*" || accept === "application/json") return true;
  if (ctx.accepts("application/json") !== false) return true;
  answer(ctx, 406, "The answer is application/json, which the request does not accept.");
  return false;
}
