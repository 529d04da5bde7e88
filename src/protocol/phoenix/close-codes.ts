import type { CloseReason } from "../../application/subscriptions/close-reason.js";

/** How a WebSocket is closed: RFC 6455, section 7.4.1, and IANA's registry for 1012 and 1013. */
export interface CloseFrame {
  readonly code: number;
  /** At most 123 bytes. */
  readonly text: string;
}

/** docs/protocol.md says for each code whether a client should reconnect. */
export function closeFrame(reason: CloseReason): CloseFrame {
  switch (reason.kind) {
    case "idle":
      // As PushEx: a client that is still there has asked for nothing else.
      return { code: 1000, text: "" };
    case "disconnected":
      // A client reconnects by itself and the policy decides again, unlike after 1000.
      return { code: 1001, text: "" };
    case "expired":
      return { code: 1008, text: "token expired" };
    case "policy":
      return { code: 1008, text: reason.text };
    case "frame too big":
      return { code: 1009, text: "frame too big" };
    case "undecodable":
      return { code: 1011, text: "" };
    case "drain":
      // phoenix.js 1.7 does not reconnect after 1000, so a drain has a code of its own.
      return { code: 1012, text: `retry in ${reason.retryMs}` };
    case "replay lost":
      return { code: 1013, text: reason.text };
  }
}
