import type { Json } from "./json.js";
import type { PushInput } from "./push.js";

export type MaybePromise<T> = T | Promise<T>;

/** A request's header fields: names in lower case, repeated fields joined by ", ". */
export type Headers = Readonly<Record<string, string | undefined>>;

/**
 * Decides who may push, connect, join, and operate the server.
 *
 * Each question is asked once, before anything happens, and may be answered at once or later.
 * Only `{ allow: true }` allows. A policy that throws or rejects denies, and the error is logged.
 * Requests contain secrets; a policy must not log them.
 */
export interface AuthPolicy {
  /** Asked for each push before its arguments are checked, so that a caller without a key learns nothing. */
  authorizePush(request: PushAuthRequest): MaybePromise<PushDecision>;

  /** Asked for each new socket, before it is accepted. */
  authorizeConnect(request: ConnectAuthRequest): MaybePromise<ConnectDecision>;

  /** Asked for each join, including a repeated join of a channel. */
  authorizeJoin(request: JoinAuthRequest): MaybePromise<JoinDecision>;

  /**
   * Asked for each request that reads the state of the server or changes it, before the request's
   * arguments are checked. A policy without this method denies all of them: the right to push
   * implies neither right of an operator.
   */
  authorizeOperate?(request: OperateAuthRequest): MaybePromise<OperateDecision>;
}

export interface PushAuthRequest {
  readonly method: string;
  /** The path without the query string. */
  readonly path: string;
  readonly headers: Headers;
  /** The caller's address as the server sees it; undefined if it is not known. */
  readonly remoteAddress: string | undefined;
  /** What the caller sent, not yet checked. Empty for a batch that cannot be read. */
  readonly input: PushInput;
}

export type PushDecision =
  | {
      readonly allow: true;
      /** Replaces what the caller sent. */
      readonly input?: PushInput;
      /** Who pushes, for the trace and the logs: a key's name, a token's subject. Not a secret. */
      readonly by?: string;
      /** The claims of the caller's token, if it sent one; revocation checks them. */
      readonly claims?: unknown;
    }
  | {
      readonly allow: false;
      /** Replaces 403 "Access Forbidden". */
      readonly answer?: PushDenial;
    };

/**
 * - `read`: statistics, the list of channels, one channel's subscribers, presence and history, and
 *   the traces of pushes.
 * - `operate`: disconnecting sockets and revoking tokens.
 */
export type OperatorRight = "read" | "operate";

export interface OperateAuthRequest {
  readonly right: OperatorRight;
  /** The channel that the request is about; undefined if it is about the whole server. */
  readonly channel: string | undefined;
  readonly method: string;
  /** The path without the query string. */
  readonly path: string;
  readonly headers: Headers;
  /** The caller's address as the server sees it; undefined if it is not known. */
  readonly remoteAddress: string | undefined;
}

export type OperateDecision =
  | {
      readonly allow: true;
      /** Who operates: a key's name, a token's subject. Not a secret. */
      readonly by?: string;
      /** The claims of the caller's token, if it sent one; revocation checks them. */
      readonly claims?: unknown;
    }
  | {
      readonly allow: false;
      /** Replaces 403 "Access Forbidden". */
      readonly answer?: PushDenial;
    };

/**
 * The policy's own answer to an HTTP caller. It is declared here because policies, which hosts write,
 * supply it; only the HTTP protocol reads it, and every other layer passes it on.
 */
export interface PushDenial {
  /** An HTTP status from 400 to 599. */
  readonly status: number;
  readonly body: Json;
}

export interface ConnectAuthRequest {
  readonly headers: Headers;
  readonly remoteAddress: string | undefined;
  readonly origin: string | undefined;
  /** The connect parameters (the query string's), without the protocol's own `vsn`. */
  readonly params: Readonly<Record<string, string>>;
  /** The parameter `token`, or what phoenix.js sends as its `authToken`. */
  readonly token: string | undefined;
}

export type ConnectDecision =
  | { readonly allow: true; readonly identity?: Identity }
  | { readonly allow: false };

/** Who uses a socket. The policy gives it at the connect and gets it back at each join. */
export interface Identity {
  /** All sockets with the same id can be closed together (`Transport.closeSockets`). */
  readonly socketId?: string;
  /** Anything that the policy wants to keep, such as a token's claims (RFC 7519, section 4). */
  readonly claims?: unknown;
  /** When the socket is closed, in seconds since 1970 (the claim `exp`); never if it is missing. */
  readonly expiresAt?: number;
  /** The name shown in the presence of a channel (PushEx's presence identifier); nobody if it is missing. */
  readonly presenceId?: string;
}

export const ANONYMOUS: Identity = Object.freeze({});

export interface JoinAuthRequest {
  readonly channel: string;
  /** The join's payload. */
  readonly params: Json;
  readonly identity: Identity;
}

export type JoinDecision =
  | {
      readonly allow: true;
      /** The reply's response. @defaultValue {} */
      readonly response?: Json;
    }
  | {
      readonly allow: false;
      /** Reaches the client as `{"reason": …}`. @defaultValue "unauthorized" */
      readonly reason?: string;
    };

const DENY_OPERATE = Object.freeze({ allow: false as const });

/** The policy's answer; a denial if the policy has no `authorizeOperate`. */
export function authorizeOperate(
  policy: AuthPolicy,
  request: OperateAuthRequest,
): MaybePromise<OperateDecision> {
  return policy.authorizeOperate === undefined ? DENY_OPERATE : policy.authorizeOperate(request);
}
