import type { IncomingMessage, ServerResponse } from "node:http";
import type Router from "@koa/router";
import type Koa from "koa";

/** What answers with a stream of events, or with why there is none. */
export interface EventStreams {
  open(request: IncomingMessage, response: ServerResponse): void;
}

export const EVENTS_PATH = "/push_events";

/** A stream outlives what Koa does with a request, so the whole answer is the transport's. */
export function eventsRoute(router: Router, streams: EventStreams): void {
  const handOver: Koa.Middleware = (ctx) => {
    ctx.respond = false;
    streams.open(ctx.req, ctx.res);
  };
  router.get(EVENTS_PATH, handOver);
  router.options(EVENTS_PATH, handOver);
}
