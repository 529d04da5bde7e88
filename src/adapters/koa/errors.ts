import type Koa from "koa";

export interface ErrorLog {
  debug(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

const NO_STORE = "max-age=0, private, must-revalidate";

/**
 * The one place that turns errors into answers: always JSON `{"error":…}`, never a stack. An
 * error that carries no status of its own is the server's fault: 500, and logged.
 */
export function answerErrors(log: ErrorLog): Koa.Middleware {
  return async (ctx, next) => {
    ctx.set("cache-control", NO_STORE);
    try {
      await next();
      const isOurs = ctx.respond !== false && ctx.body === undefined;
      if (isOurs && ctx.status >= 400) answer(ctx, ctx.status, undefined);
    } catch (error) {
      const { status, text, headers } = explain(error);
      if (status >= 500)
        log.error({ err: error, requestId: ctx.state.requestId }, "request failed");
      for (const [name, value] of Object.entries(headers)) ctx.set(name, value);
      answer(ctx, status, text);
    }
  };
}

/** Answers `{"error": text}`; without a text, with the status's own name. */
export function answer(ctx: Koa.Context, status: number, text: string | undefined): void {
  ctx.status = status;
  answerJson(ctx, JSON.stringify({ error: text ?? ctx.message }));
}

export function answerJson(ctx: Koa.Context, json: string): void {
  ctx.set("content-type", "application/json; charset=utf-8");
  ctx.body = json;
}

/** What Koa, its middleware and their libraries throw (`http-errors`, raw-body, zlib). */
interface ThrownError {
  readonly status?: unknown;
  readonly expose?: unknown;
  readonly type?: unknown;
  readonly limit?: unknown;
  readonly code?: unknown;
  readonly message?: unknown;
  readonly headers?: Record<string, string>;
}

function explain(error: unknown): {
  status: number;
  text?: string;
  headers: Record<string, string>;
} {
  const { status, expose, type, limit, code, message, headers = {} } = (error ?? {}) as ThrownError;
  if (type === "entity.too.large") {
    return { status: 413, text: `The request body is larger than ${limit} bytes.`, headers };
  }
  if (typeof code === "string" && /^Z_/.test(code)) {
    return { status: 400, text: "The request body cannot be decompressed.", headers };
  }
  if (typeof status !== "number" || !(status >= 400 && status < 600))
    return { status: 500, headers };
  const exposed =
    (expose === true || status < 500) && typeof message === "string" && message !== "";
  return exposed ? { status, text: message, headers } : { status, headers };
}
