import { UNDECODABLE } from "../../application/subscriptions/close-reason.js";
import type { Joins } from "../../application/subscriptions/joins.js";
import type {
  AcceptedJoin,
  Socket,
  SocketProtocol,
  Subscription,
} from "../../application/subscriptions/socket.js";
import type { Subscriptions } from "../../application/subscriptions/subscriptions.js";
import { Json } from "../../domain/json.js";
import type { Message } from "../../domain/message.js";
import type { ClientFrame, Codec, ReplyStatus } from "./frame.js";
import { joinResponse, lastEventId } from "./join-params.js";

/** The tag of a subscription that is not decided. Of one that is, it is the join's reference. */
interface PendingJoin {
  readonly frame: ClientFrame;
  /** The reference of the join that this one replaces, as JSON text. */
  readonly replaced: string | undefined;
  /** Frames for the channel that arrived since, in order: they must not overtake the decision. */
  readonly waiting: ClientFrame[];
}

/** Most frames of one socket that wait for undecided joins. */
export const WAITING_FRAMES_MAX = 256;

const UNMATCHED_TOPIC = Json.of({ reason: "unmatched topic" });
/** phoenix.js counts its references from 1. */
const FIRST_REFS = Array.from({ length: 10 }, (_, n) => JSON.stringify(`${n}`));

/**
 * The server's side of the Phoenix Channels protocol in one version of its serializer, as PushEx 2.2
 * speaks it: frames in, joins and leaves to the application, frames out. Keeps nothing of its own but
 * the tags of subscriptions.
 */
export class PhoenixProtocol implements SocketProtocol {
  readonly transport = "phoenix";
  readonly hasIdleTimeout = true;
  readonly isOneStream = false;
  readonly #codec: Codec;
  readonly #subscriptions: Subscriptions;
  /** The last response that holds nothing but a position: between two pushes joins share it. */
  #plain: { position: string; response: Json } | undefined;

  constructor(codec: Codec, subscriptions: Subscriptions) {
    this.#codec = codec;
    this.#subscriptions = subscriptions;
  }

  receiveText(socket: Socket, text: string): void {
    this.#receive(socket, this.#codec.decodeText(text));
  }

  /** @param bytes are not kept. */
  receiveBinary(socket: Socket, bytes: Uint8Array): void {
    this.#receive(socket, this.#codec.decodeBinary(bytes));
  }

  joined(subscription: Subscription, { response, position, recovered }: AcceptedJoin): void {
    const { socket } = subscription;
    const join = subscription.tag as PendingJoin;
    subscription.tag = shared(join.frame.joinRef);
    this.#reply(socket, join.frame, "ok", this.#response(response, position, recovered));
    this.#closeReplaced(socket, join);
    this.#joins.begin(subscription);
    for (const frame of join.waiting) this.#receive(socket, frame);
  }

  denied({ socket, tag }: Subscription, reason: string): void {
    const join = tag as PendingJoin;
    this.#reply(socket, join.frame, "error", Json.of({ reason }));
    this.#closeReplaced(socket, join);
    for (const frame of join.waiting) this.#receive(socket, frame);
  }

  encode(message: Message): string {
    return this.#codec.encodeMessage(message);
  }

  encodeReplayed(message: Message): string {
    return this.#codec.encodeMessage(message);
  }

  get #joins(): Joins {
    return this.#subscriptions.joins;
  }

  #receive(socket: Socket, frame: ClientFrame | undefined): void {
    if (socket.handle === undefined) return;
    if (frame === undefined) {
      this.#subscriptions.close(socket, UNDECODABLE);
      return;
    }
    const { topic, event } = frame;
    if (topic === "phoenix" && event === "heartbeat") {
      this.#reply(socket, { ...frame, joinRef: "null" }, "ok", Json.emptyObject);
      return;
    }
    const subscription = socket.subscription(topic);
    if (subscription?.state === "deciding") this.#wait(subscription, frame);
    else if (event === "phx_join") this.#join(socket, frame, subscription);
    else if (event === "phx_leave") this.#leave(socket, frame, subscription);
    else if (subscription === undefined) {
      this.#reply(socket, { ...frame, joinRef: "null" }, "error", UNMATCHED_TOPIC);
    } else {
      // PushEx's channels take no events, and one that comes ends the channel (not the socket).
      this.#joins.leave(subscription);
      this.#sendChannelEvent(socket, topic, "phx_error", subscription.tag as string);
    }
  }

  #wait({ socket, tag }: Subscription, frame: ClientFrame): void {
    let waiting = 0;
    for (const { state, tag } of socket.subscriptions()) {
      if (state === "deciding") waiting += (tag as PendingJoin).waiting.length;
    }
    if (waiting >= WAITING_FRAMES_MAX) {
      const text = "too many frames before a join was decided";
      this.#subscriptions.close(socket, { kind: "policy", text });
    } else {
      (tag as PendingJoin).waiting.push(frame);
    }
  }

  #join(socket: Socket, frame: ClientFrame, old: Subscription | undefined): void {
    // The old channel ends before the new join is decided, also if that is denied.
    if (old !== undefined) this.#joins.leave(old);
    const replaced = old?.tag as string | undefined;
    const join: PendingJoin = { frame, replaced, waiting: [] };
    this.#joins.join(socket, frame.topic, frame.payload, lastEventId(frame.payload), join);
  }

  #leave(socket: Socket, frame: ClientFrame, subscription: Subscription | undefined): void {
    const joinRef = subscription?.tag as string | undefined;
    // Of an earlier join: the client itself has replaced that one already.
    if (joinRef !== undefined && frame.joinRef !== joinRef) return;
    if (subscription !== undefined) this.#joins.leave(subscription);
    this.#reply(socket, frame, "ok", Json.emptyObject);
    if (joinRef !== undefined) this.#sendChannelEvent(socket, frame.topic, "phx_close", joinRef);
  }

  #closeReplaced(socket: Socket, { frame, replaced }: PendingJoin): void {
    if (replaced !== undefined) this.#sendChannelEvent(socket, frame.topic, "phx_close", replaced);
  }

  #response(own: Json | undefined, position: string | undefined, recovered?: boolean): Json {
    if (own !== undefined || position === undefined || recovered !== undefined) {
      return joinResponse(own, position, recovered);
    }
    if (this.#plain?.position !== position) {
      this.#plain = { position, response: joinResponse(own, position, recovered) };
    }
    return this.#plain.response;
  }

  #reply(socket: Socket, frame: ClientFrame, status: ReplyStatus, response: Json): void {
    const { joinRef, ref, topic } = frame;
    const text = this.#codec.encodeReply({ joinRef, ref, topic, status, response });
    this.#subscriptions.send(socket, text);
  }

  #sendChannelEvent(
    socket: Socket,
    topic: string,
    event: "phx_close" | "phx_error",
    joinRef: string,
  ): void {
    this.#subscriptions.send(socket, this.#codec.encodeChannelEvent(topic, event, joinRef));
  }
}

/** The same reference, as a string that other sockets keep as well if it is a usual one. */
function shared(joinRef: string): string {
  if (joinRef.length !== 3) return joinRef;
  const first = FIRST_REFS[joinRef.charCodeAt(1) - 0x30];
  return first === joinRef ? first : joinRef;
}
