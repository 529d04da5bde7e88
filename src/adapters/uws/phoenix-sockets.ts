import type {
  CompressOptions,
  HttpRequest,
  HttpResponse,
  TemplatedApp,
  us_socket_context_t,
  WebSocket,
} from "uWebSockets.js";
import { FRAME_TOO_BIG } from "../../application/subscriptions/close-reason.js";
import type { Connects } from "../../application/subscriptions/connects.js";
import { Socket } from "../../application/subscriptions/socket.js";
import type { Subscriptions } from "../../application/subscriptions/subscriptions.js";
import { type PhoenixProtocols, phoenixProtocols } from "../../protocol/phoenix/protocols.js";
import {
  type AcceptedUpgrade,
  decideUpgrade,
  HARD_FRAME_BYTES_MAX,
  type RejectedUpgrade,
  SHUTTING_DOWN,
  SOCKET_PATH,
} from "../../protocol/phoenix/upgrades.js";
import { CorkAnchor } from "./cork-anchor.js";
import { refuse } from "./http-bridge.js";
import { PhoenixWriter, type UserData } from "./phoenix-writer.js";
import { readRequestHead } from "./request-head.js";

export interface PhoenixSocketsOptions {
  readonly subscriptions: Subscriptions;
  readonly connects: Connects;
  /** Largest frame from a client, in bytes. @defaultValue 65536 */
  readonly frameBytesMax: number;
}

/** A byte order mark is kept, as it is not JSON. */
const TEXT = new TextDecoder("utf-8", { ignoreBOM: true });
const NO_DATA = Object.freeze({});

/** Sockets that speak Phoenix Channels, on uWebSockets.js. */
export class PhoenixSockets {
  readonly #options: PhoenixSocketsOptions;
  readonly #subscriptions: Subscriptions;
  readonly #protocols: PhoenixProtocols;
  readonly #writers: Readonly<Record<"1.0.0" | "2.0.0", PhoenixWriter>>;
  readonly #anchor = new CorkAnchor();
  /** Those that uWebSockets.js has begun to cut and has not closed yet. */
  readonly #cut = new Set<Socket>();
  /** The one for which `open` is called within `upgrade`. */
  #accepted: Socket<WebSocket<UserData>> | undefined;

  constructor(options: PhoenixSocketsOptions) {
    this.#options = options;
    this.#subscriptions = options.subscriptions;
    this.#protocols = phoenixProtocols(options.subscriptions);
    this.#writers = {
      "1.0.0": new PhoenixWriter(this.#protocols["1.0.0"]),
      "2.0.0": new PhoenixWriter(this.#protocols["2.0.0"]),
    };
  }

  /**
   * Serves sockets on this app's port from now on.
   *
   * @param compression the library's constant for none.
   */
  attach(app: TemplatedApp, compression: CompressOptions): void {
    const { frameBytesMax } = this.#options;
    for (const writer of Object.values(this.#writers)) writer.app = app;
    this.#anchor.attach(app);
    app.ws<UserData>(SOCKET_PATH, {
      compression,
      // Above this uWebSockets.js cuts the connection without a code; `#onFrame` gives one below it.
      maxPayloadLength: Math.max(frameBytesMax * 2, HARD_FRAME_BYTES_MAX),
      maxBackpressure: this.#subscriptions.limits.sendBufferBytesMax,
      closeOnBackpressureLimit: 1,
      // Only bounds the goodbye of a socket that is closed: it works in steps of 4 seconds, and cuts
      // without a close frame. `Subscriptions` finds idle sockets.
      idleTimeout: 960,
      sendPingsAutomatically: false,
      upgrade: (response, request, context) => this.#onUpgrade(response, request, context),
      open: (ws) => this.#onOpen(ws),
      message: (ws, message, isBinary) => this.#onFrame(ws, message, isBinary),
      ping: (ws) => this.#subscriptions.touch(ws.getUserData().socket),
      pong: (ws) => this.#subscriptions.touch(ws.getUserData().socket),
      drain: (ws) => this.#onDrain(ws.getUserData().socket),
      dropped: (ws) => this.#onDropped(ws.getUserData().socket),
      close: (ws) => this.#onClose(ws.getUserData().socket),
    });
  }

  /** Where the app listens, once it does. */
  listening(host: string, port: number): void {
    this.#anchor.listening(host, port);
  }

  detach(): void {
    this.#anchor.close();
    for (const writer of Object.values(this.#writers)) writer.app = undefined;
  }

  #onUpgrade(response: HttpResponse, request: HttpRequest, context: us_socket_context_t): void {
    // The request is gone once this callback returns, so all of it is read here.
    const { headers, fault } = readRequestHead(request);
    if (fault !== undefined) {
      refuse(response, 400, fault);
      return;
    }
    const { connects } = this.#options;
    let isLate = false;
    let isDecided = false;
    let isGone = false;
    const accept = (upgrade: AcceptedUpgrade): void => {
      if (isGone) return;
      // A drain may have started while the anchor was opened.
      if (connects.isDraining) reject(SHUTTING_DOWN);
      else this.#upgrade(response, headers, upgrade, context);
    };
    const reject = ({ status, error, fields }: RejectedUpgrade): void => {
      isDecided = true;
      refuse(response, status, error, fields);
    };
    const attempt = decideUpgrade(connects, {
      headers,
      query: request.getQuery() ?? "",
      remoteAddress: () => TEXT.decode(response.getRemoteAddressAsText()),
      accept: (upgrade) => {
        isDecided = true;
        // In the request's own turn the response is corked already.
        if (isLate) this.#anchor.run(() => accept(upgrade));
        else accept(upgrade);
      },
      reject,
    });
    isLate = true;
    if (isDecided || attempt === undefined) return;
    response.onAborted(() => {
      isGone = true;
      connects.abandon(attempt);
    });
  }

  #upgrade(
    response: HttpResponse,
    headers: Readonly<Record<string, string>>,
    { version, subprotocol, identity }: AcceptedUpgrade,
    context: us_socket_context_t,
  ): void {
    this.#accepted = new Socket(this.#writers[version], identity);
    const key = headers["sec-websocket-key"] ?? "";
    const extensions = headers["sec-websocket-extensions"] ?? "";
    // What is passed as user data is copied name by name, which takes longer than to set it in `open`.
    response.upgrade<object>(NO_DATA, key, subprotocol, extensions, context);
  }

  #onOpen(ws: WebSocket<UserData>): void {
    const socket = this.#accepted as Socket<WebSocket<UserData>>;
    ws.getUserData().socket = socket;
    this.#subscriptions.add(socket, ws);
    this.#subscriptions.opened(socket);
  }

  #onFrame(ws: WebSocket<UserData>, message: ArrayBuffer, isBinary: boolean): void {
    const { socket } = ws.getUserData();
    this.#subscriptions.touch(socket);
    if (message.byteLength > this.#options.frameBytesMax) {
      this.#subscriptions.close(socket, FRAME_TOO_BIG);
      return;
    }
    const { protocol } = socket.writer as PhoenixWriter;
    if (isBinary) protocol.receiveBinary(socket, new Uint8Array(message));
    else protocol.receiveText(socket, TEXT.decode(message));
  }

  #onDrain(socket: Socket<WebSocket<UserData>>): void {
    // One that has missed a message and has space again must not get the next one.
    if (this.#cut.has(socket)) socket.handle?.close();
    else this.#subscriptions.writable(socket);
  }

  /** Called for each message that is not sent to the socket until it is closed, a turn later. */
  #onDropped(socket: Socket<WebSocket<UserData>>): void {
    if (this.#cut.has(socket)) return;
    this.#cut.add(socket);
    this.#subscriptions.cut(socket);
  }

  #onClose(socket: Socket<WebSocket<UserData>>): void {
    this.#cut.delete(socket);
    // The library takes no more calls for it.
    socket.handle = undefined;
    this.#subscriptions.closed(socket);
  }
}
