import type Koa from "koa";
import { HttpAuthRequest } from "./authorized.js";
import { answerBatch, type BatchDesk, type BatchLimits } from "./batch-answer.js";
import { readBatch } from "./batch-body.js";
import { answerJson } from "./errors.js";
import { pushBody, readJsonText } from "./push-body.js";
import { acceptsJson, setRetryAfter } from "./push-route.js";

/** `POST /api/push/batch`: body, then acceptable answer, then what `answerBatch` makes of it. */
export function batchRoute(desk: BatchDesk, limits: BatchLimits): Koa.Middleware[] {
  return [
    ...pushBody(limits),
    async (ctx) => {
      const text = readJsonText(ctx);
      const batch = readBatch(text, limits.pushesMax);
      if (!acceptsJson(ctx)) return;
      // To ask Koa for its head once for each push would cost more than the push.
      const request = new HttpAuthRequest(ctx, {});
      const answer = await answerBatch(desk, batch, {
        text,
        idempotencyKey: ctx.req.headers["idempotency-key"],
        querystring: ctx.querystring,
        toAuthorize: (input) => new HttpAuthRequest(request, input),
      });
      ctx.status = answer.status;
      setRetryAfter(ctx, answer);
      answerJson(ctx, answer.body);
    },
  ];
}
