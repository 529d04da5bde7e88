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

/** How long a stream may take to say where it begins. Where no channel keeps history, none does. */
const SETTLE_MS = 100;

const LOST: Close = { code: 1006, reason: "the stream of events ended" };

type Timer = ReturnType<typeof setTimeout>;

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
  /** Channels of which the server has not told yet whether they are denied, lost or resumed. */
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
    // Nothing can be sent.
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
    // Of a stream that resumes every channel is told, however long the server has to read.
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

  /** All gaps and denials have been told; of the other channels nothing is missing from here on. */
  #begin(event: StreamEvent): void {
    const { id } = this.#read(event);
    this.#settle(this.#unsettled, id === undefined ? {} : { id });
  }

  #message(event: StreamEvent): void {
    const message = this.#read(event);
    if (!this.#has(message.channel) || typeof message.event !== "string") return;
    // On a channel that keeps no history it may come before the stream has begun for the others.
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

  /** The server ends the stream, and says why as it does when it closes a WebSocket. */
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
