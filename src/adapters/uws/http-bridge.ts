import type { IncomingMessage, ServerResponse } from "node:http";
import { STATUS_CODES } from "node:http";
import { BridgedRequest } from "./bridged-request.js";
import { BridgedResponse } from "./bridged-response.js";
import type { RawRequest, RawResponse } from "./raw-http.js";
import { readRequestHead } from "./request-head.js";

/** What Koa's `app.callback()` is, and any other handler for `node:http`. */
export type NodeRequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

export interface HttpBridgeOptions {
  /** Answers tell the client to close the connection, as a draining server's must. */
  readonly isDraining: () => boolean;
}

/**
 * Feeds a `node:http` request handler from uWebSockets.js.
 *
 * uWebSockets.js answers the requests of one connection strictly in turn: requests that a client
 * pipelines are served as long as each answer is complete in the turn of the event loop in which
 * its request came (so are all of hexpush's own with a policy that decides at once); where one
 * takes longer and bytes of the next request are there already, uWebSockets.js closes the
 * connection, which RFC 9112, section 9.3.2 asks pipelining clients to bear.
 */
export class HttpBridge {
  readonly #handler: NodeRequestHandler;
  readonly #options: HttpBridgeOptions;
  #inFlight = 0;
  #onIdle: (() => void) | undefined;

  constructor(handler: NodeRequestHandler, options: HttpBridgeOptions) {
    this.#handler = handler;
    this.#options = options;
  }

  /** Requests whose answer is not complete. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Resolves once no request is in flight. */
  idle(): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const before = this.#onIdle;
      this.#onIdle = () => {
        before?.();
        resolve();
      };
    });
  }

  handle(raw: RawResponse, rawRequest: RawRequest): void {
    const head = readRequestHead((each) => rawRequest.forEach(each));
    if (head.fault !== undefined) {
      refuse(raw, 400, head.fault);
      return;
    }
    const query = rawRequest.getQuery();
    const path = rawRequest.getUrl();
    const request = new BridgedRequest(
      raw,
      rawRequest.getCaseSensitiveMethod(),
      query === undefined ? path : `${path}?${query}`,
      head,
    );
    const response = new BridgedResponse(raw, request, this.#options.isDraining);
    this.#inFlight++;
    const done = () => {
      this.#inFlight--;
      if (this.#inFlight > 0) return;
      const onIdle = this.#onIdle;
      this.#onIdle = undefined;
      onIdle?.();
    };
    response.onceSettled = done;
    raw.onAborted(() => {
      response.abort();
      request.abort();
    });
    request.receive();
    // The bridged pair implements what handlers use of Node's classes, not every member of theirs.
    this.#handler(request as unknown as IncomingMessage, response as unknown as ServerResponse);
  }
}

/**
 * Answers and closes the connection, so that nothing behind this request runs.
 *
 * `end(body, true)` would let uWebSockets.js go on with the bytes that it holds already, so the
 * answer is written as header text and the request stays pending: should more bytes of the same
 * read follow, uWebSockets.js closes the connection itself.
 */
export function refuse(raw: RawResponse, status: number, message: string): void {
  let open = true;
  raw.onAborted(() => {
    open = false;
  });
  writeFinalAnswer(raw, status, message);
  setImmediate(() => {
    if (open) raw.close();
  });
}

function writeFinalAnswer(raw: RawResponse, status: number, message: string): void {
  // uWebSockets.js ends a header line with CRLF; here that line break is the body's last two bytes.
  const body = JSON.stringify({ error: message });
  const length = Buffer.byteLength(body) + 2;
  raw.cork(() => {
    raw.writeStatus(`${status} ${STATUS_CODES[status] ?? ""}`);
    raw.writeHeader("content-type", "application/json; charset=utf-8");
    raw.writeHeader("connection", "close");
    raw.writeHeader("content-length", `${length}\r\n\r\n${body}`);
  });
}
