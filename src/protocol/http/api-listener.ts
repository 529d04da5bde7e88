/**
 * Instrumentation of the HTTP API. An object may implement this together with `PushListener`; the
 * contract is the same: calls are synchronous and in order, a listener must be quick, and what it
 * throws is logged and changes nothing.
 */
export interface ApiListener {
  /** A request for the API (`/api/…`) has arrived; nothing has been checked. */
  apiRequested?(event: ApiRequested): unknown;
  /** The answer is complete, or the client has gone. */
  apiProcessed?(event: ApiProcessed): unknown;
}

export const API_EVENTS = [
  "apiRequested",
  "apiProcessed",
] as const satisfies readonly (keyof ApiListener)[];

export interface ApiRequested {
  readonly requestId: string;
  readonly method: string;
  /** Without the query string. */
  readonly path: string;
}

export interface ApiProcessed extends ApiRequested {
  /** Undefined if the client went away before the answer. */
  readonly status: number | undefined;
  /** From the request's head to the end of the answer. */
  readonly durationMs: number;
}
