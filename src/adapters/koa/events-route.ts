import type { IncomingMessage, ServerResponse } from "node:http";
import type Router from "@koa/router";
import type Koa from "koa";
import { EVENTS_PATH } from "../../protocol/sse/event-streams.js";

/** Answers with a stream of events, or with why there is none. */
export type OpenStream = (request: IncomingMessage, response: ServerResponse) => void;

/** A stream outlives what Koa does with a request, so the transport gives the whole answer. */
export function eventsRoute(router: Router, open: OpenStream): void {
  const handOver: Koa.Middleware = (ctx) => {
    ctx.respond = false;
    open(ctx.req, ctx.res);
  };
  router.get(EVENTS_PATH, handOver);
  router.options(EVENTS_PATH, handOver);
}
