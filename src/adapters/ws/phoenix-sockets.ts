import type { IncomingMessage, Server } from "node:http";
import type { Socket as NetSocket } from "node:net";
import type { Duplex } from "node:stream";
import type { WebSocket, WebSocketServer } from "ws";
import { FRAME_TOO_BIG } from "../../application/subscriptions/close-reason.js";
import type { Connects } from "../../application/subscriptions/connects.js";
import { Socket } from "../../application/subscriptions/socket.js";
import type { Subscriptions } from "../../application/subscriptions/subscriptions.js";
import type { Headers } from "../../domain/auth-policy.js";
import { type PhoenixProtocols, phoenixProtocols } from "../../protocol/phoenix/protocols.js";
import {
  type AcceptedUpgrade,
  decideUpgrade,
  HARD_FRAME_BYTES_MAX,
  NOT_A_WEBSOCKET,
  SHUTTING_DOWN,
  SOCKET_PATH,
} from "../../protocol/phoenix/upgrades.js";
import { Connection } from "./connection.js";
import { loadWs } from "./library.js";
import { PhoenixWriter } from "./phoenix-writer.js";
import { RequestUpgrades, rejectUpgrade } from "./raw-answers.js";
import { UndecidedStream } from "./undecided-stream.js";

const KEY = /^[+/0-9A-Za-z]{22}==$/;

export interface PhoenixSocketsOptions {
  readonly subscriptions: Subscriptions;
  readonly connects: Connects;
  /** Largest frame from a client, in bytes. @defaultValue 65536 */
  readonly frameBytesMax: number;
}

/** Sockets that speak Phoenix Channels, on `ws` and servers of `node:http` or `node:https`. */
export class PhoenixSockets {
  readonly #options: PhoenixSocketsOptions;
  readonly #protocols: PhoenixProtocols;
  readonly #writers: Readonly<Record<"1.0.0" | "2.0.0", PhoenixWriter>>;
  readonly #connections = new Set<Connection>();
  /** The servers, each with what detaches it. */
  readonly #servers = new Map<Server, () => void>();
  /** Made for the first server. */
  #library: WebSocketServer | undefined;

  constructor(options: PhoenixSocketsOptions) {
    this.#options = options;
    this.#protocols = phoenixProtocols(options.subscriptions);
    this.#writers = {
      "1.0.0": new PhoenixWriter(this.#protocols["1.0.0"]),
      "2.0.0": new PhoenixWriter(this.#protocols["2.0.0"]),
    };
  }

  /** Serves sockets on this server's port from now on. Idempotent. */
  attach(server: Server): void {
    if (this.#servers.has(server)) return;
    const { WebSocketServer } = loadWs();
    this.#library ??= new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      // Above this the library closes with 1009 and no text; `#onFrame` gives one below it.
      maxPayload: Math.max(this.#options.frameBytesMax * 2, HARD_FRAME_BYTES_MAX),
    });
    const requests = new RequestUpgrades(server);
    const onUpgrade = (request: IncomingMessage, stream: Duplex, head: Buffer): void => {
      const { path, query } = targetOf(request);
      if (path === SOCKET_PATH) this.#onUpgrade(request, stream as NetSocket, head, query);
      else if (server.listenerCount("upgrade") === 1) requests.serve(request, stream, head);
    };
    server.on("upgrade", onUpgrade);
    this.#servers.set(server, () => server.off("upgrade", onUpgrade));
  }

  /** Ends all connections at once. */
  terminate(): void {
    for (const connection of this.#connections) connection.terminate();
  }

  /** Ends all connections at once, and leaves the servers to themselves. */
  detach(): void {
    for (const detach of this.#servers.values()) detach();
    this.#servers.clear();
    this.terminate();
  }

  #onUpgrade(request: IncomingMessage, stream: NetSocket, head: Buffer, query: string): void {
    // A client that goes away is no fault; without a listener its error would end the process.
    stream.on("error", () => {});
    if (!isWebSocket(request)) {
      rejectUpgrade(stream, NOT_A_WEBSOCKET);
      return;
    }
    const { connects } = this.#options;
    // Node joins repeated fields itself, except set-cookie, which no request has.
    const headers = request.headers as Headers;
    let undecided: UndecidedStream | undefined;
    let isDecided = false;
    const decided = (): Buffer | undefined => {
      isDecided = true;
      return undecided === undefined ? head : undecided.end();
    };
    const attempt = decideUpgrade(connects, {
      headers,
      query,
      remoteAddress: () => stream.remoteAddress,
      accept: (upgrade) => {
        const early = decided();
        if (early === undefined) return;
        if (connects.isDraining) rejectUpgrade(stream, SHUTTING_DOWN);
        else this.#upgrade(request, stream, early, upgrade);
      },
      reject: (rejection) => {
        if (decided() !== undefined) rejectUpgrade(stream, rejection);
      },
    });
    if (isDecided || attempt === undefined) return;
    undecided = new UndecidedStream(stream, head, this.#options.frameBytesMax, () =>
      connects.abandon(attempt),
    );
  }

  #upgrade(
    request: IncomingMessage,
    stream: NetSocket,
    head: Buffer,
    { version, subprotocol, identity }: AcceptedUpgrade,
  ): void {
    const headers = { ...request.headers };
    // The library rejects tokens that phoenix.js sends here, and would answer with the first one.
    if (subprotocol === "") delete headers["sec-websocket-protocol"];
    else headers["sec-websocket-protocol"] = subprotocol;
    request.headers = headers;
    this.#library?.handleUpgrade(request, stream, head, (ws) => {
      const socket = new Socket(this.#writers[version], identity);
      const connection = new Connection(ws, stream, this.#options.subscriptions);
      connection.socket = socket;
      this.#listen(ws, connection);
      // The library has read the chunk by now. A client that said goodbye is gone for the application,
      // which would otherwise hear of it only when the connection has ended as well.
      stream.on("data", () => {
        if (ws.readyState !== ws.OPEN) connection.closed();
      });
      this.#options.subscriptions.add(socket, connection);
      this.#options.subscriptions.opened(socket);
      stream.resume();
    });
  }

  #listen(ws: WebSocket, connection: Connection): void {
    const { subscriptions } = this.#options;
    const touch = (): void => {
      if (connection.socket !== undefined) subscriptions.touch(connection.socket);
    };
    this.#connections.add(connection);
    ws.on("message", (data, isBinary) => this.#onFrame(connection, data as Buffer, isBinary));
    ws.on("ping", touch);
    ws.on("pong", touch);
    // A frame that breaks the protocol: the library has closed the socket with its own code.
    ws.on("error", () => connection.closed());
    ws.on("close", () => {
      this.#connections.delete(connection);
      connection.closed();
    });
  }

  #onFrame({ socket }: Connection, data: Buffer, isBinary: boolean): void {
    if (socket === undefined) return;
    const { subscriptions, frameBytesMax } = this.#options;
    subscriptions.touch(socket);
    if (data.length > frameBytesMax) {
      subscriptions.close(socket, FRAME_TOO_BIG);
      return;
    }
    const { protocol } = socket.writer as PhoenixWriter;
    if (isBinary) protocol.receiveBinary(socket, data);
    else protocol.receiveText(socket, data.toString());
  }
}

function isWebSocket({ method, headers }: IncomingMessage): boolean {
  const version = headers["sec-websocket-version"];
  return (
    method === "GET" &&
    headers.upgrade?.toLowerCase() === "websocket" &&
    KEY.test(headers["sec-websocket-key"] ?? "") &&
    (version === "13" || version === "8")
  );
}

export function targetOf({ url = "" }: IncomingMessage): { path: string; query: string } {
  const mark = url.indexOf("?");
  if (mark === -1) return { path: url, query: "" };
  return { path: url.slice(0, mark), query: url.slice(mark + 1) };
}
