import type { Json } from "./json.js";
import type { PushInput } from "./push.js";

export type MaybePromise<T> = T | Promise<T>;

/** A request's header fields: names in lower case, several fields of a name joined by ", ". */
export type Headers = Readonly<Record<string, string | undefined>>;

/**
 * Who may push, connect and join.
 *
 * Each question is asked once, before anything happens, and waits for the answer, which may come
 * at once or later. Whatever is not `{ allow: true }` denies; so does a policy that throws or
 * rejects, which is logged as well. What a policy sees holds secrets: it must not log it.
 */
export interface AuthPolicy {
  /** Asked for each push, before its arguments are checked: a caller without a key learns nothing. */
  authorizePush(request: PushAuthRequest): MaybePromise<PushDecision>;

  /** Asked for each new socket, before it is accepted. */
  authorizeConnect(request: ConnectAuthRequest): MaybePromise<ConnectDecision>;

  /** Asked for each join, also the repeated join of a channel. */
  authorizeJoin(request: JoinAuthRequest): MaybePromise<JoinDecision>;
}

export interface PushAuthRequest {
  readonly method: string;
  /** The path without the query string. */
  readonly path: string;
  readonly headers: Headers;
  /** The caller's address as the server sees it; undefined where it is not known. */
  readonly remoteAddress: string | undefined;
  /**
   * What the caller sent, not yet checked. The operator's routes ask the same question (the path
   * tells them apart): those about one channel with that channel and nothing else, the others with
   * an empty input.
   */
  readonly input: PushInput;
}

export type PushDecision =
  | {
      readonly allow: true;
      /** Takes the place of what the caller sent. */
      readonly input?: PushInput;
      /**
       * Who pushes, for the trace and the logs: a key's name, a token's subject. No secret.
       */
      readonly by?: string;
      /** What the caller's token says, where it came with one; revocation looks at it. */
      readonly claims?: unknown;
    }
  | {
      readonly allow: false;
      /** Takes the place of 403 "Access Forbidden". */
      readonly answer?: PushDenial;
    };

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

/** Who is behind a socket; the policy's own, handed back to it at each join. */
export interface Identity {
  /** Sockets of one id can be closed together (`Transport.closeSockets`). */
  readonly socketId?: string;
  /** Anything that the policy wants to keep; of a token, its claims (RFC 7519, section 4). */
  readonly claims?: unknown;
  /** When the socket is to be closed, in seconds since 1970 (the claim `exp`); never where missing. */
  readonly expiresAt?: number;
  /** Who the operator's view of a channel shows (PushEx's presence identifier); nobody where missing. */
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
