import type Koa from "koa";
import { describeError } from "../../application/describe-error.js";
import { BrokerUnavailable } from "../../domain/broker.js";

export interface ErrorLog {
  debug(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

export const JSON_TYPE = "application/json; charset=utf-8";
export const NO_STORE = "max-age=0, private, must-revalidate";

/** What a host has set for an answer that an error takes the place of. */
const OF_THE_BODY = /^(?:content-.*|transfer-encoding|accept-ranges|etag|last-modified|expires)$/;

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
      const fields = { err: describeError(error), requestId: ctx.state.requestId };
      if (ctx.req.socket.destroyed) log.debug(fields, "request broken off by its client");
      else if (explained.status >= 500) log.error(fields, "request failed");
      answerError(ctx, explained);
    }
  };
}

/** Answers `{"error": text}`; without a text, with the status's own name. */
export function answer(ctx: Koa.Context, status: number, text: string | undefined): void {
  ctx.status = status;
  answerJson(ctx, JSON.stringify({ error: text ?? ctx.message }));
}

export function answerJson(ctx: Koa.Context, json: string): void {
  ctx.res.setHeader("content-type", JSON_TYPE);
  ctx.body = json;
}

/** What an error is to the caller; without a text, the status's own name. */
export interface Explained {
  readonly status: number;
  readonly text?: string;
  readonly headers: Readonly<Record<string, string>>;
}

function answerError(ctx: Koa.Context, { status, text, headers }: Explained): void {
  const { req, res } = ctx;
  if (res.headersSent) {
    // Too late for an answer: the client must see that what it has is not whole.
    ctx.respond = false;
    if (!res.writableEnded) res.destroy();
    return;
  }
  for (const name of res.getHeaderNames()) {
    if (OF_THE_BODY.test(name)) res.removeHeader(name);
  }
  ctx.set("cache-control", NO_STORE);
  for (const [name, value] of Object.entries(headers)) setWhereValid(ctx, name, value);
  ctx.respond = true;
  answer(ctx, status, text);
  // A reader that gave up has left the request paused: without this its rest would never be taken,
  // and the connection serve nobody any more.
  req.unpipe();
  req.resume();
}

/** A broken header field of an error must not cost the answer. */
function setWhereValid(ctx: Koa.Context, name: string, value: string): void {
  try {
    ctx.set(name, value);
  } catch {
    // Node's own checks have refused it.
  }
}

/** What Koa, its middleware and their libraries throw (`http-errors`, raw-body). */
interface ThrownError {
  readonly status?: unknown;
  readonly expose?: unknown;
  readonly type?: unknown;
  readonly limit?: unknown;
  readonly message?: unknown;
  readonly headers?: Record<string, string>;
}

export function explain(error: unknown): Explained {
  if (error instanceof BrokerUnavailable) {
    return {
      status: 503,
      text: "The broker is not available now.",
      headers: { "retry-after": "1" },
    };
  }
  const { status, expose, type, limit, message, headers = {} } = (error ?? {}) as ThrownError;
  if (type === "entity.too.large") {
    return { status: 413, text: `The request body is larger than ${limit} bytes.`, headers };
  }
  if (!isErrorStatus(status)) return { status: 500, headers };
  const exposed =
    (expose === true || status < 500) && typeof message === "string" && message !== "";
  return exposed ? { status, text: message, headers } : { status, headers };
}

function isErrorStatus(status: unknown): status is number {
  return Number.isInteger(status) && Number(status) >= 400 && Number(status) < 600;
}
