import {
  type Close,
  CONNECT_TIMEOUT_MS,
  isRecord,
  type JoinResponse,
  type Message,
  parse,
  type Transport,
  type TransportEvents,
} from "./transport.js";
import type { EventSourceConstructor, EventSourceLike, StreamEvent } from "./types.js";

/** How long to wait for a stream's first position. There is none if no channel keeps history. */
const SETTLE_MS = 100;

const LOST: Close = { code: 1006, reason: "the event stream ended" };

type Timer = ReturnType<typeof setTimeout>;

/** The last event's id, and the channels of its stream, whose positions the id contains. */
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
 * Server-sent events of a fixed set of channels: `GET /push_events?channel=…`. It does not use the
 * reconnects of EventSource, which have no jitter and cannot change the token.
 */
export class EventStream implements Transport {
  readonly kind = "sse";
  readonly #options: EventStreamOptions;
  readonly #events: TransportEvents;
  readonly #source: EventSourceLike | undefined;
  /** Channels that the server has not yet reported as denied, resumed, or with a gap. */
  readonly #unsettled: Set<string>;
  /** Channels that have not been denied. */
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
    this.#listen("denied", (event) => this.#denied(event));
    this.#listen("gap", (event) => this.#gap(event));
    this.#listen("position", (event) => this.#begin(event));
    this.#listen("message", (event) => this.#message(event));
    this.#listen("closed", (event) => this.#closed(event));
  }

  join(): void {
    // Another set of channels needs another stream.
  }

  leave(): Promise<void> {
    return Promise.resolve();
  }

  probe(): void {
    // The client cannot send on an event stream.
  }

  close(): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#source?.close();
    return Promise.resolve();
  }

  #listen(type: string, listener: (event: StreamEvent) => void): void {
    this.#source?.addEventListener(type, (event) => {
      if (!this.#isOver) listener(event);
    });
  }

  #open(): void {
    clearTimeout(this.#timer);
    // If the stream resumes, the server reports every channel, so no timeout is needed.
    if (this.#options.cursor.id === undefined) {
      this.#timer = setTimeout(() => this.#settle(this.#unsettled, {}), SETTLE_MS);
    }
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

  /** All gaps and denials were reported; the other channels have no gap. */
  #begin(event: StreamEvent): void {
    const { id } = this.#read(event);
    this.#settle(this.#unsettled, id === undefined ? {} : { id });
  }

  #message(event: StreamEvent): void {
    const message = this.#read(event);
    if (!this.#has(message.channel) || typeof message.event !== "string") return;
    // A channel without history may get messages before the stream's first position.
    if (this.#unsettled.has(message.channel)) this.#settle([message.channel], {});
    this.#events.message(message.channel, message as unknown as Message);
  }

  #settle(channels: Iterable<string>, { id }: Pick<JoinResponse, "id">): void {
    for (const channel of [...channels]) {
      this.#unsettled.delete(channel);
      const recovered = id !== undefined && this.#resumed.has(channel);
      this.#events.joined(channel, { ...(id !== undefined && { id }), recovered });
    }
  }

  /** The server ends the stream, with the code and reason as for a WebSocket. */
  #closed(event: StreamEvent): void {
    const { code, reason } = this.#read(event);
    this.#end({
      code: typeof code === "number" ? code : LOST.code,
      reason: typeof reason === "string" ? reason : LOST.reason,
    });
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

  #end(close = LOST): void {
    if (this.#isOver) return;
    void this.close();
    this.#events.closed(close);
  }
}
