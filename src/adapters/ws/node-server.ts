import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket as NetSocket } from "node:net";
import { listenError } from "../../application/listen-error.js";
import type { Connects } from "../../application/subscriptions/connects.js";
import type { Drain } from "../../application/subscriptions/drain.js";
import type { Subscriptions } from "../../application/subscriptions/subscriptions.js";
import { NOT_A_WEBSOCKET, SOCKET_PATH } from "../../protocol/phoenix/upgrades.js";
import { type PhoenixSockets, targetOf } from "./phoenix-sockets.js";
import { JSON_TYPE, jsonBody } from "./raw-answers.js";

/** As long as uWebSockets.js keeps a connection without a request, in milliseconds. */
const KEEP_ALIVE_MS = 10_000;

export interface NodeServerOptions {
  /** An address of this machine, or a name of one. */
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly handler: (request: IncomingMessage, response: ServerResponse) => void;
  readonly subscriptions: Subscriptions;
  readonly connects: Connects;
  readonly drain: Drain;
  readonly phoenix: PhoenixSockets;
  /** Whether a stop closes the sockets spread over its time, or all of them at its end. */
  readonly drainSockets: boolean;
}

/** HTTP and WebSocket on one port, by `node:http` and `ws`. */
export class NodeServer {
  readonly #options: NodeServerOptions;
  readonly #streams = new Set<NetSocket>();
  /** Those that are not complete. */
  readonly #responses = new Set<ServerResponse>();
  #server: Server | undefined;
  #isDraining = false;
  #onIdle: (() => void) | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: NodeServerOptions) {
    this.#options = options;
  }

  /**
   * @returns the port that it listens on.
   * @throws {ListenError} if it cannot listen on the address.
   */
  async start(): Promise<number> {
    const { host, port, phoenix, subscriptions, connects } = this.#options;
    const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) =>
      this.#onRequest(request, response),
    );
    server.on("connection", (stream) => {
      this.#streams.add(stream);
      stream.once("close", () => this.#streams.delete(stream));
    });
    await listen(server, host, port);
    this.#server = server;
    this.#isDraining = false;
    this.#stopped = undefined;
    phoenix.attach(server);
    subscriptions.start();
    connects.start();
    return (server.address() as AddressInfo).port;
  }

  /**
   * Takes no new connection, answers requests in flight, closes the sockets spread over the time,
   * and ends every connection at the latest when it is over. Idempotent: a stop that is under way
   * is the same one.
   *
   * @param timeoutMs 0 ends everything at once.
   */
  stop(timeoutMs: number): Promise<void> {
    if (this.#server === undefined) return Promise.resolve();
    this.#stopped ??= this.#stop(this.#server, timeoutMs);
    return this.#stopped;
  }

  async #stop(server: Server, timeoutMs: number): Promise<void> {
    const { drain, drainSockets, phoenix, subscriptions } = this.#options;
    this.#isDraining = true;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const response of this.#responses) closeAfter(response);
    await drain.stop(timeoutMs, drainSockets, this.#idle());
    phoenix.detach();
    for (const stream of this.#streams) stream.destroy();
    await closed;
    this.#server = undefined;
    subscriptions.stop();
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    this.#responses.add(response);
    response.once("close", () => this.#answered(response));
    if (this.#isDraining) closeAfter(response);
    if (targetOf(request).path !== SOCKET_PATH) {
      this.#options.handler(request, response);
      return;
    }
    const body = jsonBody(NOT_A_WEBSOCKET.error);
    response.writeHead(NOT_A_WEBSOCKET.status, {
      "content-type": JSON_TYPE,
      connection: "close",
      "content-length": Buffer.byteLength(body),
    });
    response.end(body);
  }

  #answered(response: ServerResponse): void {
    this.#responses.delete(response);
    if (this.#responses.size > 0) return;
    this.#onIdle?.();
    this.#onIdle = undefined;
  }

  /** Resolves once no request is in flight. */
  #idle(): Promise<void> {
    if (this.#responses.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }
}

/** The client is told to close the connection after this answer. */
function closeAfter(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader("connection", "close");
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => reject(listenError(host, port, error));
    server.once("error", failed);
    server.listen({ host, port, exclusive: true }, () => {
      server.off("error", failed);
      resolve();
    });
  });
}
