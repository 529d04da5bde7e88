import type { Json } from "../../domain/json.js";
import type { Message } from "../../domain/message.js";
import type { Socket, Subscription } from "./socket.js";

/**
 * What sockets of one protocol and one encoding are told, and how messages look to them. Knows no
 * library; one object serves all its sockets.
 */
export interface SocketProtocol {
  /** Names the transport to listeners and operators, for instance `phoenix`. */
  readonly transport: string;

  /** Clients must send a frame now and then; one that does not is closed. */
  readonly hasIdleTimeout: boolean;

  /**
   * All channels of a socket share one position, so they go live in the same turn of the event loop.
   */
  readonly isOneStream: boolean;

  /**
   * The join was accepted. The protocol answers it and calls `Joins.begin`, in this turn or a later
   * one; no message of the channel reaches the client before that.
   */
  joined(subscription: Subscription, accepted: AcceptedJoin): void;

  /**
   * The join was denied; the subscription has ended.
   *
   * @param isTemporary the broker cannot be reached now; the same join may be accepted later.
   */
  denied(subscription: Subscription, reason: string, isTemporary: boolean): void;

  /** All channels of a socket went live (`isOneStream`). */
  wentLive?(socket: Socket): void;

  /**
   * The message as every live socket gets it. Called once per message, in the order of delivery, if
   * at least one of them is joined to its channel.
   */
  encode(message: Message): string;

  /** The message as one socket gets it that is not live yet. */
  encodeReplayed(message: Message, subscription: Subscription): string;
}

export interface AcceptedJoin {
  /** The policy's response to the join. */
  readonly response: Json | undefined;
  /** The channel's newest id; undefined if it keeps no history. */
  readonly position: string | undefined;
  /** Whether everything after the client's id follows; undefined if it gave none. */
  readonly recovered: boolean | undefined;
}
