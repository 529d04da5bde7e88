import cors from "@koa/cors";
import type Koa from "koa";
import type { OriginRule } from "../../application/origins.js";

/** Lets web pages of allowed origins call the API. Other routes and origins get no CORS fields. */
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
    if (isSentWithoutPreflight(ctx) && !isAllowed(ctx)) ctx.throw(403, "Origin not allowed.");
    return allow(ctx, next);
  };
}

/**
 * Before a browser sends JSON or an `authorization` for a page of another origin, it asks the server
 * and is refused. It sends a form without asking, and only hides the answer from the page.
 */
function isSentWithoutPreflight(ctx: Koa.Context): boolean {
  if (ctx.method !== "POST" || ctx.headers.authorization !== undefined) return false;
  return !/^application\/([^;]+\+)?json\b/i.test(ctx.get("content-type"));
}
