import type { ConnectAttempt, Connects } from "../../application/subscriptions/connects.js";
import type { Headers, Identity } from "../../domain/auth-policy.js";
import { type ConnectRequest, readConnectRequest } from "./connect-request.js";

export const SOCKET_PATH = "/push_socket/websocket";

/** A request to upgrade to a WebSocket, as a transport holds it. */
export interface UpgradeRequest {
  readonly headers: Headers;
  /** Of the URL, without "?". */
  readonly query: string;
  /** Called when the policy is asked, which may be in another turn of the event loop. */
  remoteAddress(): string | undefined;
  accept(upgrade: AcceptedUpgrade): void;
  reject(rejection: RejectedUpgrade): void;
}

export interface AcceptedUpgrade {
  readonly version: NonNullable<ConnectRequest["version"]>;
  /** The subprotocol to answer with; empty for none. */
  readonly subprotocol: string;
  readonly identity: Identity;
}

/** An HTTP answer in place of the upgrade. */
export interface RejectedUpgrade {
  readonly status: number;
  readonly error: string;
  readonly fields?: Readonly<Record<string, string>>;
}

/** Frames up to this many bytes are read, so that the client can be told why (1009). */
export const HARD_FRAME_BYTES_MAX = 1_048_576;

/** The answer to a request for the path of sockets that is no upgrade. */
export const NOT_A_WEBSOCKET: RejectedUpgrade = {
  status: 400,
  error: "This path takes WebSocket connections.",
};

export const SHUTTING_DOWN: RejectedUpgrade = {
  status: 503,
  error: "The server is shutting down.",
};

/**
 * Decides on a connect: in this turn of the event loop, if the throttle and the policy do.
 *
 * @returns what to pass to `Connects.abandon` if the client goes before it is decided.
 */
export function decideUpgrade(
  connects: Connects,
  request: UpgradeRequest,
): ConnectAttempt | undefined {
  const { headers } = request;
  const { origin, host } = headers;
  const protocols = headers["sec-websocket-protocol"] ?? "";
  const { version, params, token, protocol } = readConnectRequest(request.query, protocols);
  if (connects.isDraining) {
    request.reject(SHUTTING_DOWN);
    return undefined;
  }
  if (!connects.allowsOrigin(origin, host)) {
    request.reject({ status: 403, error: "Origin not allowed." });
    return undefined;
  }
  if (version === undefined) {
    request.reject({ status: 403, error: "Unsupported serializer version (vsn)." });
    return undefined;
  }
  const attempt: ConnectAttempt = {
    authRequest: () => ({
      headers,
      remoteAddress: request.remoteAddress(),
      origin,
      params,
      token,
    }),
    decided(outcome) {
      switch (outcome.kind) {
        case "allowed":
          request.accept({ version, subprotocol: protocol, identity: outcome.identity });
          break;
        case "denied":
          request.reject({ status: 403, error: "Access Forbidden" });
          break;
        case "draining":
          request.reject(SHUTTING_DOWN);
          break;
        case "throttled": {
          const fields = { "retry-after": `${outcome.retryAfterSeconds}` };
          request.reject({ status: 503, error: "Too many connects at once.", fields });
        }
      }
    },
  };
  connects.admit(attempt);
  return attempt;
}
