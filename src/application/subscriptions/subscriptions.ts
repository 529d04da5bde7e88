import type { Identity } from "../../domain/auth-policy.js";
import type { Message } from "../../domain/message.js";
import type { PushListener, SocketInfo } from "../../domain/push-listener.js";
import type { SocketDirectory, Transport, TransportCounts } from "../../domain/transport.js";
import { describeError } from "../describe-error.js";
import { Channels } from "./channels.js";
import { type CloseReason, DISCONNECTED } from "./close-reason.js";
import { Delivery } from "./delivery.js";
import { type JoinLimits, type JoinOptions, Joins } from "./joins.js";
import { OpenSockets } from "./open-sockets.js";
import type { Socket } from "./socket.js";

export interface SubscriptionsOptions extends JoinOptions {
  readonly limits: SubscriptionLimits;
  readonly listener?: PushListener | undefined;
  /** Seconds since 1970, for the expiry of identities. */
  readonly now: () => number;
}

export interface SubscriptionLimits extends JoinLimits {
  /**
   * A socket whose client must send frames and has sent none for so long is closed, in milliseconds.
   *
   * @defaultValue 45000
   */
  readonly idleTimeoutMs: number;
}

/**
 * The open sockets of this node and what they are subscribed to, whatever their transport.
 *
 * Transports open sockets (`add`, `opened`), pass on what their clients ask for (`joins`), and
 * report buffer space (`writable`) and disconnects (`cut`, `closed`).
 */
export class Subscriptions implements Transport, SocketDirectory {
  readonly joins: Joins;
  readonly limits: SubscriptionLimits;
  readonly #log: JoinOptions["log"];
  readonly #listener: PushListener;
  readonly #sockets: OpenSockets;
  readonly #channels: Channels;
  readonly #delivery: Delivery;
  /** What listeners know the sockets by; empty if none listens. */
  readonly #infos = new WeakMap<Socket, SocketInfo>();
  readonly #isObserved: boolean;
  /** How often resumes went on. */
  #resumed = 0;

  constructor(options: SubscriptionsOptions, delivery = new Delivery()) {
    const { limits, log, broker, now, listener = {} } = options;
    this.limits = limits;
    this.#log = log;
    this.#listener = listener;
    const { socketConnected, socketClosed, channelJoined, channelLeft } = listener;
    this.#isObserved = [socketConnected, socketClosed, channelJoined, channelLeft].some(Boolean);
    this.#channels = new Channels(broker, (error) =>
      log.warn({ err: describeError(error) }, "the broker could not unsubscribe from a channel"),
    );
    this.#delivery = delivery;
    const close = (socket: Socket, reason: CloseReason) => this.close(socket, reason);
    this.#sockets = new OpenSockets({ idleTimeoutMs: limits.idleTimeoutMs, now, close });
    this.joins = new Joins(options, {
      channels: this.#channels,
      delivery,
      joined: ({ socket, channel }) =>
        this.#listener.channelJoined?.({ socket: this.#info(socket), channel }),
      left: ({ socket, channel }) =>
        this.#listener.channelLeft?.({ socket: this.#info(socket), channel }),
      close,
    });
  }

  /** Looks for idle sockets and expired identities from now on. */
  start(): void {
    this.#sockets.start();
  }

  stop(): void {
    this.#sockets.stop();
  }

  /** A socket that the policy has let in; from now on it can be closed by its identity. */
  add<H>(socket: Socket<H>, handle: H): void {
    socket.handle = handle;
    this.#sockets.add(socket);
  }

  /** Its client knows that it is open. */
  opened(socket: Socket): void {
    if (this.#isObserved) this.#infos.set(socket, infoOf(socket));
    this.#listener.socketConnected?.(this.#info(socket));
  }

  /** A frame arrived from its client. */
  touch(socket: Socket): void {
    this.#sockets.touch(socket);
  }

  /** Sends a frame of the protocol's own, after every message that the socket is to get before. */
  send(socket: Socket, frame: string): void {
    this.#delivery.send(socket, frame);
  }

  /** The client has taken some of what waited for it. */
  writable(socket: Socket): void {
    const { handle, writer } = socket;
    if (handle === undefined) return;
    // A client that takes a little at a time must not cost a read of the history each time.
    if (writer.bufferedBytes(handle) > this.limits.sendBufferBytesMax / 4) return;
    const resuming = socket.subscriptions().filter(({ state }) => state === "resuming");
    // Another one first each time: the first one may take all the space.
    const start = this.#resumed++ % Math.max(1, resuming.length);
    for (let at = 0; at < resuming.length; at++) {
      resuming[(start + at) % resuming.length]?.resume?.run();
    }
  }

  /** The socket's send buffer has passed its limit; the transport closes it without a goodbye. */
  cut(socket: Socket): void {
    const { socketId } = socket.identity;
    this.#log.warn({ socketId }, "slow consumer cut: its send buffer was full");
    this.#listener.consumerCut?.({
      socket: this.#info(socket),
      channels: socket.channels(),
      bufferBytes: this.limits.sendBufferBytesMax,
    });
  }

  /** What was delivered before is for it. */
  close(socket: Socket, reason: CloseReason): void {
    this.#delivery.settle(socket);
    if (socket.handle !== undefined) socket.writer.close(socket.handle, reason);
  }

  /** The socket is gone. Idempotent. */
  closed(socket: Socket): void {
    if (!this.#sockets.remove(socket)) return;
    for (const subscription of socket.subscriptions()) this.joins.leave(subscription);
    socket.handle = undefined;
    this.#delivery.closed(socket);
    if (this.#infos.has(socket)) this.#listener.socketClosed?.(this.#info(socket));
  }

  deliver(message: Message): number {
    const channel = this.#channels.get(message.channel);
    if (channel === undefined) return 0;
    const { resuming } = channel;
    const sent = resuming === undefined ? 0 : this.joins.hold(resuming, message);
    return sent + this.#delivery.deliver(channel, message);
  }

  /** Also those that are resuming, to which nothing is delivered live. */
  subscribers(channel: string): number {
    return this.#channels.get(channel)?.joined ?? 0;
  }

  counts(): TransportCounts {
    let subscriptions = 0;
    for (const { joined } of this.#channels.joined()) subscriptions += joined;
    return { sockets: this.#sockets.size, subscriptions };
  }

  *channels(): Iterable<string> {
    for (const { name } of this.#channels.joined()) yield name;
  }

  *joined(channel: string): Iterable<SocketInfo> {
    if (this.subscribers(channel) === 0) return;
    for (const socket of this.#sockets.all()) {
      if (socket.subscription(channel)?.isJoined) yield this.#info(socket);
    }
  }

  closeSockets(socketId: string): number {
    return this.#closeEach(this.#sockets.ofSocketId(socketId), DISCONNECTED);
  }

  closeWhere(matches: (identity: Identity) => boolean, reason: string): number {
    const closing = this.#sockets.all().filter(({ identity }) => matches(identity));
    return this.#closeEach(closing, { kind: "policy", text: reason });
  }

  /** How many sockets are open. */
  get size(): number {
    return this.#sockets.size;
  }

  /** Those whose client has been silent the longest come first. @param max the most of them */
  sockets(max: number): readonly Socket[] {
    return this.#sockets.all(max);
  }

  #closeEach(closing: readonly Socket[], reason: CloseReason): number {
    for (const socket of closing) this.close(socket, reason);
    return closing.length;
  }

  #info(socket: Socket): SocketInfo {
    return this.#infos.get(socket) ?? infoOf(socket);
  }
}

/** Plain, so that whoever logs it writes no token and no header. */
function infoOf({ writer, identity: { socketId, presenceId } }: Socket): SocketInfo {
  return Object.freeze({ transport: writer.protocol.transport, socketId, presenceId });
}
