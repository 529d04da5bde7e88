import { randomFillSync } from "node:crypto";
import type Koa from "koa";

/** The caller's own is taken over where it is 20 to 200 printable ASCII characters, as with PushEx. */
const SANE = /^[\x20-\x7e]{20,200}$/;

/** Gives each request an id, in `ctx.state.requestId` and in the answer's `x-request-id`. */
export const requestId: Koa.Middleware = (ctx, next) => {
  const id = requestIdOf(ctx.req.headers["x-request-id"]);
  ctx.state.requestId = id;
  ctx.res.setHeader("x-request-id", id);
  return next();
};

/** @param sent the caller's field, if there is one */
export function requestIdOf(sent: unknown): string {
  return typeof sent === "string" && SANE.test(sent) ? sent : newId();
}

const ID_BYTES = 15;
/** Random bytes for many ids: one call for each would be a fifth of what a push costs. */
const pool = Buffer.alloc(ID_BYTES * 256);
let used = pool.length;

/** 20 characters of the URL-safe Base64 alphabet. */
export function newId(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const id = pool.toString("base64url", used, used + ID_BYTES);
  used += ID_BYTES;
  return id;
}
