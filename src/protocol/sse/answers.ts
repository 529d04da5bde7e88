import type { StreamExchange, StreamFields } from "./stream.js";

const JSON_TYPE = "application/json; charset=utf-8";
const NO_STORE = "max-age=0, private, must-revalidate";

/**
 * `no-transform` keeps compressing proxies from waiting for more (RFC 9111, section 5.2.2.6), and
 * nginx does not buffer a response with `x-accel-buffering: no`.
 */
const STREAM_FIELDS: StreamFields = {
  "cache-control": "no-store, no-transform",
  "content-type": "text/event-stream; charset=utf-8",
  "x-accel-buffering": "no",
};

/** What a page of an allowed origin needs; without credentials, as a token is sent explicitly. */
export function originFields(origin: string | undefined): StreamFields {
  if (origin === undefined) return {};
  return {
    vary: "Origin",
    "access-control-allow-origin": origin,
    "access-control-expose-headers": "x-request-id",
  };
}

export function answerPreflight(exchange: StreamExchange, fields: StreamFields): void {
  const more = {
    "cache-control": NO_STORE,
    "access-control-allow-methods": "GET",
    "access-control-allow-headers": "authorization,last-event-id,x-request-id",
    "access-control-max-age": "600",
  };
  exchange.answer(204, { ...fields, ...more }, undefined);
}

export function reject(
  exchange: StreamExchange,
  status: number,
  error: string,
  fields: StreamFields,
  details = {},
): void {
  const own = { ...fields, "cache-control": NO_STORE, "content-type": JSON_TYPE };
  exchange.answer(status, own, JSON.stringify({ error, ...details }));
}

/** Answers with the head of a stream. */
export function startStream(exchange: StreamExchange, fields: StreamFields): void {
  exchange.start({ ...fields, ...STREAM_FIELDS });
}
