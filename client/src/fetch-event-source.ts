import type { EventSourceLike, StreamEvent } from "./types.js";

type EventListener = (event: StreamEvent) => void;

/**
 * Server-sent events on top of `fetch`, for platforms without EventSource, such as Node. It reads one
 * stream to its end and then reports `error`. It does not reconnect.
 *
 * The format: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 */
export class FetchEventSource implements EventSourceLike {
  readonly #listeners = new Map<string, EventListener[]>();
  readonly #abort = new AbortController();
  #lastEventId = "";
  #event = "";
  #data: string[] = [];

  constructor(url: string) {
    void this.#read(url);
  }

  addEventListener(type: string, listener: EventListener): void {
    const listeners = this.#listeners.get(type) ?? [];
    this.#listeners.set(type, [...listeners, listener]);
  }

  close(): void {
    this.#listeners.clear();
    this.#abort.abort();
  }

  async #read(url: string): Promise<void> {
    try {
      const response = await fetch(url, {
        headers: { accept: "text/event-stream" },
        signal: this.#abort.signal,
      });
      const type = response.headers.get("content-type") ?? "";
      if (response.ok && response.body !== null && type.startsWith("text/event-stream")) {
        this.#emit("open", "");
        await this.#readLines(response.body.getReader());
      } else {
        this.#abort.abort();
      }
    } catch {
      // Reported below, like a normal end of the stream.
    }
    this.#emit("error", "");
  }

  async #readLines(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    // Also drops a byte order mark at the beginning.
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      // A carriage return at the end may be the first half of a CRLF.
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? "";
      for (const line of lines) this.#readLine(line);
    }
  }

  #readLine(line: string): void {
    if (line === "") {
      if (this.#data.length > 0) this.#emit(this.#event || "message", this.#data.join("\n"));
      this.#event = "";
      this.#data = [];
      return;
    }
    const [, field, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#lastEventId = value;
  }

  #emit(type: string, data: string): void {
    const event = { data, lastEventId: this.#lastEventId };
    for (const listener of this.#listeners.get(type) ?? []) listener(event);
  }
}
