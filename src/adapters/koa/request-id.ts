import type Koa from "koa";
import { requestIdOf } from "../../protocol/http/api.js";

/** Gives each request an id, in `ctx.state.requestId` and in the answer's `x-request-id`. */
export function requestId(newId: () => string): Koa.Middleware {
  return (ctx, next) => {
    const id = requestIdOf(ctx.req.headers["x-request-id"], newId);
    ctx.state.requestId = id;
    ctx.res.setHeader("x-request-id", id);
    return next();
  };
}
