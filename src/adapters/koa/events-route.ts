import type { IncomingMessage, ServerResponse } from "node:http";
import type Router from "@koa/router";
import type Koa from "koa";
import type { Headers } from "../../domain/auth-policy.js";
import { EVENTS_PATH } from "../../protocol/sse/event-streams.js";
import { requestIdOf } from "./request-id.js";

/** Answers with a stream of events, or with why there is none. */
export type OpenStream = (request: IncomingMessage, response: ServerResponse) => void;

/** Streams that the server answers without the app. */
export interface StreamRoute<S> {
  readonly streams: S;
  /** The fields that the app would set. */
  fields(headers: Headers): Readonly<Record<string, string>>;
}

export function directRoute<S>(streams: S): StreamRoute<S> {
  return {
    streams,
    fields: (headers) => ({ "x-request-id": requestIdOf(headers["x-request-id"]) }),
  };
}

/** A stream outlives what Koa does with a request, so the transport gives the whole answer. */
export function eventsRoute(router: Router, open: OpenStream): void {
  const handOver: Koa.Middleware = (ctx) => {
    ctx.respond = false;
    open(ctx.req, ctx.res);
  };
  router.get(EVENTS_PATH, handOver);
  router.options(EVENTS_PATH, handOver);
}
