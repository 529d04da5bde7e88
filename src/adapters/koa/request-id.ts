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

const ID_LENGTH = 20;
/** 3 bytes are 4 characters. */
const BYTES = (ID_LENGTH * 3) / 4;
/** One call for each id would be a tenth of what a push costs. */
const IDS_AT_ONCE = 8;
const bytes = Buffer.alloc(BYTES * IDS_AT_ONCE * 32);
let usedBytes = bytes.length;
/** An id that is kept keeps all of it in memory, so it is short. */
let characters = "";
let used = 0;

/** 20 characters of the URL-safe Base64 alphabet, of 120 random bits. */
export function newId(): string {
  if (used === characters.length) more();
  used += ID_LENGTH;
  return characters.slice(used - ID_LENGTH, used);
}

function more(): void {
  if (usedBytes === bytes.length) {
    randomFillSync(bytes);
    usedBytes = 0;
  }
  characters = bytes.toString("base64url", usedBytes, usedBytes + BYTES * IDS_AT_ONCE);
  usedBytes += BYTES * IDS_AT_ONCE;
  used = 0;
}
