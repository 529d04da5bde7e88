import { randomBytes } from "node:crypto";
import type Koa from "koa";

/** The caller's own is taken over where it is 20 to 200 printable ASCII characters, as with PushEx. */
const SANE = /^[\x20-\x7e]{20,200}$/;

/** Gives each request an id, in `ctx.state.requestId` and in the answer's `x-request-id`. */
export const requestId: Koa.Middleware = (ctx, next) => {
  const sent = ctx.headers["x-request-id"];
  const id =
    typeof sent === "string" && SANE.test(sent) ? sent : randomBytes(15).toString("base64url");
  ctx.state.requestId = id;
  ctx.set("x-request-id", id);
  return next();
};
