/**
 * Why the server closes a socket: the one list for all transports. Each protocol maps it to its own
 * codes (docs/protocol.md says for each of them whether a client should reconnect).
 */
export type CloseReason =
  /** The client has sent nothing for too long. */
  | { readonly kind: "idle" }
  /** Everything with this socket id was disconnected; the client may connect again. */
  | { readonly kind: "disconnected" }
  /** The identity has expired. */
  | { readonly kind: "expired" }
  /** The policy no longer allows it, for example because the token was revoked; `text` says why. */
  | { readonly kind: "policy"; readonly text: string }
  /** The node stops; the client should come back after `retryMs` milliseconds. */
  | { readonly kind: "drain"; readonly retryMs: number }
  /** The messages that the client was promised can no longer be delivered; it should resume. */
  | { readonly kind: "replay lost"; readonly text: string }
  /** A frame is larger than the limit. */
  | { readonly kind: "frame too big" }
  /** A frame cannot be decoded. */
  | { readonly kind: "undecodable" };

export const IDLE: CloseReason = { kind: "idle" };
export const DISCONNECTED: CloseReason = { kind: "disconnected" };
export const EXPIRED: CloseReason = { kind: "expired" };
export const FRAME_TOO_BIG: CloseReason = { kind: "frame too big" };
export const UNDECODABLE: CloseReason = { kind: "undecodable" };
