import {
  CONNECT_TIMEOUT_MS,
  isRecord,
  type JoinResponse,
  type Message,
  parse,
  type Transport,
  type TransportEvents,
} from "./transport.js";
import type { WebSocketConstructor, WebSocketLike } from "./types.js";

/** Maximum time for any answer of the server. */
const ANSWER_MS = 10_000;
/** The same if the page has become visible again, or the network has changed. */
const PROBE_MS = 4_000;
const OPEN = 1;

type Timer = ReturnType<typeof setTimeout>;

interface Join {
  readonly ref: string;
  readonly timer: Timer;
  isAnswered: boolean;
}

export interface PhoenixSocketOptions {
  readonly WebSocket: WebSocketConstructor;
  readonly url: string;
  readonly protocols: string[] | undefined;
  readonly heartbeatMs: number;
}

/**
 * Phoenix Channels, serializer 2.0.0, over one WebSocket. A frame is `[join_ref, ref, topic, event,
 * payload]`: docs/protocol.md.
 */
export class PhoenixSocket implements Transport {
  readonly kind = "websocket";
  readonly #events: TransportEvents;
  readonly #heartbeatMs: number;
  readonly #joins = new Map<string, Join>();
  /** Reference → function to call on the answer to a leave. */
  readonly #leaves = new Map<string, () => void>();
  #socket: WebSocketLike | undefined;
  #ref = 0;
  #sentAt = 0;
  #isOver = false;
  #connectTimer: Timer | undefined;
  #heartbeatTimer: Timer | undefined;
  /** Runs while an answer is awaited; any frame stops it. */
  #deadline: Timer | undefined;
  #onClosed: (() => void) | undefined;

  constructor(options: PhoenixSocketOptions, events: TransportEvents) {
    this.#events = events;
    this.#heartbeatMs = options.heartbeatMs;
    this.#connectTimer = setTimeout(() => this.#lose("no answer"), CONNECT_TIMEOUT_MS);
    try {
      this.#open(new options.WebSocket(options.url, options.protocols));
    } catch {
      // For example, a page of https must not open ws:. The error's message may contain the URL.
      setTimeout(() => this.#lose("not possible here"));
    }
  }

  #open(socket: WebSocketLike): void {
    this.#socket = socket;
    socket.onopen = () => {
      clearTimeout(this.#connectTimer);
      if (this.#isOver) return;
      this.#beatLater();
      this.#events.open();
    };
    socket.onmessage = ({ data }: { data: unknown }) => this.#receive(data);
    // Never removed: in Node, an error without a listener ends the process.
    socket.onerror = () => undefined;
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      this.#onClosed?.();
      this.#end(code, reason);
    };
  }

  join(channel: string, params: Readonly<Record<string, unknown>>): void {
    clearTimeout(this.#joins.get(channel)?.timer);
    const ref = `${++this.#ref}`;
    const timer = setTimeout(() => {
      this.#joins.delete(channel);
      this.#events.dropped(channel, "the join was not answered");
    }, ANSWER_MS);
    this.#joins.set(channel, { ref, timer, isAnswered: false });
    this.#send([ref, ref, channel, "phx_join", params]);
  }

  leave(channel: string): Promise<void> {
    const join = this.#joins.get(channel);
    if (join === undefined || this.#isOver) return Promise.resolve();
    this.#forget(channel);
    const ref = `${++this.#ref}`;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#leaves.get(ref)?.(), ANSWER_MS);
      this.#leaves.set(ref, () => {
        clearTimeout(timer);
        this.#leaves.delete(ref);
        resolve();
      });
      this.#send([join.ref, ref, channel, "phx_leave", {}]);
    });
  }

  probe(): void {
    if (this.#socket?.readyState === OPEN) this.#beat(PROBE_MS);
  }

  close(): Promise<void> {
    const socket = this.#socket;
    this.#stop();
    if (socket === undefined || socket.readyState > OPEN) return Promise.resolve();
    return new Promise((resolve) => {
      // A dead network does not answer a close frame, so the wait is short.
      const timer = setTimeout(resolve, 1_000);
      this.#onClosed = () => {
        clearTimeout(timer);
        resolve();
      };
      socket.close(1000);
    });
  }

  #receive(data: unknown): void {
    if (this.#isOver) return;
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
    // Timers of a hidden page run once a minute, which is not enough for heartbeats.
    if (Date.now() - this.#sentAt > this.#heartbeatMs) this.#beat();
    const frame = parse(data);
    if (!Array.isArray(frame)) return;
    const [joinRef, ref, topic, event, payload] = frame as unknown[];
    if (!isRecord(payload)) return;
    if (event === "phx_reply") this.#leaves.get(ref as string)?.();
    const join = typeof topic === "string" ? this.#joins.get(topic) : undefined;
    // A frame of an earlier join is ignored. A push need not have a reference.
    if (join === undefined || (typeof joinRef === "string" && joinRef !== join.ref)) return;
    this.#dispatch(topic as string, join, ref, event, payload);
  }

  #dispatch(
    channel: string,
    join: Join,
    ref: unknown,
    event: unknown,
    payload: Record<string, unknown>,
  ): void {
    if (event === "msg") {
      if (typeof payload.event === "string") {
        this.#events.message(channel, payload as unknown as Message);
      }
    } else if (event === "phx_reply" && ref === join.ref && !join.isAnswered) {
      const response = (isRecord(payload.response) ? payload.response : {}) as JoinResponse;
      clearTimeout(join.timer);
      join.isAnswered = true;
      if (payload.status === "ok") {
        this.#events.joined(channel, response);
      } else {
        this.#forget(channel);
        this.#events.denied(channel, response);
      }
    } else if (event === "phx_error" || event === "phx_close") {
      this.#forget(channel);
      this.#events.dropped(channel, "the server closed it");
    }
  }

  #forget(channel: string): void {
    clearTimeout(this.#joins.get(channel)?.timer);
    this.#joins.delete(channel);
  }

  #beat(patienceMs = Math.min(ANSWER_MS, this.#heartbeatMs)): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#lose("no answer"), patienceMs);
    this.#send([null, `${++this.#ref}`, "phoenix", "heartbeat", {}]);
    this.#beatLater();
  }

  #beatLater(): void {
    clearTimeout(this.#heartbeatTimer);
    this.#heartbeatTimer = setTimeout(() => this.#beat(), this.#heartbeatMs);
  }

  #send(frame: readonly unknown[]): void {
    if (this.#socket?.readyState !== OPEN) return;
    this.#sentAt = Date.now();
    this.#socket.send(JSON.stringify(frame));
  }

  /** Ends a dead connection, whose close event may take minutes or never come. */
  #lose(reason: string): void {
    const socket = this.#socket;
    this.#end(1006, reason);
    if (socket !== undefined && socket.readyState <= OPEN) socket.close();
  }

  #end(code: number, reason: string): void {
    if (this.#isOver) return;
    this.#stop();
    this.#events.closed({ code, reason });
  }

  #stop(): void {
    this.#isOver = true;
    for (const timer of [this.#connectTimer, this.#heartbeatTimer, this.#deadline]) {
      clearTimeout(timer);
    }
    for (const { timer } of this.#joins.values()) clearTimeout(timer);
    this.#joins.clear();
    for (const resolve of [...this.#leaves.values()]) resolve();
  }
}
