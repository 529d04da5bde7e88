import type { ApiListener } from "./api-listener.js";

export interface RequestLog {
  info(fields: object, text: string): void;
}

/** @param status undefined if the client went away before the answer */
export type RequestEnd = (status: number | undefined) => void;

/**
 * Is told of a request as soon as its head has arrived. Every server that serves the API calls the
 * same observers, so what they see does not depend on the way that a request takes.
 *
 * @returns what to call when the request ends; undefined if nobody wants to know.
 */
export type RequestObserver = (
  requestId: string,
  method: string,
  path: string,
) => RequestEnd | undefined;

/** Milliseconds since any fixed moment; never goes backwards. */
export type MonotonicClock = () => number;

/** Tells the listener of each request for the API. @returns undefined if it does not listen. */
export function apiObserver(
  listener: ApiListener,
  clock: MonotonicClock,
): RequestObserver | undefined {
  if (listener.apiRequested === undefined && listener.apiProcessed === undefined) return undefined;
  return (requestId, method, path) => {
    if (!path.startsWith("/api/")) return undefined;
    const event = { requestId, method, path };
    listener.apiRequested?.(event);
    if (listener.apiProcessed === undefined) return undefined;
    const start = clock();
    return (status) =>
      listener.apiProcessed?.({ ...event, status, durationMs: since(start, clock) });
  };
}

/** Logs one line per request, without query string, header fields and body: they may hold secrets. */
export function requestLogger(log: RequestLog, clock: MonotonicClock): RequestObserver {
  return (requestId, method, path) => {
    const start = clock();
    return (status) => {
      const fields = { requestId, method, path, status, durationMs: since(start, clock) };
      log.info(fields, status === undefined ? "request broken off" : "request");
    };
  };
}

/** One observer that calls both, the first one first. */
export function bothObservers(
  first: RequestObserver | undefined,
  second: RequestObserver | undefined,
): RequestObserver | undefined {
  if (first === undefined) return second;
  if (second === undefined) return first;
  return (requestId, method, path) => {
    const firstEnd = first(requestId, method, path);
    const secondEnd = second(requestId, method, path);
    return (status) => {
      firstEnd?.(status);
      secondEnd?.(status);
    };
  };
}

function since(start: number, clock: MonotonicClock): number {
  return Math.round((clock() - start) * 1000) / 1000;
}
