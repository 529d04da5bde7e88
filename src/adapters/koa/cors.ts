import cors from "@koa/cors";
import type Koa from "koa";
import type { OriginRule } from "../../application/origins.js";

/** Lets the web pages of allowed origins call the API; other routes and origins get no CORS fields. */
export function apiCors(origins: OriginRule): Koa.Middleware {
  const allow = cors({
    origin: (ctx) => {
      const origin = ctx.get("origin");
      return origins.allows(origin, ctx.get("host")) ? origin : "";
    },
    allowMethods: "GET,POST,DELETE",
    allowHeaders: ["authorization", "content-type", "idempotency-key", "x-request-id"],
    exposeHeaders: ["retry-after", "x-request-id"],
    maxAge: 600,
  });
  return (ctx, next) => {
    const fromPage = ctx.headers.origin !== undefined && ctx.path.startsWith("/api/");
    return fromPage ? allow(ctx, next) : next();
  };
}
