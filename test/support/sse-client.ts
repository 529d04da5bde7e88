import { type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { Inbox, within } from "./inbox.js";

/** One event as the HTML standard makes it of a stream. */
export interface SseEvent {
  readonly type: string;
  readonly data: string;
  /** What the client would come back with behind this event. */
  readonly lastEventId: string;
}

export interface SseAsk {
  readonly method?: string;
  readonly headers?: Record<string, string>;
}

/** Interprets a stream as the HTML standard says ("Interpreting an event stream"). */
export class SseParser {
  lastEventId = "";
  retry: number | undefined;
  comments = 0;
  /** A line that has not ended yet. */
  #rest = "";
  #type = "";
  #data: string[] = [];

  constructor(readonly onEvent: (event: SseEvent) => void) {}

  feed(text: string): void {
    this.#rest += text;
    // A carriage return that comes last may be the first half of a line's end.
    const lines = this.#rest.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() as string;
    for (const line of lines) this.#take(line);
  }

  #take(line: string): void {
    if (line === "") {
      const [type, data] = [this.#type || "message", this.#data.join("\n")];
      const isEvent = this.#data.length > 0;
      this.#type = "";
      this.#data = [];
      if (isEvent) this.onEvent({ type, data, lastEventId: this.lastEventId });
      return;
    }
    if (line.startsWith(":")) {
      this.comments++;
      return;
    }
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#type = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id") this.lastEventId = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
  }
}

/** A client of one stream that hides nothing. */
export class SseClient {
  readonly events = new Inbox<SseEvent>("events");
  readonly parser = new SseParser((event) => this.events.push(event));
  readonly closed: Promise<void>;

  private constructor(readonly response: IncomingMessage) {
    response.setEncoding("utf8");
    response.on("data", (text: string) => this.parser.feed(text));
    this.closed = new Promise((resolve) => {
      response.on("error", () => {});
      response.once("close", () => resolve());
    });
  }

  /** Resolves with the head of the answer, whatever it says. */
  static async connect(port: number, path: string, ask: SseAsk = {}): Promise<SseClient> {
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      const { method = "GET", headers = {} } = ask;
      const options = { port, host: "127.0.0.1", path, method, headers, agent: false };
      const outgoing = request(options, resolve);
      outgoing.on("error", reject);
      outgoing.end();
    });
    return new SseClient(await within(response, `an answer to ${path}`));
  }

  get status(): number {
    return this.response.statusCode as number;
  }

  get headers(): IncomingHttpHeaders {
    return this.response.headers;
  }

  /** The next message's JSON, whatever other events come before it. */
  async message(): Promise<{ channel: string; event: string; data: unknown; id?: string }> {
    const { data } = await this.events.next(({ type }) => type === "message");
    return JSON.parse(data);
  }

  /** The next event of this name; its data as a value. */
  async named(name: string): Promise<unknown> {
    const { data } = await this.events.next(({ type }) => type === name);
    return JSON.parse(data);
  }

  /** Goes away without a word. */
  close(): void {
    this.response.destroy();
  }
}

/** `?channel=…&channel=…`, then more. */
export function query(channels: readonly string[], more: Record<string, string> = {}): string {
  const params = new URLSearchParams(more);
  for (const channel of channels) params.append("channel", channel);
  return `?${params}`;
}
