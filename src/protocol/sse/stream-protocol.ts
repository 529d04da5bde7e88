import type {
  AcceptedJoin,
  Socket,
  SocketProtocol,
  Subscription,
} from "../../application/subscriptions/socket.js";
import type { Message } from "../../domain/message.js";
import { formatCursor, tagOf } from "./cursor.js";
import { messageEvent } from "./event-text.js";
import type { Stream } from "./stream.js";

/** What becomes of the joins of a stream. */
export interface StreamJoins {
  joined(stream: Stream, subscription: Subscription, accepted: AcceptedJoin): void;
  denied(stream: Stream, channel: string, reason: string, isTemporary: boolean): void;
}

/**
 * Messages as server-sent events, for all streams that ask for the same channels: once they are
 * live, they stand at the same place on each of them, so one encoded event serves all.
 */
export abstract class StreamProtocol implements SocketProtocol {
  readonly transport = "sse";
  readonly hasIdleTimeout = false;
  readonly isOneStream = true;
  readonly #joins: StreamJoins;

  constructor(joins: StreamJoins) {
    this.#joins = joins;
  }

  abstract encode(message: Message): string;

  abstract wentLive(socket: Socket): void;

  joined(subscription: Subscription, accepted: AcceptedJoin): void {
    const stream = subscription.socket.handle as Stream | undefined;
    if (stream !== undefined) this.#joins.joined(stream, subscription, accepted);
  }

  denied({ socket, channel }: Subscription, reason: string, isTemporary: boolean): void {
    const stream = socket.handle as Stream | undefined;
    if (stream !== undefined) this.#joins.denied(stream, channel, reason, isTemporary);
  }

  encodeReplayed(message: Message, { socket }: Subscription): string {
    const positions = (socket.handle as Stream | undefined)?.opening?.positions;
    if (message.id === undefined || positions === undefined)
      return messageEvent(message, undefined);
    setNewest(positions, message.channel, message.id);
    return messageEvent(message, cursorOf(positions));
  }
}

/** For streams of one channel, whichever it is. */
export class OneChannelProtocol extends StreamProtocol {
  encode(message: Message): string {
    const { channel, id } = message;
    const cursor = id === undefined ? undefined : formatCursor([[tagOf(channel), id]]);
    return messageEvent(message, cursor);
  }

  wentLive({ handle }: Socket): void {
    (handle as Stream).opening = undefined;
  }
}

/** For streams of several channels, all of the same ones. */
export class ManyChannelsProtocol extends StreamProtocol {
  /** Of the live streams, the newest last. */
  readonly #positions = new Map<string, string>();

  encode(message: Message): string {
    const { channel, id } = message;
    if (id === undefined) return messageEvent(message, undefined);
    setNewest(this.#positions, channel, id);
    return messageEvent(message, cursorOf(this.#positions));
  }

  wentLive({ handle }: Socket): void {
    const stream = handle as Stream;
    for (const [channel, id] of stream.opening?.positions ?? []) {
      setNewest(this.#positions, channel, id);
    }
    stream.opening = undefined;
  }
}

/** The channels with the newest messages come first: the cursor may not hold all. */
export function cursorOf(positions: ReadonlyMap<string, string>): string {
  const entries = [...positions].map(([channel, id]) => [tagOf(channel), id] as const);
  return formatCursor(entries.reverse());
}

function setNewest(positions: Map<string, string>, channel: string, id: string): void {
  positions.delete(channel);
  positions.set(channel, id);
}
