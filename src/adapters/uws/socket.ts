import uws, {
  type HttpResponse,
  type TemplatedApp,
  type us_socket_context_t,
  type WebSocket,
} from "uWebSockets.js";
import type { Identity, JoinDecision } from "../../domain/auth-policy.js";
import type { Broker } from "../../domain/broker.js";
import { isPromise } from "../../domain/maybe-promise.js";
import type { Message } from "../../domain/message.js";
import type { PushListener, SocketInfo } from "../../domain/push-listener.js";
import type { SocketDirectory, Transport, TransportCounts } from "../../domain/transport.js";
import { CatchUp } from "./catch-up.js";
import { CorkAnchor } from "./cork-anchor.js";
import { Deadlines } from "./deadlines.js";
import { FanOut } from "./fan-out.js";
import { OpenSocket } from "./open-socket.js";
import { OpenSockets } from "./open-sockets.js";
import { codecV1 } from "./phoenix/codec-v1.js";
import { codecV2 } from "./phoenix/codec-v2.js";
import {
  CLOSE_POLICY,
  type Effect,
  type PendingJoin,
  type SessionLimits,
  type SessionTerms,
} from "./phoenix/session.js";
import { type AllowedUpgrade, UpgradeDoor, type UpgradeDoorOptions } from "./upgrade-door.js";

export const SOCKET_PATH = "/push_socket/websocket";

/** Close codes (RFC 6455, section 7.4.1); docs/protocol.md says what a client does on each. */
const CLOSE_ASKED_FOR = 1000;
const CLOSE_TOO_BIG = 1009;
const CLOSE_DRAIN = 1012;
/** A client comes back by itself and the policy decides again, unlike after 1000. */
const CLOSE_DISCONNECTED = 1001;

/** Frames up to this are taken in so that the client can be told why (1009), in bytes. */
const UNCODED_FRAME_BYTES = 1_048_576;

export interface PhoenixTransportOptions extends UpgradeDoorOptions {
  readonly limits: PhoenixLimits;
  readonly log: SocketLog;
  readonly listener?: PushListener;
  /** Where a client that was away catches up. @defaultValue no channel keeps a history */
  readonly history?: Pick<Broker, "position" | "history">;
  /** Asked when a join was allowed: words for the client that refuse it, or undefined. */
  readonly fullness?: (channel: string) => string | undefined;
  /** Seconds since 1970, for the end of identities. @defaultValue the system's clock */
  readonly now?: () => number;
}

export interface PhoenixLimits extends SessionLimits {
  /** Largest frame from a client, in bytes. @defaultValue 65536 */
  readonly frameBytesMax: number;
  /** Most bytes that wait to be sent to one socket; above it the socket is cut. @defaultValue 1048576 */
  readonly sendBufferBytesMax: number;
  /** A socket whose client has sent nothing for so long is closed, in milliseconds. @defaultValue 45000 */
  readonly idleTimeoutMs: number;
}

export interface SocketLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

interface UserData {
  /** Set as it opens. */
  socket: OpenSocket;
}

/** A byte order mark is kept, as it is no JSON. */
const TEXT = new TextDecoder("utf-8", { ignoreBOM: true });
const NO_DATA = Object.freeze({});

/** Sockets that speak Phoenix Channels, on uWebSockets.js and its own publish. */
export class PhoenixTransport implements Transport, SocketDirectory {
  readonly #options: PhoenixTransportOptions;
  readonly #listener: PushListener;
  readonly #termsV1: SessionTerms;
  readonly #termsV2: SessionTerms;
  readonly #open: OpenSockets<OpenSocket>;
  readonly #fanOut = new FanOut();
  readonly #deadlines: Deadlines<OpenSocket>;
  readonly #anchor = new CorkAnchor();
  readonly #door: UpgradeDoor<HttpResponse>;
  readonly #catchUp: CatchUp<OpenSocket> | undefined;
  /** Those that uWebSockets.js has begun to cut and has not closed yet. */
  readonly #cut = new Set<OpenSocket>();
  /** The one that `open` is called for within `upgrade`. */
  #accepted: OpenSocket | undefined;
  /** Whose effects are being applied, the innermost run last. */
  readonly #running: OpenSocket[] = [];
  #spreadMs = 0;

  constructor(options: PhoenixTransportOptions) {
    this.#options = options;
    this.#listener = options.listener ?? {};
    this.#door = new UpgradeDoor(options, this.#anchor);
    const { history, log, limits } = options;
    this.#termsV1 = { codec: codecV1, limits };
    this.#termsV2 = { codec: codecV2, limits };
    this.#catchUp =
      history &&
      new CatchUp<OpenSocket>({
        history,
        log,
        sendBufferBytesMax: limits.sendBufferBytesMax,
        goLive: (socket, channel) => this.#fanOut.goLive(socket, channel),
        close: (socket, code, reason) => this.#end(socket, code, reason),
      });
    this.#deadlines = new Deadlines(
      (socket) => this.#end(socket, CLOSE_POLICY, "token expired"),
      options.now ?? (() => Date.now() / 1000),
    );
    this.#open = new OpenSockets(limits.idleTimeoutMs, (socket) =>
      // Code and empty reason as with PushEx; a client that is still there has asked for nothing else.
      this.#end(socket, CLOSE_ASKED_FOR),
    );
  }

  /** Serves sockets on this app's port from now on. */
  attach(app: TemplatedApp): void {
    const { limits } = this.#options;
    this.#fanOut.attach(app);
    this.#door.isDraining = false;
    this.#open.start();
    this.#deadlines.start();
    this.#anchor.attach(app);
    app.ws<UserData>(SOCKET_PATH, {
      compression: uws.DISABLED,
      // Above this uWebSockets.js cuts the connection without a code; `#onFrame` gives one below it.
      maxPayloadLength: Math.max(limits.frameBytesMax * 2, UNCODED_FRAME_BYTES),
      maxBackpressure: limits.sendBufferBytesMax,
      closeOnBackpressureLimit: 1,
      // Only bounds the goodbye of a socket that is closed; silence is for OpenSockets to find.
      idleTimeout: 960,
      sendPingsAutomatically: false,
      upgrade: (response, request, context) =>
        this.#door.open(response, request, (allowed) => this.#accept(allowed, context)),
      open: (ws) => this.#onOpen(ws),
      message: (ws, message, isBinary) => this.#onFrame(ws, message, isBinary),
      ping: (ws) => this.#open.touch(ws.getUserData().socket),
      pong: (ws) => this.#open.touch(ws.getUserData().socket),
      drain: (ws) => this.#onDrain(ws.getUserData().socket),
      dropped: (ws) => this.#onDropped(ws.getUserData().socket),
      close: (ws) => this.#onClose(ws.getUserData().socket),
    });
  }

  /** Where the app listens, once it does. */
  listening(host: string, port: number): void {
    this.#anchor.listening(host, port);
  }

  detach(): void {
    this.#anchor.close();
    this.#open.stop();
    this.#deadlines.stop();
    this.#fanOut.detach();
  }

  deliver(message: Message): number {
    return this.#fanOut.deliver(message);
  }

  /** Also those that have not caught up yet, to which nothing is delivered live. */
  subscribers(channel: string): number {
    return this.#fanOut.subscribers(channel);
  }

  counts(): TransportCounts {
    return { sockets: this.#open.size, subscriptions: this.#fanOut.subscriptions() };
  }

  channels(): Iterable<string> {
    return this.#fanOut.channels();
  }

  *joined(channel: string): Iterable<SocketInfo> {
    for (const socket of this.#open.all()) if (socket.isJoined(channel)) yield socket;
  }

  closeSockets(socketId: string): number {
    const closing = this.#open.ofSocketId(socketId);
    for (const socket of closing) this.#end(socket, CLOSE_DISCONNECTED);
    return closing.length;
  }

  closeWhere(matches: (identity: Identity) => boolean, reason: string): number {
    const closing = this.#open.all().filter((socket) => matches(socket.identity));
    for (const socket of closing) this.#end(socket, CLOSE_POLICY, reason);
    return closing.length;
  }

  get openSockets(): number {
    return this.#open.size;
  }

  /**
   * Refuses new sockets from now on; the open ones are for `closeForDrain`.
   *
   * @param spreadMs over how long their clients are asked to come back, in milliseconds.
   */
  startDrain(spreadMs: number): void {
    this.#door.isDraining = true;
    this.#spreadMs = spreadMs;
  }

  /**
   * Closes up to `count` sockets so that their clients come back, to another node or a new one, and
   * tells those that can read it when.
   *
   * @param afterMs when this node will have gone, in milliseconds: before that nobody can come back.
   */
  closeForDrain(count: number, afterMs: number): void {
    for (const socket of this.#open.all(count)) {
      const ms = Math.floor(afterMs + Math.random() * this.#spreadMs);
      // phoenix.js 1.7 stays away after 1000, so a drain has a code of its own.
      this.#end(socket, CLOSE_DRAIN, `retry in ${ms}`);
    }
  }

  #accept(upgrade: AllowedUpgrade<HttpResponse>, context: us_socket_context_t): void {
    const { response, headers, connect, identity } = upgrade;
    const terms = connect.version === "1.0.0" ? this.#termsV1 : this.#termsV2;
    const socket = new OpenSocket(terms, identity);
    const key = headers["sec-websocket-key"] ?? "";
    const extensions = headers["sec-websocket-extensions"] ?? "";
    this.#accepted = socket;
    // What is given along is copied name by name, which takes longer than to set it in `open`.
    response.upgrade<object>(NO_DATA, key, connect.protocol, extensions, context);
  }

  #onOpen(ws: WebSocket<UserData>): void {
    const socket = this.#accepted as OpenSocket;
    ws.getUserData().socket = socket;
    const { expiresAt } = socket.identity;
    socket.ws = ws;
    this.#open.add(socket);
    if (expiresAt !== undefined) this.#deadlines.add(socket, expiresAt);
    this.#listener.socketConnected?.(socket);
  }

  #onFrame(ws: WebSocket<UserData>, message: ArrayBuffer, isBinary: boolean): void {
    const { socket } = ws.getUserData();
    this.#open.touch(socket);
    if (message.byteLength > this.#options.limits.frameBytesMax) {
      this.#end(socket, CLOSE_TOO_BIG, "frame too big");
      return;
    }
    this.#run(
      socket,
      isBinary
        ? socket.receiveBinary(new Uint8Array(message))
        : socket.receiveText(TEXT.decode(message)),
    );
  }

  #run(socket: OpenSocket, effects: readonly Effect[]): void {
    this.#running.push(socket);
    for (const effect of effects) this.#apply(socket, effect);
    this.#running.pop();
    if (socket.ws === undefined) this.#closed(socket);
  }

  /** A send may cut a slow socket, and a close ends it: then only the books are still kept. */
  #apply(socket: OpenSocket, effect: Effect): void {
    const { ws } = socket;
    switch (effect.kind) {
      case "send":
        this.#fanOut.send(socket, effect.text);
        break;
      case "subscribe":
        this.#fanOut.joined(socket, effect.channel);
        this.#listener.channelJoined?.({ socket, channel: effect.channel });
        if (effect.since === undefined) this.#fanOut.goLive(socket, effect.channel);
        else this.#catchUp?.begin(socket, effect.channel, effect.since);
        break;
      case "unsubscribe":
        this.#left(socket, effect.channel);
        this.#catchUp?.stop(socket, effect.channel);
        break;
      case "close":
        this.#end(socket, effect.code, effect.reason);
        break;
      case "authorize":
        if (ws !== undefined) this.#authorize(socket, effect.join);
        break;
    }
  }

  #authorize(socket: OpenSocket, join: PendingJoin): void {
    const decision = this.#options.policy.authorizeJoin({
      channel: join.frame.topic,
      params: join.frame.payload,
      identity: socket.identity,
    });
    if (isPromise(decision)) {
      // The policy is guarded by the composition root: its promise does not reject.
      void decision.then((decided) => {
        socket.ws?.cork(() => this.#decide(socket, join, decided));
      });
    } else if (socket.ws !== undefined) {
      // In the turn of the join's frame the socket is corked already.
      this.#decide(socket, join, decision);
    }
  }

  #decide(socket: OpenSocket, join: PendingJoin, decided: JoinDecision): void {
    // Asked only now: between this look at the history and what follows from it is no wait.
    const channel = this.#fanOut.keptName(join.frame.topic);
    const unlessFull = this.#unlessFull(channel, decided);
    const final = this.#catchUp?.answer(join, unlessFull) ?? unlessFull;
    this.#run(socket, socket.decide(join, final, channel));
  }

  #onDrain(socket: OpenSocket): void {
    if (this.#cut.has(socket)) {
      // It has missed a message and has room again: it must not get the next one.
      socket.ws?.close();
      return;
    }
    this.#catchUp?.goOn(socket);
  }

  #unlessFull(channel: string, decided: JoinDecision): JoinDecision {
    const { fullness } = this.#options;
    if (fullness === undefined || decided.allow !== true) return decided;
    const reason = fullness(channel);
    return reason === undefined ? decided : { allow: false, reason };
  }

  /** Once for each message that is not sent to it until it is closed, a turn later. */
  #onDropped(socket: OpenSocket): void {
    if (this.#cut.has(socket)) return;
    this.#cut.add(socket);
    const { socketId } = socket;
    this.#options.log.warn({ socketId }, "slow consumer cut: its send buffer was full");
    this.#listener.consumerCut?.({
      socket,
      channels: socket.channels(),
      bufferBytes: this.#options.limits.sendBufferBytesMax,
    });
  }

  /** What came for it before is for it. */
  #end(socket: OpenSocket, code: number, reason?: string): void {
    this.#fanOut.settle(socket);
    socket.ws?.end(code, reason);
  }

  #onClose(socket: OpenSocket): void {
    socket.ws = undefined;
    this.#closed(socket);
  }

  #closed(socket: OpenSocket): void {
    // In the middle of a run the session is ahead of what was done for it; its end comes then.
    if (this.#running.includes(socket) || !this.#open.remove(socket)) return;
    const { expiresAt } = socket.identity;
    this.#cut.delete(socket);
    if (expiresAt !== undefined) this.#deadlines.remove(socket, expiresAt);
    for (const channel of socket.channels()) this.#left(socket, channel);
    this.#catchUp?.stopAll(socket);
    this.#fanOut.closed(socket);
    this.#listener.socketClosed?.(socket);
  }

  #left(socket: OpenSocket, channel: string): void {
    this.#fanOut.left(socket, channel, this.#catchUp?.isBehind(socket, channel) !== true);
    this.#listener.channelLeft?.({ socket, channel });
  }
}
