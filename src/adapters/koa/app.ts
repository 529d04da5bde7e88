import Router from "@koa/router";
import Koa from "koa";
import { describeError } from "../../application/describe-error.js";
import type { OriginRule } from "../../application/origins.js";
import type { ApiRoute } from "../../protocol/http/api.js";
import type { ErrorLog } from "../../protocol/http/errors.js";
import type { RequestObserver } from "../../protocol/http/observe-requests.js";
import { mountRoute } from "./api-routes.js";
import { apiCors } from "./cors.js";
import { answerErrors } from "./errors.js";
import { eventsRoute, type OpenStream } from "./events-route.js";
import { observe } from "./observe.js";
import { normalizePath } from "./path.js";
import { requestId } from "./request-id.js";

export interface KoaAppOptions {
  readonly routes: readonly ApiRoute[];
  /** Answers requests for streams of events. */
  readonly openStream: OpenStream;
  readonly origins: OriginRule;
  readonly log: ErrorLog;
  /** Sees each request with its path as it was sent. @defaultValue none */
  readonly requestLog: RequestObserver | undefined;
  /** Sees each request with its path in normal form. @defaultValue none */
  readonly observer: RequestObserver | undefined;
  readonly newRequestId: () => string;
  /** The host's own, run for every request before the routes. */
  readonly middleware: readonly Koa.Middleware[];
}

/**
 * Serves the API and the event streams. Its `callback()` runs under uWebSockets.js, `node:http`, and
 * any other server that calls a `(request, response)` function.
 */
export function createKoaApp(options: KoaAppOptions): Koa {
  const { routes, openStream, origins, log, requestLog, observer, newRequestId } = options;
  const app = new Koa();
  // Koa's own handler gets only errors of connections that broke during the answer.
  app.on("error", (error: unknown) => log.debug({ err: describeError(error) }, "answer failed"));
  app.use(requestId(newRequestId));
  app.use(answerErrors(log));
  if (requestLog !== undefined) app.use(observe(requestLog));
  app.use(normalizePath);
  if (observer !== undefined) app.use(observe(observer));
  for (const middleware of options.middleware) app.use(middleware);
  app.use(apiCors(origins));
  const router = new Router({ sensitive: true });
  for (const route of routes) mountRoute(router, route);
  eventsRoute(router, openStream);
  app.use(router.routes());
  app.use(refuseOtherMethods);
  return app;
}

/** 405 with `allow` if the path is known and the method is not (RFC 9110, section 15.5.6). */
const refuseOtherMethods: Koa.Middleware = (ctx) => {
  const matched: readonly { methods: string[] }[] = ctx.matched ?? [];
  const methods = new Set(matched.flatMap((layer) => layer.methods));
  if (methods.size === 0 || methods.has(ctx.method)) return;
  ctx.set("allow", [...methods].join(", "));
  ctx.status = 405;
};
