/** How messages come in: WebSocket, or server-sent events where WebSockets are blocked. */
export type TransportKind = "websocket" | "sse";

/** Connect parameters, part of the URL. */
export type Params = Readonly<Record<string, string | number | boolean>>;

/** Where a channel's history stands; opaque, kept and given back as the server gave it. */
export type Position = string | number;

/** By event, what its data is: `{ message: { text: string } }`. */
export type EventsOf<Channels, Name extends keyof Channels> = Channels[Name] & object;

/** What `new WebSocket` has to bring: the browser's, Node's own, or the one of the package `ws`. */
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

/** An event of a stream; `open` and `error` have nothing in them. */
export interface StreamEvent {
  readonly data?: unknown;
  readonly lastEventId?: unknown;
}

/** What `new EventSource` has to bring. */
export interface EventSourceLike {
  addEventListener(type: string, listener: (event: StreamEvent) => void): void;
  close(): void;
}

export type EventSourceConstructor = new (url: string) => EventSourceLike;

/** What went wrong, without any secret or payload in it. */
export class HexpushError extends Error {
  /**
   * - `connect`: a connection could not be had; the client tries again.
   * - `closed`: the server has closed the connection with an error; the client comes back.
   * - `credentials`: `token` or `getParams` has failed; the client tries again.
   * - `token`: the token is not good any more and there is no way to get another: the client stops.
   * - `channel`: the server has ended a channel; the client joins it again.
   */
  readonly code: "connect" | "closed" | "credentials" | "token" | "channel";

  constructor(code: HexpushError["code"], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "HexpushError";
    this.code = code;
  }
}

export interface Disconnect {
  /** The close code, which a stream of events tells too; 1006 where there was none. */
  readonly code: number;
  readonly reason: string;
  /** Whether the client comes back by itself. */
  readonly willReconnect: boolean;
}

export interface HexpushOptions<Client = unknown> {
  /**
   * A token, or how to get one: asked again for each connection, and some time before the `exp` of
   * a JWT. It travels beside the URL over WebSocket, in the URL with server-sent events.
   */
  readonly token?: string | (() => string | Promise<string>);
  readonly params?: Params;
  /** As `params`, and asked for each connection. An `exp` of its `token` counts too. */
  readonly getParams?: () => Params | Promise<Params>;
  /** @defaultValue `["websocket", "sse"]` */
  readonly transports?: readonly TransportKind[];
  /** Bounds of the delays between attempts. @defaultValue 500 and 30,000 milliseconds */
  readonly reconnect?: { readonly minMs?: number; readonly maxMs?: number };
  /** In place of `reconnect`, as in pushex: the milliseconds before attempt `tries`, from 1. */
  readonly socketReconnectAlgorithm?: (tries: number) => number;
  /** WebSocket connects that fail, none ever having opened, before SSE is tried. @defaultValue 2 */
  readonly fallbackAfter?: number;
  /** How often WebSocket is tried again while SSE works. @defaultValue 600,000 milliseconds */
  readonly webSocketRetryMs?: number;
  /** At most 45 seconds, or the server takes the client for gone. @defaultValue 30,000 */
  readonly heartbeatMs?: number;
  /** Of the events. @defaultValue the socket's, with `/push_events` in place of `/push_socket` */
  readonly eventsUrl?: string;
  /** @defaultValue the global one */
  readonly WebSocket?: WebSocketConstructor;
  /** @defaultValue the global one, else a reader on top of `fetch` */
  readonly EventSource?: EventSourceConstructor;
  /** In place of `Math.random`, for tests. */
  readonly random?: () => number;
  /** Connected, also each time that the connection has come back. */
  readonly onConnect?: (client: Client) => void;
  readonly onDisconnect?: (disconnect: Disconnect, client: Client) => void;
  readonly onError?: (error: HexpushError, client: Client) => void;
  /** As in pushex: a connection could not be had, or broke. */
  readonly onConnectionError?: (client: Client) => void;
}

export interface SubscribeOptions {
  /** The join's payload, for the server's policy. Not sent with server-sent events. */
  readonly params?: Readonly<Record<string, unknown>>;
  /**
   * Start behind this message instead of now, for instance where a page was rendered with the
   * messages up to it. `recovered` tells whether that was possible; with server-sent events it is
   * not.
   */
  readonly lastEventId?: Position;
}

/** What a subscription tells of itself, by `subscription.on(…)`. */
export interface Lifecycle {
  /** Listening, also each time anew. `response`: what the server's policy says besides. */
  readonly joined: { readonly response: Readonly<Record<string, unknown>> };
  /** May not listen. Tried again later, until `unsubscribe`. */
  readonly denied: {
    readonly reason: string;
    readonly response: Readonly<Record<string, unknown>>;
  };
  /**
   * Listening again after a break. True: what came in between follows, all of it. False: some of
   * it may be lost, and the application has to load its state anew.
   */
  readonly recovered: { readonly recovered: boolean };
  readonly error: HexpushError;
}

export type ChannelState = "joining" | "joined" | "denied" | "closed";
