import type { CloseReason } from "../../application/subscriptions/close-reason.js";
import type { ConnectOutcome, Connects } from "../../application/subscriptions/connects.js";
import {
  type AcceptedJoin,
  Socket,
  type Subscription,
} from "../../application/subscriptions/socket.js";
import type { Subscriptions } from "../../application/subscriptions/subscriptions.js";
import type { Headers, Identity } from "../../domain/auth-policy.js";
import { Json } from "../../domain/json.js";
import { utf8Length } from "../../domain/name.js";
import { answerPreflight, originFields, reject, startStream } from "./answers.js";
import { CLOSE_DRAIN, CLOSE_POLICY, CLOSE_TRY_AGAIN, streamEnd } from "./close-codes.js";
import { Cursor } from "./cursor.js";
import { closedEvent, HEARTBEAT, namedEvent, positionEvent, retryLine } from "./event-text.js";
import { type Opening, Stream, type StreamExchange, type StreamHead } from "./stream.js";
import { cursorOf, type StreamJoins } from "./stream-protocol.js";
import { readStreamRequest, type StreamRequest } from "./stream-request.js";
import { StreamWriters } from "./stream-writers.js";

export const EVENTS_PATH = "/push_events";

export interface EventStreamsOptions {
  readonly subscriptions: Subscriptions;
  readonly connects: Connects;
  /** A stream on which nothing was sent for so long gets a comment, in milliseconds. @defaultValue 15000 */
  readonly heartbeatMs?: number;
  /** From 0 up to 1, to spread when clients come back. @defaultValue Math.random */
  readonly random?: () => number;
}

const HEARTBEAT_MS = 15_000;
/** How often silent streams are looked for, in milliseconds. */
const SWEEP_MS = 500;
/**
 * When clients come back, in milliseconds: after the first, spread over the second, so that they do
 * not all come at once. An EventSource that cannot connect tries again at this distance, so it has a
 * minimum.
 */
const RETRY_MS_MIN = 2_000;
const RETRY_SPREAD_MS = 3_000;

/** `GET /push_events`: a stream of server-sent events, joined to its channels while it is open. */
export class EventStreams implements StreamJoins {
  readonly #subscriptions: Subscriptions;
  readonly #connects: Connects;
  readonly #random: () => number;
  readonly #writers: StreamWriters;
  readonly #open = new Set<Stream>();
  readonly #sweepMs: number;
  readonly #quietMax: number;
  #sweeping: ReturnType<typeof setInterval> | undefined;

  constructor(options: EventStreamsOptions) {
    const { heartbeatMs = HEARTBEAT_MS, random = Math.random } = options;
    this.#subscriptions = options.subscriptions;
    this.#connects = options.connects;
    this.#random = random;
    this.#writers = new StreamWriters(this, options.subscriptions, (stream, reason) =>
      this.#close(stream, reason),
    );
    this.#sweepMs = Math.min(SWEEP_MS, heartbeatMs);
    this.#quietMax = Math.ceil(heartbeatMs / this.#sweepMs);
  }

  /**
   * Answers `GET ?channel=a&channel=b` with a stream or with why there is none, and `OPTIONS` as a
   * browser asks before a GET with fields of the page's own. All is decided before the head is sent.
   *
   * @returns for `writable` and `gone`; undefined if the answer is complete.
   */
  open(head: StreamHead, exchange: StreamExchange): Stream | undefined {
    const { method, query, headers } = head;
    const { origin, host } = headers;
    const fields = originFields(origin);
    if (!this.#connects.allowsOrigin(origin, host)) {
      reject(exchange, 403, "Origin not allowed.", origin === undefined ? {} : { vary: "Origin" });
      return undefined;
    }
    if (method === "OPTIONS") {
      answerPreflight(exchange, fields);
      return undefined;
    }
    const asked = readStreamRequest(query, headers, this.#subscriptions.limits);
    if ("fault" in asked) {
      reject(exchange, 422, asked.fault, fields);
      return undefined;
    }
    const stream = new Stream(exchange);
    stream.opening = {
      attempt: undefined,
      isHead: method === "HEAD",
      fields,
      channels: asked.channels,
      undecided: asked.channels.length,
      joined: [],
      denied: [],
      unavailable: undefined,
      positions: new Map(),
    };
    this.#admit(stream, headers, asked);
    return stream.state === "ended" ? undefined : stream;
  }

  /** The client has taken some of what was written. */
  writable({ socket }: Stream): void {
    if (socket !== undefined) this.#subscriptions.writable(socket);
  }

  /** The connection is gone. Idempotent. */
  gone(stream: Stream): void {
    const attempt = stream.opening?.attempt;
    if (attempt !== undefined) this.#connects.abandon(attempt);
    this.#ended(stream);
  }

  /** Cuts every stream. */
  stop(): void {
    for (const stream of this.#open) {
      stream.exchange.destroy();
      this.#ended(stream);
    }
  }

  joined(stream: Stream, subscription: Subscription, accepted: AcceptedJoin): void {
    stream.opening?.joined.push({ subscription, accepted });
    this.#decidedOne(stream);
  }

  denied(stream: Stream, channel: string, reason: string, isTemporary: boolean): void {
    const { opening } = stream;
    opening?.denied.push({ channel, reason });
    if (isTemporary && opening !== undefined) opening.unavailable = reason;
    this.#decidedOne(stream);
  }

  #admit(stream: Stream, headers: Headers, asked: StreamRequest): void {
    const attempt = {
      authRequest: () => ({
        headers,
        remoteAddress: stream.exchange.remoteAddress,
        origin: headers.origin,
        params: asked.params,
        token: asked.token,
      }),
      decided: (outcome: ConnectOutcome) => this.#decided(stream, asked, outcome),
    };
    if (stream.opening !== undefined) stream.opening.attempt = attempt;
    this.#connects.admit(attempt);
  }

  #decided(stream: Stream, asked: StreamRequest, outcome: ConnectOutcome): void {
    if (stream.opening !== undefined) stream.opening.attempt = undefined;
    if (stream.state !== "opening") return;
    switch (outcome.kind) {
      case "allowed":
        this.#join(stream, asked, outcome.identity);
        break;
      case "denied":
        this.#reject(stream, {});
        break;
      case "draining":
        this.#postpone(stream, CLOSE_DRAIN, undefined, outcome.spreadMs);
        break;
      case "throttled":
        this.#postpone(stream, CLOSE_TRY_AGAIN, "too many connects at once");
    }
  }

  #join(stream: Stream, { channels, since }: StreamRequest, identity: Identity): void {
    const socket = new Socket<Stream>(this.#writers.for(channels), identity);
    stream.socket = socket;
    this.#subscriptions.add(socket, stream);
    const cursor = since === undefined ? undefined : new Cursor(since);
    for (const channel of channels) {
      if (stream.state !== "opening") return;
      // No broker gives an empty id: a channel that the cursor does not name cannot be recovered.
      const id = cursor && (cursor.idOf(channel, channels.length === 1) ?? "");
      this.#subscriptions.joins.join(socket, channel, Json.emptyObject, id, id);
    }
  }

  #decidedOne(stream: Stream): void {
    const { opening } = stream;
    if (opening === undefined || stream.state !== "opening" || --opening.undecided > 0) return;
    if (opening.unavailable !== undefined)
      this.#postpone(stream, CLOSE_TRY_AGAIN, opening.unavailable);
    else if (opening.joined.length === 0) this.#reject(stream, { denied: inOrder(opening) });
    else this.#begin(stream, opening);
  }

  #begin(stream: Stream, opening: Opening): void {
    const { exchange, socket } = stream;
    if (socket !== undefined && opening.denied.length > 0) {
      // The cursors of those that joined more channels would tell where the denied ones stand.
      this.#writers.release(socket.writer);
      socket.writer = this.#writers.for(
        opening.joined.map(({ subscription }) => subscription.channel),
      );
    }
    startStream(exchange, opening.fields);
    if (opening.isHead) {
      exchange.end("");
      this.#ended(stream);
      return;
    }
    stream.state = "open";
    this.#open.add(stream);
    this.#sweeping ??= setInterval(() => this.#sweep(), this.#sweepMs);
    this.#sweeping.unref?.();
    this.#write(stream, `${retryLine(this.#retryMs())}:\n\n${openingEvents(opening)}`);
    if (socket !== undefined) this.#subscriptions.opened(socket);
    for (const { subscription } of opening.joined) this.#subscriptions.joins.begin(subscription);
    // Without a history there is nothing to resume.
    if (opening.positions.size === 0) stream.opening = undefined;
  }

  #close(stream: Stream, reason: CloseReason): void {
    const ms = this.#retryMs(reason.kind === "drain" ? reason.retryMs : 0);
    const { code, text, comesBack } = streamEnd(reason, ms);
    if (stream.state === "open") {
      stream.exchange.end((comesBack ? retryLine(ms) : "") + closedEvent(code, text));
      this.#ended(stream);
    } else if (code === CLOSE_POLICY) {
      this.#reject(stream, {});
    } else {
      this.#postpone(stream, code, text);
    }
  }

  /** An EventSource that gets this does not come back (HTML standard, "fail the connection"). */
  #reject(stream: Stream, details: object): void {
    const { exchange, opening } = stream;
    reject(exchange, 403, "Access Forbidden", opening?.fields ?? {}, details);
    this.#ended(stream);
  }

  /** Not an error status: an EventSource would not come back. */
  #postpone(stream: Stream, code: number, reason?: string, spreadMs = 0): void {
    const { exchange, opening } = stream;
    const ms = this.#retryMs(0, spreadMs);
    startStream(exchange, opening?.fields ?? {});
    exchange.end(retryLine(ms) + closedEvent(code, reason ?? `retry in ${ms}`));
    this.#ended(stream);
  }

  #write(stream: Stream, text: string): void {
    stream.write(text, utf8Length(text));
  }

  #retryMs(afterMs = 0, spreadMs = 0): number {
    const spread = Math.max(RETRY_SPREAD_MS, spreadMs);
    return Math.max(afterMs, Math.floor(RETRY_MS_MIN + this.#random() * (spread + 1)));
  }

  #ended(stream: Stream): void {
    if (stream.state === "ended") return;
    stream.state = "ended";
    const { socket } = stream;
    if (socket !== undefined) {
      this.#subscriptions.closed(socket);
      this.#writers.release(socket.writer);
    }
    if (this.#open.delete(stream) && this.#open.size === 0) {
      clearInterval(this.#sweeping);
      this.#sweeping = undefined;
    }
  }

  #sweep(): void {
    for (const stream of this.#open) {
      if (++stream.quietFor < this.#quietMax || stream.exchange.bufferedBytes > 0) continue;
      stream.write(HEARTBEAT, HEARTBEAT.length);
    }
  }
}

/** Denied channels, channels that could not be resumed, and where the stream begins. */
function openingEvents(opening: Opening): string {
  let events = "";
  for (const denial of inOrder(opening)) events += namedEvent("denied", denial);
  for (const { subscription, accepted } of opening.joined) {
    const { channel } = subscription;
    const { position: id, recovered } = accepted;
    if (recovered === false) events += namedEvent("gap", { channel, recovered, id });
    const from = recovered === true ? (subscription.tag as string) : id;
    if (from !== undefined) opening.positions.set(channel, from);
  }
  return opening.positions.size === 0
    ? events
    : events + positionEvent(cursorOf(opening.positions));
}

/** Answers may come in any order; the client gets them as it asked. */
function inOrder({ channels, denied }: Opening): Opening["denied"] {
  const place = ({ channel }: { readonly channel: string }) => channels.indexOf(channel);
  return denied.length < 2 ? denied : denied.sort((one, other) => place(one) - place(other));
}
