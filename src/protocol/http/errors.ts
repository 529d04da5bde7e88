import { describeError } from "../../application/describe-error.js";
import { BrokerUnavailable } from "../../domain/broker.js";

export interface ErrorLog {
  debug(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

/** An error whose message is for the caller; it must hold nothing of the request's body. */
export class HttpError extends Error {
  override readonly name: string = "HttpError";
  readonly expose = true;

  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** The request cannot be read. */
export class MalformedRequest extends HttpError {
  override readonly name = "MalformedRequest";

  constructor(message: string) {
    super(400, message);
  }
}

/** The request asks for something that does not exist. */
export class InvalidOption extends HttpError {
  override readonly name = "InvalidOption";

  constructor(message: string) {
    super(422, message);
  }
}

/** What a caller is told of an error. */
export interface ErrorAnswer {
  readonly status: number;
  /** Undefined if the status's own name has to do. */
  readonly text?: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What servers, middleware and their libraries throw, as `http-errors` shapes it. */
interface ThrownError {
  readonly status?: unknown;
  readonly expose?: unknown;
  readonly message?: unknown;
  readonly headers?: Record<string, string>;
}

/** An error without a status is the server's fault: 500, and its text stays in the log. */
export function explainError(error: unknown): ErrorAnswer {
  if (error instanceof BrokerUnavailable) {
    return {
      status: 503,
      text: "The broker is not available now.",
      headers: { "retry-after": "1" },
    };
  }
  const { status, expose, message, headers = {} } = (error ?? {}) as ThrownError;
  if (!isErrorStatus(status)) return { status: 500, headers };
  const exposed =
    (expose === true || status < 500) && typeof message === "string" && message !== "";
  return exposed ? { status, text: message, headers } : { status, headers };
}

/**
 * Logs an error that ended a request; the caller's own mistakes (4xx) are not logged.
 *
 * @param isGone the client broke the connection off, which explains any error
 */
export function logError(
  log: ErrorLog,
  error: unknown,
  status: number,
  { requestId, isGone }: { readonly requestId: string; readonly isGone: boolean },
): void {
  const fields = { err: describeError(error), requestId };
  if (isGone) log.debug(fields, "request broken off by its client");
  else if (status >= 500) log.error(fields, "request failed");
}

function isErrorStatus(status: unknown): status is number {
  return Number.isInteger(status) && Number(status) >= 400 && Number(status) < 600;
}
