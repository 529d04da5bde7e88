import cors from "@koa/cors";
import type Koa from "koa";
import type { OriginRule } from "../../application/origins.js";

/** Lets the web pages of allowed origins call the API; other routes and origins get no CORS fields. */
export function apiCors(origins: OriginRule): Koa.Middleware {
  const isAllowed = (ctx: Koa.Context) => origins.allows(ctx.get("origin"), ctx.headers.host);
  const allow = cors({
    origin: (ctx) => (isAllowed(ctx) ? ctx.get("origin") : ""),
    allowMethods: "GET,POST,DELETE",
    allowHeaders: ["authorization", "content-type", "idempotency-key", "x-request-id"],
    exposeHeaders: ["idempotent-replayed", "retry-after", "x-push-id", "x-request-id"],
    maxAge: 600,
  });
  return (ctx, next) => {
    if (ctx.req.headers.origin === undefined || !ctx.path.startsWith("/api/")) return next();
    if (isSentUnasked(ctx) && !isAllowed(ctx)) ctx.throw(403, "Origin not allowed.");
    return allow(ctx, next);
  };
}

/**
 * A browser asks the server before it sends JSON or an `authorization` for a page of another
 * origin, and is told no. A form it sends without asking, and only keeps the answer from the page.
 */
function isSentUnasked(ctx: Koa.Context): boolean {
  if (ctx.method !== "POST" || ctx.headers.authorization !== undefined) return false;
  return !/^application\/([^;]+\+)?json\b/i.test(ctx.get("content-type"));
}
