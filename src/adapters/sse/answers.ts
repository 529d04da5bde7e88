import type { IncomingMessage, ServerResponse } from "node:http";
import type { OriginRule } from "../../application/origins.js";

const JSON_TYPE = "application/json; charset=utf-8";

/**
 * Whether the page may open a stream; the fields that let it are set then, for every answer. As with
 * the API, without credentials: a token is sent by who knows it, and no cookie counts.
 */
export function allowOrigin(
  { headers }: IncomingMessage,
  response: ServerResponse,
  origins: OriginRule,
): boolean {
  const { origin, host } = headers;
  if (origin === undefined) return true;
  response.setHeader("vary", "Origin");
  if (!origins.allows(origin, host)) return false;
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("access-control-expose-headers", "x-request-id");
  return true;
}

/** What a browser asks first for a page that sends `authorization` itself. */
export function answerPreflight(response: ServerResponse): void {
  response.writeHead(204, {
    "access-control-allow-methods": "GET",
    "access-control-allow-headers": "authorization,last-event-id,x-request-id",
    "access-control-max-age": "600",
  });
  response.end();
}

/** An EventSource that gets it stays away for good (HTML standard, "fail the connection"). */
export function refuse(response: ServerResponse, status: number, error: string, more = {}): void {
  response.writeHead(status, { "content-type": JSON_TYPE });
  response.end(JSON.stringify({ error, ...more }));
}

/**
 * The head of a stream. nginx and others like it buffer no answer that has `x-accel-buffering: no`;
 * `no-transform` keeps compressing proxies from waiting for more (RFC 9111, section 5.2.2.6).
 */
export function openStream(response: ServerResponse): void {
  response.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
  });
  response.flushHeaders();
}
