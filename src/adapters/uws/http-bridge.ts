import type { IncomingMessage, ServerResponse } from "node:http";
import { METHODS, STATUS_CODES } from "node:http";
import type { ApiRoute } from "../../protocol/http/api.js";
import { BridgedRequest } from "./bridged-request.js";
import { BridgedResponse } from "./bridged-response.js";
import { type FastPath, FastRequest, type FastRequestOptions, isFast } from "./fast-path.js";
import type { RawRequest, RawResponse } from "./raw-http.js";
import { type RequestHead, rawHeadersOf, readRequestHead } from "./request-head.js";
import { writeJsonBody } from "./unended-answer.js";
import { openStream, type StreamRoute } from "./uws-exchange.js";

/** What Koa's `app.callback()` is, and any other handler for `node:http`. */
export type NodeRequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** Names of methods are case-sensitive (RFC 9110, section 9.1); Node knows no others either. */
const KNOWN_METHODS: ReadonlySet<string> = new Set(METHODS);

export interface HttpBridgeOptions {
  /** Answers tell the client to close the connection, as a draining server's must. */
  readonly isDraining: () => boolean;
}

/**
 * Feeds a `node:http` request handler from uWebSockets.js.
 *
 * uWebSockets.js answers the requests of one connection strictly in turn: requests that a client
 * pipelines are served as long as each answer is complete in the turn of the event loop in which
 * its request came (as with hexpush's own routes and a synchronous policy). If one takes longer and
 * bytes of the next request have arrived already, uWebSockets.js closes the connection, which
 * RFC 9112, section 9.3.2 asks pipelining clients to handle.
 *
 * A request whose body comes in chunks is the last one on its connection (`connection: close`):
 * uWebSockets.js reads chunks too leniently to trust the end that it sees. If more bytes are in the
 * same read, the connection is closed and the request counts as broken off.
 */
export class HttpBridge {
  readonly #handler: NodeRequestHandler;
  readonly #isDraining: () => boolean;
  #inFlight = 0;
  #onIdle: (() => void) | undefined;

  constructor(handler: NodeRequestHandler, { isDraining }: HttpBridgeOptions) {
    this.#handler = handler;
    this.#isDraining = isDraining;
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

  /** Any request. */
  handle(raw: RawResponse, rawRequest: RawRequest): void {
    const head = readHead(raw, rawRequest);
    if (head !== undefined) this.#bridge(raw, rawRequest, head);
  }

  /** Handles requests to the route's path: itself if their form allows it, otherwise by the handler. */
  fast(
    route: ApiRoute,
    { observer, newRequestId, log }: FastPath,
  ): (raw: RawResponse, rawRequest: RawRequest) => void {
    const options: FastRequestOptions = {
      route,
      observer,
      newRequestId,
      log,
      isDraining: this.#isDraining,
      done: this.#settled,
    };
    return (raw, rawRequest) => {
      const head = readHead(raw, rawRequest);
      if (head === undefined) return;
      if (isFast(head.headers, route) && rawRequest.getQuery() === undefined) {
        this.#inFlight++;
        new FastRequest(raw, head.headers, options).receive();
      } else {
        this.#bridge(raw, rawRequest, head);
      }
    };
  }

  /** Handles GETs for streams of events. */
  streams(route: StreamRoute): (raw: RawResponse, rawRequest: RawRequest) => void {
    return (raw, rawRequest) => {
      const head = readHead(raw, rawRequest);
      if (head !== undefined) openStream(route, raw, rawRequest, head.headers);
    };
  }

  #bridge(raw: RawResponse, rawRequest: RawRequest, { headers }: RequestHead): void {
    const method = rawRequest.getCaseSensitiveMethod();
    if (!KNOWN_METHODS.has(method)) {
      refuse(raw, 400, "The method is unknown.");
      return;
    }
    const query = rawRequest.getQuery();
    const path = rawRequest.getUrl();
    const rawHeaders = rawHeadersOf(rawRequest);
    const url = query === undefined ? path : `${path}?${query}`;
    const request = new BridgedRequest(raw, method, url, headers, rawHeaders);
    const response = new BridgedResponse(raw, request, this.#isDraining);
    this.#inFlight++;
    response.onceSettled = this.#settled;
    raw.onAborted(() => {
      request.onConnectionLost();
      response.onConnectionLost();
    });
    request.receive();
    // The bridged pair implements what handlers use of Node's classes, not every member of theirs.
    this.#handler(request as unknown as IncomingMessage, response as unknown as ServerResponse);
  }

  readonly #settled = (): void => {
    this.#inFlight--;
    if (this.#inFlight > 0) return;
    const onIdle = this.#onIdle;
    this.#onIdle = undefined;
    onIdle?.();
  };
}

/** Undefined if the request had to be refused. */
function readHead(raw: RawResponse, rawRequest: RawRequest): RequestHead | undefined {
  const head = readRequestHead(rawRequest);
  if (head.fault === undefined) return head;
  refuse(raw, 400, head.fault);
  return undefined;
}

/** Answers and closes the connection, so that nothing that follows this request runs. */
export function refuse(
  raw: RawResponse,
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  let open = true;
  raw.onAborted(() => {
    open = false;
  });
  raw.cork(() => {
    raw.writeStatus(`${status} ${STATUS_CODES[status] ?? ""}`);
    for (const [name, value] of Object.entries(headers)) raw.writeHeader(name, value);
    writeJsonBody(raw, JSON.stringify({ error: message }));
  });
  setImmediate(() => {
    if (open) raw.close();
  });
}
