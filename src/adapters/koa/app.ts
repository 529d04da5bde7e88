import Router from "@koa/router";
import Koa from "koa";
import type { Control } from "../../application/control.js";
import { describeError } from "../../application/describe-error.js";
import { IdempotencyStore } from "../../application/idempotency.js";
import type { OriginRule } from "../../application/origins.js";
import type { PushTraces } from "../../application/push-traces.js";
import type { Revoker } from "../../application/revoker.js";
import type { AuthPolicy } from "../../domain/auth-policy.js";
import type { PushListener } from "../../domain/push-listener.js";
import type { PushService } from "../../domain/push-service.js";
import type { BatchDesk, BatchLimits } from "./batch-answer.js";
import { BatchLane } from "./batch-lane.js";
import { batchRoute } from "./batch-route.js";
import { controlRoutes } from "./control-routes.js";
import { apiCors } from "./cors.js";
import { answerErrors, type ErrorLog } from "./errors.js";
import { directRoute, eventsRoute, type OpenStream, type StreamRoute } from "./events-route.js";
import { healthRoutes, type Readiness } from "./health-routes.js";
import { logRequests, observeApi, type RequestLog } from "./observe-api.js";
import { normalizePath } from "./path.js";
import type { PlainLane } from "./plain-lane.js";
import { PushLane } from "./push-lane.js";
import { pushRoute } from "./push-route.js";
import { requestId } from "./request-id.js";
import { revocationRoute } from "./revocation-route.js";

/** What the routes of the API work on. */
export interface ApiDesk {
  readonly pushes: PushService;
  readonly policy: AuthPolicy;
  readonly control: Control;
  readonly traces: PushTraces;
  readonly revoker: Revoker;
  readonly listener: PushListener;
}

export interface KoaAppOptions extends ApiDesk {
  /** Answers requests for streams of events. */
  readonly openStream: OpenStream;
  readonly readiness: Readiness;
  readonly origins: OriginRule;
  readonly log: ErrorLog & RequestLog;
  /** Whether each request is logged. */
  readonly logRequests: boolean;
  readonly limits: KoaAppLimits;
  /** Milliseconds, for the window of Idempotency-Keys. */
  readonly now: () => number;
  /** The host's own, run for every request before the routes. */
  readonly middleware: readonly Koa.Middleware[];
}

export interface KoaAppLimits extends BatchLimits {
  /** Most Idempotency-Keys that are remembered at a time. @defaultValue 100000 */
  readonly idempotencyKeysMax: number;
}

export interface HttpApi {
  /**
   * Its `callback()` serves under uWebSockets.js, under `node:http`, and wherever else a
   * `(request, response)` function goes.
   */
  readonly app: Koa;
  /**
   * What answers plain requests without the app; none where somebody is to see each request.
   * Whoever puts another app in the place of this one must not use them.
   */
  readonly lanes: readonly PlainLane[];
  /** The same for streams of events; undefined where somebody is to see each request. */
  streamRoute<S>(streams: S): StreamRoute<S> | undefined;
}

/** The HTTP side. */
export function createHttpApi(options: KoaAppOptions): HttpApi {
  const { limits, now } = options;
  const keys = { keysMax: limits.idempotencyKeysMax, now };
  // One for both ways: a repeat may come by the other one.
  const desk = { ...options, batches: new IdempotencyStore<true>(keys) };
  return {
    app: createKoaApp(options, desk),
    lanes: createLanes(options, desk),
    streamRoute: (streams) =>
      options.middleware.length > 0 || options.logRequests ? undefined : directRoute(streams),
  };
}

function createKoaApp(options: KoaAppOptions, desk: BatchDesk): Koa {
  const app = new Koa();
  // What reaches Koa's own handler is a connection that broke while it was answered.
  app.on("error", (error: unknown) =>
    options.log.debug({ err: describeError(error) }, "answer failed"),
  );
  app.use(requestId);
  app.use(answerErrors(options.log));
  if (options.logRequests) app.use(logRequests(options.log));
  app.use(normalizePath);
  app.use(observeApi(options.listener));
  for (const middleware of options.middleware) app.use(middleware);
  app.use(apiCors(options.origins));
  const router = new Router({ sensitive: true });
  const { limits } = options;
  router.post("/api/push", ...pushRoute(desk, limits));
  router.post("/api/push/batch", ...batchRoute(desk, limits));
  controlRoutes(router, options);
  router.post("/api/revocations", ...revocationRoute(options, options.log));
  eventsRoute(router, options.openStream);
  healthRoutes(router, options.readiness);
  app.use(router.routes());
  app.use(refuseOtherMethods);
  return app;
}

function createLanes(options: KoaAppOptions, desk: BatchDesk): readonly PlainLane[] {
  const { middleware, logRequests, listener, limits, log } = options;
  const { apiRequested, apiProcessed } = listener;
  const isWatched = logRequests || apiRequested !== undefined || apiProcessed !== undefined;
  if (isWatched || middleware.length > 0) return [];
  return [new PushLane(desk, limits, log), new BatchLane(desk, limits, log)];
}

/** 405 with `allow` where the path is known and the method is not (RFC 9110, section 15.5.6). */
const refuseOtherMethods: Koa.Middleware = (ctx) => {
  const matched: readonly { methods: string[] }[] = ctx.matched ?? [];
  const methods = new Set(matched.flatMap((layer) => layer.methods));
  if (methods.size === 0 || methods.has(ctx.method)) return;
  ctx.set("allow", [...methods].join(", "));
  ctx.status = 405;
};
