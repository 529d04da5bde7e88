import type { IncomingMessage, ServerResponse } from "node:http";
import type { Headers } from "../../domain/auth-policy.js";
import type { EventStreams } from "../../protocol/sse/event-streams.js";
import {
  GOODBYE_MS,
  type Stream,
  type StreamExchange,
  type StreamFields,
} from "../../protocol/sse/stream.js";

/** Serves a stream over `node:http`, or what behaves like it. */
export function openStream(
  streams: EventStreams,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  // A client that goes away is no fault; without a listener its error would end the process.
  response.on("error", () => {});
  const { method = "", url = "" } = request;
  const mark = url.indexOf("?");
  const query = mark === -1 ? "" : url.slice(mark + 1);
  // Node joins repeated fields itself, except set-cookie, which no request has.
  const headers = request.headers as Headers;
  const exchange = new NodeExchange(request, response);
  const stream = streams.open({ method, query, headers }, exchange);
  if (stream === undefined) return;
  exchange.serve(streams, stream);
  response.once("close", () => streams.gone(stream));
}

class NodeExchange implements StreamExchange {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #isCorked = false;
  #streams: EventStreams | undefined;
  #stream: Stream | undefined;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
  }

  get remoteAddress(): string | undefined {
    return this.#request.socket.remoteAddress;
  }

  get bufferedBytes(): number {
    return this.#response.writableLength;
  }

  answer(status: number, fields: StreamFields, body: string | undefined): void {
    this.#response.writeHead(status, fields);
    this.#response.end(body);
  }

  start(fields: StreamFields): void {
    this.#response.writeHead(200, fields);
    this.#response.flushHeaders();
  }

  /** Reports buffer space to the stream from now on. */
  serve(streams: EventStreams, stream: Stream): void {
    this.#streams = streams;
    this.#stream = stream;
  }

  write(text: string): void {
    this.#cork();
    const isLive = this.#stream !== undefined && this.#stream.opening === undefined;
    // Only a resume waits for space.
    if (isLive) this.#response.write(text);
    else this.#response.write(text, this.#onSent);
  }

  /** In place of `drain`, which comes only after more bytes than some limits allow. */
  readonly #onSent = (error?: Error | null): void => {
    if (error || this.#stream === undefined) return;
    this.#streams?.writable(this.#stream);
  };

  flush(): void {
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#response.socket?.uncork();
  }

  end(text: string): void {
    const response = this.#response;
    response.end(text);
    const timer = setTimeout(() => response.destroy(), GOODBYE_MS).unref();
    response.once("close", () => clearTimeout(timer));
  }

  destroy(): void {
    this.#response.destroy();
  }

  /** What is written in one turn of the event loop goes out together. */
  #cork(): void {
    const { socket } = this.#response;
    if (this.#isCorked || socket === null || typeof socket.cork !== "function") return;
    this.#isCorked = true;
    socket.cork();
    queueMicrotask(() => this.flush());
  }
}
