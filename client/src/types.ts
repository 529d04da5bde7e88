/** The transport of messages: WebSocket, or server-sent events if WebSockets are blocked. */
export type TransportKind = "websocket" | "sse";

/** Connect parameters, sent in the URL. */
export type Params = Readonly<Record<string, string | number | boolean>>;

/** A position in a channel's history; opaque, sent back as the server gave it. */
export type Position = string | number;

/** Maps each event to its data: `{ message: { text: string } }`. */
export type EventsOf<Channels, Name extends keyof Channels> = Channels[Name] & object;

/** The interface required of `new WebSocket`: of a browser, Node, or the package `ws`. */
export interface WebSocketLike {
  readonly readyState: number;
  send(text: string): void;
  close(code?: number, reason?: string): void;
  onopen: ((event: never) => unknown) | null;
  onmessage: ((event: never) => unknown) | null;
  onerror: ((event: never) => unknown) | null;
  onclose: ((event: never) => unknown) | null;
}

export type WebSocketConstructor = new (url: string, protocols?: string[]) => WebSocketLike;

/** An event of a stream; `open` and `error` have no data. */
export interface StreamEvent {
  readonly data?: unknown;
  readonly lastEventId?: unknown;
}

/** The interface required of `new EventSource`. */
export interface EventSourceLike {
  addEventListener(type: string, listener: (event: StreamEvent) => void): void;
  close(): void;
}

export type EventSourceConstructor = new (url: string) => EventSourceLike;

/** An error without secrets or payloads in its message. */
export class HexpushError extends Error {
  /**
   * - `connect`: connecting failed; the client tries again.
   * - `closed`: the connection was lost, or closed with an error; the client reconnects.
   * - `credentials`: `token` or `getParams` failed; the client tries again.
   * - `token`: the token is no longer valid and the client cannot get another one; the client stops.
   * - `channel`: the server closed a channel; the client joins it again.
   */
  readonly code: "connect" | "closed" | "credentials" | "token" | "channel";

  constructor(code: HexpushError["code"], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "HexpushError";
    this.code = code;
  }
}

export interface Disconnect {
  /** The close code, also of an event stream; 1006 if there was none. */
  readonly code: number;
  readonly reason: string;
  /** Whether the client reconnects by itself. */
  readonly willReconnect: boolean;
}

export interface HexpushOptions<Client = unknown> {
  /**
   * A token, or a function that returns one. The function is called for each connection, and some
   * time before the `exp` of a JWT. The token is sent as a subprotocol over WebSocket, and in the URL
   * with server-sent events.
   */
  readonly token?: string | (() => string | Promise<string>);
  readonly params?: Params;
  /** Like `params`, but called for each connection. The `exp` of its `token` is used too. */
  readonly getParams?: () => Params | Promise<Params>;
  /** @defaultValue `["websocket", "sse"]` */
  readonly transports?: readonly TransportKind[];
  /** Bounds of the delays between attempts. @defaultValue 500 and 30,000 milliseconds */
  readonly reconnect?: { readonly minMs?: number; readonly maxMs?: number };
  /** Replaces `reconnect`, as in pushex: returns the milliseconds before attempt `tries`, from 1. */
  readonly socketReconnectAlgorithm?: (tries: number) => number;
  /** Failed WebSocket connects before SSE is tried, if none has ever opened. @defaultValue 2 */
  readonly fallbackAfter?: number;
  /** Interval of WebSocket attempts while SSE works. @defaultValue 600,000 milliseconds */
  readonly webSocketRetryMs?: number;
  /** Milliseconds between heartbeats; the server closes after 45 s of silence. @defaultValue 30,000 */
  readonly heartbeatMs?: number;
  /** URL of the events. @defaultValue the socket's, with `/push_events` in place of `/push_socket` */
  readonly eventsUrl?: string;
  /** @defaultValue the global one */
  readonly WebSocket?: WebSocketConstructor;
  /** @defaultValue the global one, else a reader on top of `fetch` */
  readonly EventSource?: EventSourceConstructor;
  /** Replaces `Math.random`, for tests. */
  readonly random?: () => number;
  /** Called on each connect and reconnect. */
  readonly onConnect?: (client: Client) => void;
  readonly onDisconnect?: (disconnect: Disconnect, client: Client) => void;
  readonly onError?: (error: HexpushError, client: Client) => void;
  /** As in pushex: connecting failed, or the connection was lost. */
  readonly onConnectionError?: (client: Client) => void;
}

export interface SubscribeOptions {
  /** The payload of the join, for the server's policy. Not sent with server-sent events. */
  readonly params?: Readonly<Record<string, unknown>>;
  /**
   * Starts after this message instead of now, for example if a page was rendered with the messages up
   * to it. `recovered` tells whether that was possible; it is not with server-sent events.
   */
  readonly lastEventId?: Position;
}

/** The events of a subscription, for `subscription.on(…)`. */
export interface Lifecycle {
  /** Joined; after each reconnect too. `response` is from the server's policy. */
  readonly joined: { readonly response: Readonly<Record<string, unknown>> };
  /** The join was denied. It is tried again later, until `unsubscribe`. */
  readonly denied: {
    readonly reason: string;
    readonly response: Readonly<Record<string, unknown>>;
  };
  /**
   * Joined again after a break. True: all missed messages follow. False: messages may be lost, and
   * the application has to reload its state.
   */
  readonly recovered: { readonly recovered: boolean };
  readonly error: HexpushError;
}

export type ChannelState = "joining" | "joined" | "denied" | "closed";
