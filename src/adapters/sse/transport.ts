import type { IncomingMessage, ServerResponse } from "node:http";
import type { ConnectGate } from "../../application/connect-gate.js";
import { describeError } from "../../application/describe-error.js";
import type { OriginRule } from "../../application/origins.js";
import type { AuthPolicy, Identity } from "../../domain/auth-policy.js";
import type { Broker } from "../../domain/broker.js";
import type { Message } from "../../domain/message.js";
import type { PushListener, SocketInfo } from "../../domain/push-listener.js";
import type { SocketDirectory, Transport, TransportCounts } from "../../domain/transport.js";
import { catchUp } from "./catch-up.js";
import {
  CLOSE_DISCONNECTED,
  CLOSE_DRAIN,
  CLOSE_POLICY,
  CLOSE_TRY_AGAIN,
  HEARTBEAT,
  messageEvent,
  namedEvent,
  retryLine,
} from "./event-text.js";
import { OpenStreams } from "./open-streams.js";
import type { Stream } from "./stream.js";
import { type SseLog, StreamDoor } from "./stream-door.js";
import type { StreamLimits } from "./stream-request.js";

export interface SseTransportOptions {
  /** Guarded: it neither throws nor rejects. */
  readonly policy: AuthPolicy;
  readonly origins: OriginRule;
  /** What keeps the channels' histories; without one no message has an id and none is caught up with. */
  readonly broker?: Pick<Broker, "history" | "position" | "subscribe" | "unsubscribe"> | undefined;
  readonly limits: SseLimits;
  /** A stream on which nothing was sent for so long gets a comment, in milliseconds. @defaultValue 15000 */
  readonly heartbeatMs?: number;
  /** Seconds since 1970, for the end of identities. */
  readonly now: () => number;
  readonly listener?: PushListener;
  /** Asked when a join was allowed: words for the client that refuse it, or undefined. */
  readonly fullness?: (channel: string) => string | undefined;
  /** Who may connect when. @defaultValue everyone, at once */
  readonly gate?: ConnectGate;
  /** From 0 up to 1, to spread when clients come back. @defaultValue Math.random */
  readonly random?: () => number;
  readonly log: SseLog;
}

export interface SseLimits extends StreamLimits {
  /** Most bytes that wait to be sent on one stream; above it the stream is cut. */
  readonly sendBufferBytesMax: number;
}

const HEARTBEAT_MS = 15_000;
/** How often silent streams and identities that have ended are looked for, in milliseconds. */
const SWEEP_MS = 500;
/**
 * When clients come back, in milliseconds: behind the first, spread over the second, so that not all
 * come at once. An EventSource that finds nobody tries again at this distance, so it has a least.
 */
const RETRY_MS_MIN = 2_000;
const RETRY_SPREAD_MS = 3_000;

/** Streams of server-sent events, each joined to its channels for as long as it is open. */
export class SseTransport implements Transport, SocketDirectory {
  readonly #options: SseTransportOptions;
  readonly #listener: PushListener;
  readonly #streams: OpenStreams;
  readonly #door: StreamDoor;
  readonly #sweepMs: number;
  readonly #quietMax: number;
  #sweeping: NodeJS.Timeout | undefined;
  #draining = false;
  #spreadMs = RETRY_SPREAD_MS;

  constructor(options: SseTransportOptions) {
    const { heartbeatMs = HEARTBEAT_MS } = options;
    this.#options = options;
    this.#listener = options.listener ?? {};
    this.#streams = new OpenStreams(options.broker);
    this.#sweepMs = Math.min(SWEEP_MS, heartbeatMs);
    this.#quietMax = Math.ceil(heartbeatMs / this.#sweepMs);
    this.#door = new StreamDoor(options, {
      streams: this.#streams,
      isDraining: () => this.#draining,
      retry: () => retryLine(this.#retryMs()),
      comeBack: (code, reason) => this.#comeBack(code, reason),
      enter: (stream, channels, since) => this.#enter(stream, channels, since),
    });
  }

  /** Answers with a stream, or with why there is none, as `StreamDoor.open` says. */
  open(request: IncomingMessage, response: ServerResponse): void {
    this.#door.open(request, response);
  }

  deliver(message: Message): number {
    const { sendBufferBytesMax } = this.#options.limits;
    let bytes: Buffer | undefined;
    let deliveries = 0;
    for (const stream of this.#streams.of(message.channel)) {
      // What is in the history comes from there in its turn; a message without an id is not in it.
      if (stream.isReplaying && message.id !== undefined) {
        stream.hasHeldBack = true;
        continue;
      }
      bytes ??= messageEvent(message);
      if (stream.isTooSlowFor(bytes.length, sendBufferBytesMax)) {
        this.#cut(stream);
        continue;
      }
      stream.write(bytes);
      deliveries++;
    }
    return deliveries;
  }

  subscribers(channel: string): number {
    return this.#streams.of(channel).size;
  }

  counts(): TransportCounts {
    return { sockets: this.#streams.size, subscriptions: this.#streams.subscriptions() };
  }

  channels(): Iterable<string> {
    return this.#streams.channels();
  }

  joined(channel: string): Iterable<SocketInfo> {
    return this.#streams.of(channel);
  }

  closeSockets(socketId: string): number {
    return this.#endWhere(
      (identity) => identity.socketId === socketId,
      CLOSE_DISCONNECTED,
      "disconnected",
    );
  }

  closeWhere(matches: (identity: Identity) => boolean, reason: string): number {
    return this.#endWhere(matches, CLOSE_POLICY, reason);
  }

  get openSockets(): number {
    return this.#streams.size;
  }

  /** Takes streams again, after a `stop`. */
  start(): void {
    this.#draining = false;
    this.#spreadMs = RETRY_SPREAD_MS;
  }

  /**
   * Sends new clients away from now on, to come back later; the open streams are for `closeForDrain`.
   *
   * @param spreadMs over how long, at least, clients are asked to come back, in milliseconds.
   */
  startDrain(spreadMs = 0): void {
    this.#draining = true;
    this.#spreadMs = Math.max(RETRY_SPREAD_MS, spreadMs);
  }

  /**
   * Ends up to `count` streams so that their clients come back, to another node or a new one.
   *
   * @param afterMs when this node will have gone, in milliseconds: before that nobody can come back.
   */
  closeForDrain(count: number, afterMs = 0): void {
    let left = count;
    for (const stream of this.#streams) {
      if (left-- <= 0) return;
      this.#end(stream, this.#comeBack(CLOSE_DRAIN, undefined, afterMs));
    }
  }

  /** Cuts every stream that is still open. */
  stop(): void {
    this.#draining = true;
    for (const stream of this.#streams) {
      stream.response.destroy();
      this.#closed(stream);
    }
  }

  #enter(stream: Stream, channels: readonly string[], since: string | undefined): void {
    this.#streams.add(stream);
    for (const channel of channels) this.#streams.join(stream, channel);
    stream.response.once("close", () => this.#closed(stream));
    this.#sweeping ??= setInterval(() => this.#sweep(), this.#sweepMs).unref();
    this.#listener.socketConnected?.(stream);
    for (const channel of channels) this.#listener.channelJoined?.({ socket: stream, channel });
    catchUp(this.#options.broker, stream, since, {
      isOpen: () => this.#streams.has(stream),
      lose: (error) => this.#lose(stream, error),
    });
  }

  #lose(stream: Stream, error: unknown): void {
    const { socketId } = stream;
    if (error === undefined) {
      this.#options.log.info({ socketId }, "stream ended: history went faster than its client");
    } else {
      this.#options.log.warn({ socketId, err: describeError(error) }, "stream ended: no history");
    }
    this.#end(stream, this.#comeBack(CLOSE_TRY_AGAIN, "the history is not available"));
  }

  #cut(stream: Stream): void {
    const { socketId, channels } = stream;
    this.#options.log.warn({ socketId }, "slow consumer cut: its send buffer was full");
    this.#listener.consumerCut?.({
      socket: stream,
      channels,
      bufferBytes: this.#options.limits.sendBufferBytesMax,
    });
    stream.response.destroy();
    this.#closed(stream);
  }

  #endWhere(matches: (identity: Identity) => boolean, code: number, reason: string): number {
    const ending = [...this.#streams].filter((stream) => matches(stream.identity));
    for (const stream of ending) this.#end(stream, closed(code, reason));
    return ending.length;
  }

  /** An EventSource comes back by itself after this, and the policy decides again. */
  #end(stream: Stream, goodbye: string): void {
    stream.end(goodbye);
    this.#closed(stream);
  }

  /** The reason says it as well: no script sees the `retry` line. */
  #comeBack(code: number, reason?: string, afterMs?: number): string {
    const ms = this.#retryMs(afterMs);
    return retryLine(ms) + closed(code, reason ?? `retry in ${ms}`);
  }

  #retryMs(afterMs = 0): number {
    const { random = Math.random } = this.#options;
    return Math.floor(Math.max(RETRY_MS_MIN, afterMs) + random() * (this.#spreadMs + 1));
  }

  #closed(stream: Stream): void {
    if (!this.#streams.remove(stream)) return;
    if (this.#streams.size === 0) {
      clearInterval(this.#sweeping);
      this.#sweeping = undefined;
    }
    for (const channel of stream.channels)
      this.#listener.channelLeft?.({ socket: stream, channel });
    this.#listener.socketClosed?.(stream);
  }

  #sweep(): void {
    const now = this.#options.now();
    for (const stream of this.#streams) {
      const { expiresAt } = stream.identity;
      if (expiresAt !== undefined && expiresAt <= now) {
        this.#end(stream, closed(CLOSE_POLICY, "token expired"));
      } else if (++stream.quietFor >= this.#quietMax && stream.response.writableLength === 0) {
        stream.write(HEARTBEAT);
      }
    }
  }
}

function closed(code: number, reason: string): string {
  return namedEvent("closed", { code, reason });
}
