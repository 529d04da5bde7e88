import { STATUS_CODES } from "node:http";
import type { Headers } from "../../domain/auth-policy.js";
import { utf8Length } from "../../domain/name.js";
import { requestIdOf } from "../../protocol/http/api.js";
import type { RequestEnd, RequestObserver } from "../../protocol/http/observe-requests.js";
import { EVENTS_PATH, type EventStreams } from "../../protocol/sse/event-streams.js";
import {
  GOODBYE_MS,
  type Stream,
  type StreamExchange,
  type StreamFields,
} from "../../protocol/sse/stream.js";
import type { RawRequest, RawResponse } from "./raw-http.js";

/** What is written within a turn goes out together, up to so many bytes. */
const GATHERED_BYTES_MAX = 65_536;

// One function and one variable in place of a closure for each write: `cork` calls it at once.
let corked: UwsExchange | undefined;
const writeCorked = (): void => corked?.writeNow();

/** Exchanges with something to write; all are written to at the end of this turn. */
let unwritten: UwsExchange[] = [];

function writeAll(): void {
  const exchanges = unwritten;
  unwritten = [];
  for (const exchange of exchanges) exchange.flushQueued();
}

/** The last two texts that were put together: mostly, many streams get the same ones. */
let merged = { first: "", second: "", both: "" };

function merge(first: string, second: string): string {
  if (merged.first !== first || merged.second !== second) {
    merged = { first, second, both: first + second };
  }
  return merged.both;
}

/** Streams of events that the server answers without the handler for `node:http`. */
export interface StreamRoute {
  readonly streams: EventStreams;
  readonly observer: RequestObserver | undefined;
  readonly newRequestId: () => string;
}

/** Serves a stream on uWebSockets.js itself. Must be called in the request's own callback. */
export function openStream(
  { streams, observer, newRequestId }: StreamRoute,
  raw: RawResponse,
  request: RawRequest,
  headers: Headers,
): void {
  const query = request.getQuery() ?? "";
  const requestId = requestIdOf(headers["x-request-id"], newRequestId);
  const onEnd = observer?.(requestId, "GET", EVENTS_PATH);
  const exchange = new UwsExchange(raw, { "x-request-id": requestId }, onEnd);
  // First: what is written while the stream opens may show that the client has gone.
  raw.onAborted(() => exchange.aborted());
  const stream = streams.open({ method: "GET", query, headers }, exchange);
  if (stream !== undefined) exchange.serve(streams, stream);
}

class UwsExchange implements StreamExchange {
  bufferedBytes = 0;
  /** The library takes no more calls for the response. */
  isOver = false;
  #waiting = "";
  #waitingBytes = 0;
  /** The rest of a text that is written piece by piece. */
  #rest: Buffer | undefined;
  /** The client has not taken what was written last. */
  #isBlocked = false;
  #keptBytes = 0;
  #isWatching = false;
  #isQueued = false;
  #isEnding = false;
  #streams: EventStreams | undefined;
  #stream: Stream | undefined;

  constructor(
    private readonly raw: RawResponse,
    /** Written before all others; undefined once they are. */
    private fields: StreamFields | undefined,
    private readonly onEnd: RequestEnd | undefined,
  ) {}

  get remoteAddress(): string | undefined {
    return this.isOver
      ? undefined
      : Buffer.from(this.raw.getRemoteAddressAsText()).toString("latin1");
  }

  /** Reports buffer space and the end of the connection to the stream from now on. */
  serve(streams: EventStreams, stream: Stream): void {
    if (this.isOver) {
      streams.gone(stream);
      return;
    }
    this.#streams = streams;
    this.#stream = stream;
  }

  /** The library takes no more calls for the response. */
  aborted(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.onEnd?.(undefined);
    if (this.#stream !== undefined) this.#streams?.gone(this.#stream);
  }

  answer(status: number, fields: StreamFields, body: string | undefined): void {
    if (this.isOver) return;
    this.raw.cork(() => {
      this.raw.writeStatus(`${status} ${STATUS_CODES[status] ?? ""}`);
      this.#writeFields({ ...this.fields, ...fields });
      if (body === undefined) this.raw.endWithoutBody();
      else this.raw.end(body);
    });
    this.isOver = true;
    this.onEnd?.(status);
  }

  start(fields: StreamFields): void {
    this.fields = { ...this.fields, ...fields };
    this.#queue();
  }

  write(text: string, bytes: number): void {
    this.#waiting = this.#waiting === "" ? text : merge(this.#waiting, text);
    this.#waitingBytes += bytes;
    this.bufferedBytes += bytes;
    // A client that takes everything must not look slow because of what this turn has gathered.
    if (this.#waitingBytes > GATHERED_BYTES_MAX) this.flush();
    else this.#queue();
  }

  end(text: string): void {
    this.write(text, utf8Length(text));
    this.#isEnding = true;
    const timer = setTimeout(() => this.destroy(), GOODBYE_MS);
    timer.unref();
  }

  destroy(): void {
    if (!this.isOver) this.raw.close();
  }

  flushQueued(): void {
    this.#isQueued = false;
    this.flush();
  }

  flush(): void {
    if (this.isOver || this.#isBlocked) return;
    corked = this;
    this.raw.cork(writeCorked);
    corked = undefined;
  }

  /** Called within `cork`, by this file only. */
  writeNow(): void {
    if (this.fields !== undefined) {
      this.#writeFields(this.fields);
      this.fields = undefined;
    }
    while (!this.#isBlocked && (this.#rest !== undefined || this.#waiting !== "")) {
      this.#writePiece();
    }
    if (!this.#isBlocked && this.#isEnding) this.#finish();
  }

  #writePiece(): void {
    let piece: string | Uint8Array = this.#waiting;
    let bytes = this.#waitingBytes;
    if (this.#rest === undefined && bytes > GATHERED_BYTES_MAX) {
      this.#rest = Buffer.from(this.#waiting);
      this.#waiting = "";
      this.#waitingBytes = 0;
    }
    if (this.#rest === undefined) {
      this.#waiting = "";
      this.#waitingBytes = 0;
    } else {
      piece = this.#rest.subarray(0, GATHERED_BYTES_MAX);
      bytes = piece.length;
      this.#rest = this.#rest.length > bytes ? this.#rest.subarray(bytes) : undefined;
    }
    if (this.raw.write(piece)) this.bufferedBytes -= bytes;
    else this.#block(bytes);
  }

  /** uWebSockets.js keeps up to so many bytes of the last piece. */
  #block(bytes: number): void {
    this.#isBlocked = true;
    this.#keptBytes = bytes;
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.raw.onWritable(() => {
      this.#unblock();
      return true;
    });
  }

  /** Called also while the library still keeps something: then the next write says so. */
  #unblock(): void {
    this.bufferedBytes -= this.#keptBytes;
    this.#keptBytes = 0;
    this.#isBlocked = false;
    // `cork` sends what the library has kept, which it leaves to whoever watches.
    this.flush();
    if (this.isOver || this.#isBlocked || this.#stream === undefined) return;
    this.#streams?.writable(this.#stream);
  }

  #finish(): void {
    this.isOver = true;
    this.raw.end();
    this.onEnd?.(200);
  }

  #queue(): void {
    if (this.#isQueued || this.#isBlocked || this.isOver) return;
    this.#isQueued = true;
    if (unwritten.length === 0) queueMicrotask(writeAll);
    unwritten.push(this);
  }

  #writeFields(fields: StreamFields): void {
    for (const [name, value] of Object.entries(fields)) this.raw.writeHeader(name, value);
  }
}
