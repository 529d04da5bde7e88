import Router from "@koa/router";
import Koa from "koa";
import { describeError } from "../../application/describe-error.js";
import type { OriginRule } from "../../application/origins.js";
import type { PushService } from "../../domain/push-service.js";
import { apiCors } from "./cors.js";
import { answerErrors, type ErrorLog } from "./errors.js";
import { healthRoutes, type Readiness } from "./health-routes.js";
import { normalizePath } from "./path.js";
import type { PushRouteLimits } from "./push-body.js";
import { pushRoute } from "./push-route.js";
import { requestId } from "./request-id.js";

export interface KoaAppOptions {
  readonly pushes: PushService;
  readonly readiness: Readiness;
  readonly origins: OriginRule;
  readonly log: ErrorLog;
  readonly limits: PushRouteLimits;
  /** The host's own, run for every request before the routes. */
  readonly middleware: readonly Koa.Middleware[];
}

/**
 * The HTTP side as a Koa app: its `callback()` serves under uWebSockets.js, under `node:http`, and
 * wherever else a `(request, response)` function goes.
 */
export function createKoaApp(options: KoaAppOptions): Koa {
  const app = new Koa();
  // What reaches Koa's own handler is a connection that broke while it was answered.
  app.on("error", (error: unknown) =>
    options.log.debug({ err: describeError(error) }, "answer failed"),
  );
  app.use(requestId);
  app.use(answerErrors(options.log));
  app.use(normalizePath);
  for (const middleware of options.middleware) app.use(middleware);
  app.use(apiCors(options.origins));
  const router = new Router({ sensitive: true });
  router.post("/api/push", ...pushRoute(options.pushes, options.limits));
  healthRoutes(router, options.readiness);
  app.use(router.routes());
  app.use(refuseOtherMethods);
  return app;
}

/** 405 with `allow` where the path is known and the method is not (RFC 9110, section 15.5.6). */
const refuseOtherMethods: Koa.Middleware = (ctx) => {
  const matched: readonly { methods: string[] }[] = ctx.matched ?? [];
  const methods = new Set(matched.flatMap((layer) => layer.methods));
  if (methods.size === 0 || methods.has(ctx.method)) return;
  ctx.set("allow", [...methods].join(", "));
  ctx.status = 405;
};
