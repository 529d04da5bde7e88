import { connect, type Socket } from "node:net";
import { PATIENCE_MS, within } from "./inbox.js";

/** One answer, taken apart. */
export interface RawAnswer {
  readonly status: number;
  readonly reason: string;
  /** Names in lower case, in the order of the wire. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** As Latin-1; chunks are joined. */
  readonly body: string;
  /** Several values joined by ", "; undefined where there is none. */
  header(name: string): string | undefined;
  json(): unknown;
}

/** How the server ended the connection. */
export type Ending = "end" | "reset";

/**
 * A client that sends the bytes that it is given, in the segments that it is given, and takes the
 * answers apart itself: it hides nothing. Strings are Latin-1.
 */
export class RawHttp {
  readonly #socket: Socket;
  #unread = Buffer.alloc(0);
  #pieces: Buffer[] = [];
  #ending: Ending | undefined;
  #wake: (() => void) | undefined;
  /** Bytes that have come in all. */
  bytesRead = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.bytesRead += chunk.length;
      this.#pieces.push(chunk);
      this.#wake?.();
    });
    socket.on("end", () => this.#ended("end"));
    socket.on("error", () => this.#ended("reset"));
    socket.on("close", () => this.#ended("reset"));
  }

  static async connect(port: number): Promise<RawHttp> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    const opened = new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    await within(opened, "the connection");
    return new RawHttp(socket);
  }

  /** @returns whether it is worth sending more: false asks to wait for `drained`. */
  write(bytes: string | Uint8Array): boolean {
    return this.#socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  }

  /** Each segment goes out by itself, once the one before has had its turn at the server. */
  async send(...segments: readonly (string | Uint8Array)[]): Promise<void> {
    for (const segment of segments) {
      if (segment.length === 0) continue;
      const bytes = typeof segment === "string" ? Buffer.from(segment, "latin1") : segment;
      const flushed = new Promise<void>((resolve) => this.#socket.write(bytes, () => resolve()));
      await within(flushed, "the segment to be taken");
      await turns(2);
    }
  }

  /** The next whole answer. @param method of the request: an answer to HEAD has no body. */
  async answer(method = "GET"): Promise<RawAnswer> {
    return within(this.#nextAnswer(method), () => `an answer, where there is ${this.shown()}`);
  }

  /** Until what has come and is not part of an answer that was taken is as it is to be. */
  async until(condition: (soFar: string) => boolean): Promise<void> {
    await within(this.#until(condition), () => `bytes, where there is ${this.shown()}`);
  }

  /** Until so many bytes have come in all. */
  async received(bytes: number): Promise<void> {
    const awaited = () => `${bytes} bytes, where there are ${this.bytesRead}`;
    await within(this.#received(bytes), awaited);
  }

  /** Waits for the end of the connection. */
  async closed(ms = PATIENCE_MS): Promise<Ending> {
    return within(this.#closed(), () => `the end, where there is ${this.shown()}`, ms);
  }

  /** Waits for the end of the connection. @returns every answer that came before it. */
  async answersUntilClosed(): Promise<RawAnswer[]> {
    await this.closed();
    const answers: RawAnswer[] = [];
    for (;;) {
      const parsed = parseAnswer(this.#joined(), "GET", true);
      if (parsed === undefined) return answers;
      this.#unread = this.#unread.subarray(parsed.length);
      answers.push(parsed.answer);
    }
  }

  /** What has come and is not part of an answer that was taken. */
  shown(): string {
    return JSON.stringify(this.#joined().toString("latin1").slice(0, 500));
  }

  /** What has come and is not part of an answer that was taken. */
  get pending(): string {
    return this.#joined().toString("latin1");
  }

  /** Takes nothing more from the kernel, so that the server's sends are stuck soon. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Sends FIN. */
  end(): void {
    this.#socket.end();
  }

  /** Goes away without a word. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** Goes away with RST. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  #ended(how: Ending): void {
    this.#ending ??= how;
    this.#wake?.();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #joined(): Buffer {
    if (this.#pieces.length > 0) {
      this.#unread = Buffer.concat([this.#unread, ...this.#pieces]);
      this.#pieces = [];
    }
    return this.#unread;
  }

  async #nextAnswer(method: string): Promise<RawAnswer> {
    for (;;) {
      const parsed = parseAnswer(this.#joined(), method, this.#ending !== undefined);
      if (parsed !== undefined) {
        this.#unread = this.#unread.subarray(parsed.length);
        return parsed.answer;
      }
      if (this.#ending !== undefined) {
        throw new Error(`the connection is gone (${this.#ending}) after ${this.shown()}`);
      }
      await this.#change();
    }
  }

  async #received(bytes: number): Promise<void> {
    while (this.bytesRead < bytes) {
      if (this.#ending !== undefined) throw new Error(`gone after ${this.bytesRead} bytes`);
      await this.#change();
    }
  }

  async #until(condition: (soFar: string) => boolean): Promise<void> {
    while (!condition(this.#joined().toString("latin1"))) {
      if (this.#ending !== undefined) throw new Error(`gone after ${this.shown()}`);
      await this.#change();
    }
  }

  async #closed(): Promise<Ending> {
    while (this.#ending === undefined) await this.#change();
    this.#socket.destroy();
    return this.#ending;
  }
}

/** The event loop goes round: what is on its way inside this process arrives. */
export async function turns(count: number): Promise<void> {
  for (let at = 0; at < count; at++) await new Promise((resolve) => setImmediate(resolve));
}

/** `POST /api/push` as bytes, with a right head. */
export function pushBytes(channel: string, data: unknown = 1): string {
  const body = JSON.stringify({ channel, event: "e", data });
  return (
    "POST /api/push HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}

/** A body in chunks of the given sizes, in turn. */
export function chunked(body: string, sizes: readonly number[]): string {
  let encoded = "";
  for (let at = 0, turn = 0; at < body.length; turn++) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? body.length);
    const piece = body.slice(at, at + size);
    encoded += `${piece.length.toString(16)}\r\n${piece}\r\n`;
    at += size;
  }
  return `${encoded}0\r\n\r\n`;
}

/** Undefined while the answer is not whole. */
function parseAnswer(
  bytes: Buffer,
  method: string,
  isClosed: boolean,
): { answer: RawAnswer; length: number } | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd === -1) return undefined;
  const [statusLine = "", ...lines] = bytes.toString("latin1", 0, headEnd).split("\r\n");
  const match = /^HTTP\/1\.1 (\d{3}) (.*)$/.exec(statusLine);
  if (match === null) throw new Error(`no status line: ${JSON.stringify(statusLine)}`);
  const headers = lines.map((line) => {
    const colon = line.indexOf(":");
    if (colon < 1) throw new Error(`no header field: ${JSON.stringify(line)}`);
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  const header = (name: string): string | undefined => {
    const values = headers.filter(([each]) => each === name).map(([, value]) => value);
    return values.length === 0 ? undefined : values.join(", ");
  };
  const status = Number(match[1]);
  const from = headEnd + 4;
  const rest = bytes.subarray(from);
  const body = takeBody(rest, method, status, header, isClosed);
  if (body === undefined) return undefined;
  const answer: RawAnswer = {
    status,
    reason: match[2] ?? "",
    headers,
    body: body.text,
    header,
    json: () => JSON.parse(Buffer.from(body.text, "latin1").toString("utf8")),
  };
  return { answer, length: from + body.length };
}

function takeBody(
  rest: Buffer,
  method: string,
  status: number,
  header: (name: string) => string | undefined,
  isClosed: boolean,
): { text: string; length: number } | undefined {
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) {
    return { text: "", length: 0 };
  }
  if (header("transfer-encoding") === "chunked") return takeChunks(rest);
  const declared = header("content-length");
  if (declared === undefined) {
    return isClosed ? { text: rest.toString("latin1"), length: rest.length } : undefined;
  }
  const length = Number(declared);
  return rest.length < length ? undefined : { text: rest.toString("latin1", 0, length), length };
}

function takeChunks(rest: Buffer): { text: string; length: number } | undefined {
  const pieces: string[] = [];
  for (let at = 0; ; ) {
    const lineEnd = rest.indexOf("\r\n", at);
    if (lineEnd === -1) return undefined;
    const size = Number.parseInt(rest.toString("latin1", at, lineEnd), 16);
    if (Number.isNaN(size)) throw new Error("no chunk size");
    if (size === 0) {
      // Trailer fields may stand between this line and the empty one.
      const last = rest.indexOf("\r\n\r\n", lineEnd);
      return last === -1 ? undefined : { text: pieces.join(""), length: last + 4 };
    }
    const end = lineEnd + 2 + size;
    if (rest.length < end + 2) return undefined;
    if (rest.toString("latin1", end, end + 2) !== "\r\n") throw new Error("no end of a chunk");
    pieces.push(rest.toString("latin1", lineEnd + 2, end));
    at = end + 2;
  }
}
