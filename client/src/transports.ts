import type { Grant } from "./credentials.js";
import { type Cursor, EventStream } from "./event-stream.js";
import { FetchEventSource } from "./fetch-event-source.js";
import { PhoenixSocket } from "./phoenix-socket.js";
import type { Transport, TransportEvents } from "./transport.js";
import type {
  EventSourceConstructor,
  HexpushOptions,
  TransportKind,
  WebSocketConstructor,
} from "./types.js";
import { eventsUrl, socketUrl, tokenProtocols } from "./urls.js";

/** Creates connections, and decides the kind of the next one. */
export class Transports {
  readonly #url: string;
  readonly #eventsUrl: string | undefined;
  readonly #heartbeatMs: number;
  readonly #WebSocket: WebSocketConstructor | undefined;
  readonly #EventSource: EventSourceConstructor | undefined;
  readonly #fallbackAfter: number;
  /** Consecutive attempts that did not open. */
  readonly #failures = { websocket: 0, sse: 0 };
  readonly #hasOpened = { websocket: false, sse: false };

  /** @throws TypeError if no kind is available */
  constructor(url: string, options: HexpushOptions) {
    const kinds = options.transports ?? ["websocket", "sse"];
    const host = globalThis as {
      WebSocket?: WebSocketConstructor;
      EventSource?: EventSourceConstructor;
    };
    this.#url = url;
    this.#eventsUrl = options.eventsUrl;
    this.#heartbeatMs = options.heartbeatMs ?? 30_000;
    this.#fallbackAfter = options.fallbackAfter ?? 2;
    if (kinds.includes("websocket")) this.#WebSocket = options.WebSocket ?? host.WebSocket;
    if (kinds.includes("sse")) {
      this.#EventSource = options.EventSource ?? host.EventSource ?? FetchEventSource;
    }
    if (this.#WebSocket === undefined && this.#EventSource === undefined) {
      throw new TypeError("no WebSocket available: set the option WebSocket");
    }
  }

  get hasWebSocket(): boolean {
    return this.#WebSocket !== undefined;
  }

  /** The kind of the next connection; undefined if there are no channels and SSE is the only kind. */
  next(channels: number): TransportKind | undefined {
    if (this.#WebSocket === undefined) return channels > 0 ? "sse" : undefined;
    if (this.#EventSource === undefined || this.#hasOpened.websocket) return "websocket";
    if (this.#failures.sse >= this.#fallbackAfter) {
      this.#failures.sse = 0;
      // If streams have worked, the server is probably away, and one WebSocket attempt is enough.
      this.#failures.websocket = this.#hasOpened.sse ? this.#fallbackAfter - 1 : 0;
    }
    return this.#failures.websocket < this.#fallbackAfter || channels === 0 ? "websocket" : "sse";
  }

  opened(kind: TransportKind): void {
    this.#failures[kind] = 0;
    this.#hasOpened[kind] = true;
  }

  failed(kind: TransportKind): void {
    this.#failures[kind] += 1;
  }

  build(
    kind: TransportKind,
    grant: Grant,
    { channels, cursor }: { readonly channels: ReadonlySet<string>; readonly cursor: Cursor },
    events: TransportEvents,
  ): Transport {
    const { params, token } = grant;
    if (kind === "websocket" && this.#WebSocket !== undefined) {
      return new PhoenixSocket(
        {
          WebSocket: this.#WebSocket,
          url: socketUrl(this.#url, params),
          protocols: token === undefined ? undefined : tokenProtocols(token),
          heartbeatMs: this.#heartbeatMs,
        },
        events,
      );
    }
    const inUrl = token === undefined ? params : { ...params, token };
    const urls = { url: this.#url, eventsUrl: this.#eventsUrl };
    return new EventStream(
      {
        EventSource: this.#EventSource ?? FetchEventSource,
        url: eventsUrl(urls, inUrl, channels, cursor.id),
        channels,
        cursor,
      },
      events,
    );
  }
}
