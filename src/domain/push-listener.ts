import type { PushAuthRequest } from "./auth-policy.js";
import type { Message } from "./message.js";
import type { Push } from "./push.js";

/**
 * Instrumentation: what happens in a node, told as it happens.
 *
 * A listener implements what it wants to hear. It is called at once and in order, so it must be
 * quick; what it throws or rejects with is logged and disturbs nothing, and a promise that it
 * returns is not waited for. One event object is shared by all listeners: it must not be changed.
 * What it holds may be secret (header fields, data) and belongs in no log.
 */
export interface PushListener {
  /** A push was authorised and is valid; its messages follow at once. */
  pushRequested?(event: PushRequested): unknown;
  /** A push was denied, is invalid or could not be accepted, and delivers nothing. */
  pushRefused?(event: PushRefused): unknown;
  /** A message was handed to the sockets joined to its channel; once for each channel of a push. */
  messageDelivered?(event: MessageDelivered): unknown;
  socketConnected?(socket: SocketInfo): unknown;
  /** The socket is gone, for whatever reason. Its channels are left before, each with its event. */
  socketClosed?(socket: SocketInfo): unknown;
  channelJoined?(event: ChannelEvent): unknown;
  channelLeft?(event: ChannelEvent): unknown;
  /** A socket is closed because its send buffer has passed its limit; its other events follow. */
  consumerCut?(event: ConsumerCut): unknown;
}

export interface PushRequested {
  readonly pushId: string;
  readonly push: Push;
  /** The pusher, if the policy names it (`PushDecision.by`). */
  readonly by: string | undefined;
}

export interface PushRefused {
  readonly pushId: string;
  /** `unavailable`: the broker could not accept it. */
  readonly kind: "denied" | "invalid" | "unavailable";
  /** What is wrong; of a denied one nothing is known. */
  readonly reason: string | undefined;
  /** Who pushes: known of an invalid push at most. */
  readonly by: string | undefined;
  /** Undefined for a push of the host's own. */
  readonly request: PushAuthRequest | undefined;
}

export interface MessageDelivered {
  readonly pushId: string;
  readonly message: Message;
  /** To how many local sockets it was handed. */
  readonly subscribers: number;
}

/** One socket, the same object in all its events. */
export interface SocketInfo {
  /** For instance `phoenix`. */
  readonly transport: string;
  /** The identity's; several sockets may have it. */
  readonly socketId: string | undefined;
  readonly presenceId: string | undefined;
}

export interface ChannelEvent {
  readonly socket: SocketInfo;
  readonly channel: string;
}

export interface ConsumerCut {
  readonly socket: SocketInfo;
  /** The channels that it was joined to. */
  readonly channels: Iterable<string>;
  /** The limit that its send buffer has passed, in bytes: so much of what it was sent is lost to it. */
  readonly bufferBytes: number;
}
