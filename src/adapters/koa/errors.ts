import type Koa from "koa";
import { JSON_TYPE, NO_STORE } from "../../protocol/http/api.js";
import {
  type ErrorAnswer,
  type ErrorLog,
  explainError,
  logError,
} from "../../protocol/http/errors.js";

/** Fields that a host set for an answer that an error replaces. */
const BODY_FIELDS = /^(?:content-.*|transfer-encoding|accept-ranges|etag|last-modified|expires)$/;

/**
 * The one place that turns errors into answers: always JSON `{"error":…}`, never a stack. An
 * error that carries no status of its own is the server's fault: 500, and logged.
 */
export function answerErrors(log: ErrorLog): Koa.Middleware {
  return async (ctx, next) => {
    ctx.res.setHeader("cache-control", NO_STORE);
    try {
      await next();
      const isOurs = ctx.respond !== false && ctx.body === undefined;
      if (isOurs && ctx.status >= 400) answer(ctx, ctx.status, undefined);
    } catch (error) {
      const explained = explain(error);
      const requestId = ctx.state.requestId as string;
      logError(log, error, explained.status, { requestId, isGone: ctx.req.socket.destroyed });
      answerError(ctx, explained);
    }
  };
}

export function answerJson(ctx: Koa.Context, json: string): void {
  ctx.res.setHeader("content-type", JSON_TYPE);
  ctx.body = json;
}

/** Answers `{"error": text}`; without a text, with the status's own name. */
function answer(ctx: Koa.Context, status: number, text: string | undefined): void {
  ctx.status = status;
  answerJson(ctx, JSON.stringify({ error: text ?? ctx.message }));
}

function answerError(ctx: Koa.Context, { status, text, headers }: ErrorAnswer): void {
  const { req, res } = ctx;
  if (res.headersSent) {
    // Too late for an answer: the client must see that its answer is incomplete.
    ctx.respond = false;
    if (!res.writableEnded) res.destroy();
    return;
  }
  for (const name of res.getHeaderNames()) {
    if (BODY_FIELDS.test(name)) res.removeHeader(name);
  }
  ctx.set("cache-control", NO_STORE);
  for (const [name, value] of Object.entries(headers)) setIfValid(ctx, name, value);
  ctx.respond = true;
  answer(ctx, status, text);
  // A reader that gave up has left the request paused: without this, the rest of its body would
  // never be read, and the connection would serve no other request.
  req.unpipe();
  req.resume();
}

/** An error's invalid header field must not cost the answer. */
function setIfValid(ctx: Koa.Context, name: string, value: string): void {
  try {
    ctx.set(name, value);
  } catch {
    // Node's own checks have refused it.
  }
}

/** raw-body's errors, also those of a host's own reader, say only "request entity too large". */
function explain(error: unknown): ErrorAnswer {
  const { type, limit } = (error ?? {}) as { readonly type?: unknown; readonly limit?: unknown };
  const explained = explainError(error);
  if (type !== "entity.too.large") return explained;
  return {
    ...explained,
    status: 413,
    text: `The request body is larger than ${limit} bytes.`,
  };
}
