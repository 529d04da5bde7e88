import type { Socket as NetSocket } from "node:net";
import type { WebSocket } from "ws";
import type { Socket } from "../../application/subscriptions/socket.js";
import type { Subscriptions } from "../../application/subscriptions/subscriptions.js";

const TEXT = { binary: false, compress: false };

/** Connections that are corked; all are written to at the end of this turn. */
let corked: Connection[] = [];

function flushAll(): void {
  const connections = corked;
  corked = [];
  for (const connection of connections) connection.flush();
}

/** One open WebSocket: what this transport keeps for it. */
export class Connection {
  /** Set when the connection is known to `Subscriptions`. */
  socket: Socket<Connection> | undefined = undefined;
  readonly #ws: WebSocket;
  readonly #stream: NetSocket;
  readonly #subscriptions: Subscriptions;
  #isCorked = false;
  /** The client has not taken all that was sent. */
  #isBlocked = false;
  #isCut = false;

  constructor(ws: WebSocket, stream: NetSocket, subscriptions: Subscriptions) {
    this.#ws = ws;
    this.#stream = stream;
    this.#subscriptions = subscriptions;
  }

  /** Bytes that were sent and that the operating system has not taken yet. */
  get bufferedBytes(): number {
    // What only waits for the end of this turn does not make a client slow.
    this.flush();
    return this.#ws.bufferedAmount;
  }

  send(frame: Buffer): void {
    if (this.#isCut) return;
    const max = this.#subscriptions.limits.sendBufferBytesMax;
    if (this.#ws.bufferedAmount > max && this.bufferedBytes > max) {
      this.#cut();
      return;
    }
    this.#cork();
    this.#ws.send(frame, TEXT, this.#onSent);
  }

  /** Sends a close frame; the connection ends once the client has answered it, or 30 s later. */
  close(code: number, text: string): void {
    this.#ws.close(code, text);
    this.closed();
  }

  /** Ends the connection at once. */
  terminate(): void {
    this.#ws.terminate();
  }

  /** The client is gone, or is being sent away. Idempotent. */
  closed(): void {
    const { socket } = this;
    if (socket === undefined) return;
    this.socket = undefined;
    socket.handle = undefined;
    this.#subscriptions.closed(socket);
  }

  /** Writes what was sent in this turn. */
  flush(): void {
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#stream.uncork();
    this.#isBlocked = this.#stream.writableLength > 0;
  }

  /** What is sent within a turn of the event loop goes out in one write. */
  #cork(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#stream.cork();
    if (corked.length === 0) queueMicrotask(flushAll);
    corked.push(this);
  }

  /** In place of the stream's `drain`, which comes only after more bytes than some limits allow. */
  readonly #onSent = (error?: Error | null): void => {
    if (!this.#isBlocked || error) return;
    this.#isBlocked = this.#stream.writableLength > 0;
    if (this.socket !== undefined) this.#subscriptions.writable(this.socket);
  };

  /**
   * The application is told of the end in a later turn of the event loop, because it may be writing
   * to all sockets of a channel now.
   */
  #cut(): void {
    this.#isCut = true;
    if (this.socket !== undefined) this.#subscriptions.cut(this.socket);
    this.terminate();
  }
}
