import type { CloseReason } from "../../application/subscriptions/close-reason.js";

/*
 * The codes in the last event of a stream have the meanings of WebSocket close codes (RFC 6455,
 * section 7.4.1, and IANA's registry for 1012 and 1013).
 */
const CLOSE_DISCONNECTED = 1001;
export const CLOSE_POLICY = 1008;
export const CLOSE_DRAIN = 1012;
export const CLOSE_TRY_AGAIN = 1013;

/** How a stream ends. */
export interface StreamEnd {
  readonly code: number;
  readonly text: string;
  /** The client is told when to come back. */
  readonly comesBack: boolean;
}

/** @param retryMs when the client comes back. The text repeats it: no script sees the `retry` line. */
export function streamEnd(reason: CloseReason, retryMs: number): StreamEnd {
  switch (reason.kind) {
    case "disconnected":
      return { code: CLOSE_DISCONNECTED, text: "disconnected", comesBack: false };
    case "expired":
      return { code: CLOSE_POLICY, text: "token expired", comesBack: false };
    case "policy":
      return { code: CLOSE_POLICY, text: reason.text, comesBack: false };
    case "drain":
      return { code: CLOSE_DRAIN, text: `retry in ${retryMs}`, comesBack: true };
    case "replay lost":
      return { code: CLOSE_TRY_AGAIN, text: reason.text, comesBack: true };
    default:
      // A stream has no frames from its client and no idle timeout.
      return { code: CLOSE_POLICY, text: reason.kind, comesBack: false };
  }
}
