import {
  CONNECT_TIMEOUT_MS,
  isRecord,
  type JoinResponse,
  type Message,
  parse,
  type Transport,
  type TransportEvents,
} from "./transport.js";
import type { EventSourceConstructor, EventSourceLike } from "./types.js";

/** How long a stream may take to say what it cannot resume, where nothing else comes. */
const SETTLE_MS = 100;

type Timer = ReturnType<typeof setTimeout>;

interface StreamEvent {
  readonly data?: unknown;
  readonly lastEventId?: unknown;
}

/** The last event's id, and the channels whose position it holds: those of the stream it came from. */
export class Cursor {
  id: string | undefined;
  covers: ReadonlySet<string> = new Set();
}

export interface EventStreamOptions {
  readonly EventSource: EventSourceConstructor;
  readonly url: string;
  readonly channels: ReadonlySet<string>;
  readonly cursor: Cursor;
}

/**
 * Server-sent events of a fixed set of channels: `GET /push_events?channel=…`. The EventSource's own
 * reconnecting is not used: it knows no jitter, and no token but the first.
 */
export class EventStream implements Transport {
  readonly kind = "sse";
  readonly #options: EventStreamOptions;
  readonly #events: TransportEvents;
  readonly #source: EventSourceLike | undefined;
  /** Channels of which it is open whether they are denied, or could not be resumed. */
  readonly #unsettled: Set<string>;
  /** Those that have not been denied. */
  readonly #channels: Set<string>;
  readonly #resumed: ReadonlySet<string>;
  #timer: Timer;
  #isOver = false;

  constructor(options: EventStreamOptions, events: TransportEvents) {
    this.#options = options;
    this.#events = events;
    this.#unsettled = new Set(options.channels);
    this.#channels = new Set(options.channels);
    this.#resumed = options.cursor.id === undefined ? new Set() : options.cursor.covers;
    this.#timer = setTimeout(() => this.#end(), CONNECT_TIMEOUT_MS);
    try {
      this.#source = new options.EventSource(options.url);
    } catch {
      setTimeout(() => this.#end());
      return;
    }
    this.#listen("open", () => this.#open());
    this.#listen("error", () => this.#end());
    this.#listen("gap", (event) => this.#gap(event));
    this.#listen("denied", (event) => this.#denied(event));
    this.#listen("position", (event) => this.#begun(event));
    this.#listen("message", (event) => this.#message(event));
  }

  join(): void {
    // Another set of channels needs another stream.
  }

  leave(): Promise<void> {
    return Promise.resolve();
  }

  probe(): void {
    // Nothing can be sent.
  }

  close(): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#source?.close();
    return Promise.resolve();
  }

  #listen(type: string, listener: (event: StreamEvent) => void): void {
    this.#source?.addEventListener(type, (event: StreamEvent) => {
      if (!this.#isOver) listener(event);
    });
  }

  #open(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#settle(), SETTLE_MS);
    this.#events.open();
  }

  #gap(event: StreamEvent): void {
    const { channel, id } = this.#read(event);
    if (!this.#has(channel)) return;
    this.#unsettled.delete(channel);
    this.#events.joined(channel, { ...(id !== undefined && { id }), recovered: false });
  }

  #denied(event: StreamEvent): void {
    const { channel, ...response } = this.#read(event);
    if (!this.#has(channel)) return;
    this.#unsettled.delete(channel);
    this.#channels.delete(channel);
    this.#events.denied(channel, response);
  }

  /** All gaps and denials are told. Its id is the first cursor: the stream may end before a message. */
  #begun(event: StreamEvent): void {
    this.#read(event);
    this.#settle();
  }

  #message(event: StreamEvent): void {
    this.#settle();
    const message = this.#read(event);
    if (this.#has(message.channel) && typeof message.event === "string") {
      this.#events.message(message.channel, message as unknown as Message);
    }
  }

  /** What has not been denied or been lost by now is listened to. */
  #settle(): void {
    for (const channel of [...this.#unsettled]) {
      this.#unsettled.delete(channel);
      this.#events.joined(channel, { recovered: this.#resumed.has(channel) });
    }
  }

  #read({ data, lastEventId }: StreamEvent): JoinResponse {
    if (typeof lastEventId === "string" && lastEventId !== "") {
      this.#options.cursor.id = lastEventId;
      this.#options.cursor.covers = this.#channels;
    }
    const value = parse(data);
    return isRecord(value) ? value : {};
  }

  #has(channel: unknown): channel is string {
    return typeof channel === "string" && this.#channels.has(channel);
  }

  #end(): void {
    if (this.#isOver) return;
    void this.close();
    this.#events.closed({ code: 1006, reason: "the stream of events ended" });
  }
}
