import type Koa from "koa";
import type { RequestObserver } from "../../protocol/http/observe-requests.js";

/** Calls the observer for each request, and when it ends. */
export function observe(observer: RequestObserver): Koa.Middleware {
  return (ctx, next) => {
    const ended = observer(ctx.state.requestId as string, ctx.method, ctx.path);
    const { res } = ctx;
    if (ended !== undefined) {
      res.once("close", () => ended(res.writableFinished ? res.statusCode : undefined));
    }
    return next();
  };
}
