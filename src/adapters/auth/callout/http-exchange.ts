import http from "node:http";
import https from "node:https";
import { CalloutFault } from "./fault.js";

export interface HttpExchangeOptions {
  readonly url: URL;
  /** For the whole exchange, waiting for a connection included, in milliseconds. */
  readonly timeoutMs: number;
  /** Longest body that is read, in bytes. */
  readonly bodyBytesMax: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** Undefined if it is longer than the limit; the rest was not read. */
  readonly body: Buffer | undefined;
}

/** Most connections; exchanges above it wait for one. */
const CONNECTIONS_MAX = 128;
const IDLE_CONNECTIONS_MAX = 32;
/** Idle connections are closed after it, in milliseconds. */
const IDLE_MS = 30_000;

/** Node's codes of a connection that could not be had or broke off. */
const BROKEN = new Set([
  "EAI_AGAIN",
  "ECONNABORTED",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
]);

/**
 * POSTs to one URL over kept connections.
 *
 * `node:http` and not `fetch`: it follows no redirect, decompresses nothing, and lets the number of
 * connections be bounded.
 */
export class HttpExchange {
  readonly #options: HttpExchangeOptions;
  readonly #client: typeof http | typeof https;
  readonly #agent: http.Agent;

  constructor(options: HttpExchangeOptions) {
    this.#options = options;
    this.#client = options.url.protocol === "https:" ? https : http;
    this.#agent = new this.#client.Agent({
      keepAlive: true,
      maxSockets: CONNECTIONS_MAX,
      maxFreeSockets: IDLE_CONNECTIONS_MAX,
      timeout: IDLE_MS,
    });
  }

  /** Rejects with a `CalloutFault` where no whole answer came in time. */
  post(body: Buffer, headers: Readonly<Record<string, string>>): Promise<HttpAnswer> {
    const { url, timeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      const request = this.#client.request(url, {
        method: "POST",
        agent: this.#agent,
        headers: { ...headers, "content-length": String(body.length) },
      });
      // A timer of our own: a request that waits for a connection tells nobody that it was destroyed.
      const timer = setTimeout(() => {
        reject(new CalloutFault(`no answer within ${timeoutMs / 1000} s`, true));
        request.destroy();
      }, timeoutMs);
      const fail = (error: unknown): void => {
        clearTimeout(timer);
        reject(connectionFault(error));
      };
      // These stay behind the end, where the first word counts: an error without a listener would
      // end the process.
      request.on("error", fail);
      let hasHead = false;
      request.on("close", () => {
        // Behind the head the response tells how it ended; before it, a change of protocols
        // (status 101) ends the request without an error.
        if (!hasHead) fail(undefined);
      });
      request.on("response", (response) => {
        hasHead = true;
        response.on("error", fail);
        this.#read(response, (whole) => {
          clearTimeout(timer);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: whole });
          if (whole === undefined) request.destroy();
        });
      });
      request.end(body);
    });
  }

  /** Calls `done` with the whole body, or with undefined as soon as it is known to be too long. */
  #read(response: http.IncomingMessage, done: (body: Buffer | undefined) => void): void {
    const { bodyBytesMax } = this.#options;
    if (Number(response.headers["content-length"] ?? 0) > bodyBytesMax) {
      done(undefined);
      return;
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > bodyBytesMax) done(undefined);
      else chunks.push(chunk);
    });
    response.on("end", () => {
      // Without it the connection broke off, which comes as an error.
      if (response.complete) done(Buffer.concat(chunks));
    });
  }
}

/** Names the code alone: Node's messages hold addresses, and some the bytes that came. */
function connectionFault(error: unknown): CalloutFault {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  if (typeof code !== "string" || !/^\w+$/.test(code)) {
    return new CalloutFault("the connection failed", true);
  }
  return new CalloutFault(`the connection failed (${code})`, BROKEN.has(code));
}
