import type Koa from "koa";
import type { PushListener } from "../../domain/push-listener.js";

export interface RequestLog {
  info(fields: object, text: string): void;
}

/** Tells the listener of each request for the API, and of its end. */
export function observeApi(listener: PushListener): Koa.Middleware {
  return (ctx, next) => {
    const isHeard = listener.apiRequested !== undefined || listener.apiProcessed !== undefined;
    if (!isHeard || !ctx.path.startsWith("/api/")) return next();
    const { method, path } = ctx;
    const event = { requestId: ctx.state.requestId as string, method, path };
    listener.apiRequested?.(event);
    if (listener.apiProcessed !== undefined) {
      onceAnswered(ctx, (status, durationMs) =>
        listener.apiProcessed?.({ ...event, status, durationMs }),
      );
    }
    return next();
  };
}

/** One line for each request: no query string, no field and no body, which can hold secrets. */
export function logRequests(log: RequestLog): Koa.Middleware {
  return (ctx, next) => {
    const { method, path } = ctx;
    onceAnswered(ctx, (status, durationMs) => {
      const fields = { requestId: ctx.state.requestId, method, path, status, durationMs };
      log.info(fields, status === undefined ? "request broken off" : "request");
    });
    return next();
  };
}

function onceAnswered(
  ctx: Koa.Context,
  told: (status: number | undefined, durationMs: number) => void,
): void {
  const { res } = ctx;
  const start = performance.now();
  res.once("close", () => {
    const durationMs = Math.round((performance.now() - start) * 1000) / 1000;
    told(res.writableFinished ? res.statusCode : undefined, durationMs);
  });
}
