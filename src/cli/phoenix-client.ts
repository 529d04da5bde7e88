import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { Json } from "../domain/json.js";
import { type ClientFrame, readFrame, type ServerFrame, writeFrame } from "./phoenix-frames.js";

/** Encodes and decodes Phoenix frames. */
export interface Serializer {
  readonly encode: (frame: ClientFrame) => string;
  /** @returns undefined if the text is not a frame. */
  readonly decode: (text: string) => ServerFrame | undefined;
}

/** The serializer of `vsn=2.0.0`. */
const SERIALIZER_2: Serializer = { encode: writeFrame, decode: readFrame };

export interface PhoenixClientOptions {
  /** `ws://host:port/push_socket/websocket?vsn=2.0.0`; `vsn` must be the serializer's version. */
  readonly url: string;
  /** Sent as a subprotocol, as phoenix.js 1.8 sends its `authToken`. */
  readonly token?: string | undefined;
  /** @defaultValue the serializer of version 2.0.0 */
  readonly serializer?: Serializer;
  /** Milliseconds. @defaultValue no limit */
  readonly handshakeTimeoutMs?: number;
  readonly onOpen: () => void;
  /**
   * Called first with the bytes of each text frame, as unchecked UTF-8.
   *
   * @returns true if it has handled the frame, which is then not decoded.
   */
  readonly take?: ((bytes: Buffer) => boolean) | undefined;
  /** @param frame undefined if the text is not a frame of the serializer */
  readonly onFrame: (frame: ServerFrame | undefined, text: string) => void;
  /** The handshake or the connection failed; `onClose` follows. @defaultValue ignored */
  readonly onError?: (error: Error) => void;
  /**
   * The server refused the upgrade. A handler must read the answer and call `terminate`.
   * @defaultValue `onError` is called
   */
  readonly onRefused?: (response: IncomingMessage) => void;
  /** Called once, whichever side closes. @param code 1006 without a close frame */
  readonly onClose: (code: number, reason: string) => void;
}

/**
 * One connection with Phoenix Channels: it numbers its frames and remembers each channel's join. The
 * command line, the tests and the test harnesses share it. It has no timers and does not reconnect.
 */
export class PhoenixClient {
  readonly #socket: WebSocket;
  readonly #serializer: Serializer;
  /** Channel → reference of its last join. */
  readonly #joinRefs = new Map<string, string>();
  #refs = 0;

  constructor(options: PhoenixClientOptions) {
    const { url, token, serializer = SERIALIZER_2, handshakeTimeoutMs, take, onRefused } = options;
    this.#serializer = serializer;
    // Base64url, because of the characters allowed in a subprotocol; without padding, as in phoenix.js.
    const encoded = Buffer.from(token ?? "").toString("base64url");
    const protocols = token === undefined ? [] : ["phoenix", `base64url.bearer.phx.${encoded}`];
    const socket = new WebSocket(url, protocols, {
      perMessageDeflate: false,
      skipUTF8Validation: take !== undefined,
      ...(handshakeTimeoutMs !== undefined && { handshakeTimeout: handshakeTimeoutMs }),
    });
    this.#socket = socket;
    socket.on("open", options.onOpen);
    socket.on("message", (bytes, isBinary) => {
      if (isBinary) return;
      // A Buffer, because `binaryType` has its default.
      if (take?.(bytes as Buffer) === true) return;
      const text = bytes.toString();
      options.onFrame(serializer.decode(text), text);
    });
    socket.on("error", (error) => options.onError?.(error));
    if (onRefused !== undefined) {
      socket.on("unexpected-response", (_request, response) => onRefused(response));
    }
    socket.on("close", (code, reason) => options.onClose(code, reason.toString()));
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** @returns the frame's reference. */
  join(channel: string, payload = Json.emptyObject): string {
    return this.send(channel, "phx_join", payload);
  }

  /** @returns the frame's reference. */
  leave(channel: string): string {
    return this.send(channel, "phx_leave");
  }

  /** @returns the frame's reference. */
  heartbeat(): string {
    return this.send("phoenix", "heartbeat");
  }

  /** @returns the frame's reference. */
  send(topic: string, event: string, payload = Json.emptyObject): string {
    const ref = `${++this.#refs}`;
    if (event === "phx_join") this.#joinRefs.set(topic, ref);
    const joinRef = this.#joinRefs.get(topic) ?? null;
    this.#socket.send(this.#serializer.encode({ joinRef, ref, topic, event, payload }));
    return ref;
  }

  /** Sends a text frame as it is. */
  sendText(text: string): void {
    this.#socket.send(text);
  }

  ping(): void {
    this.#socket.ping();
  }

  /** Stops reading, so that the server's data accumulate. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Sends a close frame; the server answers it and ends the connection. */
  close(code: number): void {
    this.#socket.close(code);
  }

  /** Ends the connection without a close frame. */
  terminate(): void {
    this.#socket.terminate();
  }
}
