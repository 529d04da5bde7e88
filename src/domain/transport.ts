import type { Identity } from "./auth-policy.js";
import type { Message } from "./message.js";
import type { SocketInfo } from "./push-listener.js";

/**
 * The last hop: from this node to its own sockets.
 *
 * `PushService` calls `deliver` once per channel of a push, in the push's order of channels, and
 * does not call it for the next push of the same caller before it has returned.
 *
 * What every transport promises (test/contract/transport.contract.ts):
 * - each socket that is joined to the message's channel when `deliver` is called gets the message
 *   once, and no other socket gets it;
 * - the messages of one channel reach one socket in the order of the calls;
 * - a socket that has left or closed gets nothing more;
 * - `deliver` never waits for a socket, and a broken or slow one neither throws nor keeps the
 *   message from the others;
 * - event and data arrive as they are: equal strings, equal JSON, every digit of a number.
 */
export interface Transport {
  /** @returns the number of local sockets that the message was handed to. */
  deliver(message: Message): number;

  /** How many local sockets are joined to `channel`. */
  subscribers(channel: string): number;

  counts(): TransportCounts;

  /**
   * Closes every local socket of this socket id (given by `AuthPolicy.authorizeConnect`). Their
   * clients may connect again; the policy decides.
   *
   * @returns how many were closed.
   */
  closeSockets(socketId: string): number;
}

export interface TransportCounts {
  /** Open sockets. */
  readonly sockets: number;
  /** Pairs of a socket and a channel that it is joined to. */
  readonly subscriptions: number;
}

/**
 * What a transport can do beside, if it knows its sockets: the operator's view of channels, and
 * the end of sockets whose token was revoked, need it. A transport without it is left out of both.
 */
export interface SocketDirectory {
  /** Each channel that a local socket is joined to, once, in any order. */
  channels(): Iterable<string>;

  /** The local sockets that are joined to `channel`. */
  joined(channel: string): Iterable<SocketInfo>;

  /**
   * Closes every local socket whose identity matches, as one that the policy has turned down.
   *
   * @param reason for the client, at most 123 bytes (RFC 6455, section 5.5)
   * @returns how many were closed.
   */
  closeWhere(matches: (identity: Identity) => boolean, reason: string): number;
}

export function hasDirectory(transport: Transport): transport is Transport & SocketDirectory {
  return ["channels", "joined", "closeWhere"].every((method) => method in transport);
}
