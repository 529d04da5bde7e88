import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { Json } from "../domain/json.js";
import { type ClientFrame, readFrame, type ServerFrame, writeFrame } from "./phoenix-frames.js";

/** The bytes of Phoenix's frames. */
export interface Serializer {
  readonly encode: (frame: ClientFrame) => string;
  /** @returns undefined if the text is no frame. */
  readonly decode: (text: string) => ServerFrame | undefined;
}

/** That of `vsn=2.0.0`. */
const SERIALIZER_2: Serializer = { encode: writeFrame, decode: readFrame };

export interface PhoenixClientOptions {
  /** `ws://host:port/push_socket/websocket?vsn=2.0.0`; `vsn` must be the serializer's version. */
  readonly url: string;
  /** Travels beside the URL, as phoenix.js 1.8 sends its `authToken`. */
  readonly token?: string | undefined;
  /** @defaultValue that of version 2.0.0 */
  readonly serializer?: Serializer;
  /** Milliseconds. @defaultValue no limit */
  readonly handshakeTimeoutMs?: number;
  readonly onOpen: () => void;
  /**
   * Sees the bytes of each text frame first, unchecked UTF-8.
   *
   * @returns true if it has dealt with the frame: then nothing is decoded.
   */
  readonly take?: ((bytes: Buffer) => boolean) | undefined;
  /** @param frame undefined if the text is no frame of the serializer */
  readonly onFrame: (frame: ServerFrame | undefined, text: string) => void;
  /** The handshake failed, or the connection did; `onClose` follows. @defaultValue nothing */
  readonly onError?: (error: Error) => void;
  /**
   * The handshake got another answer than an upgrade. Whoever takes it must read the answer, and
   * call `terminate`. @defaultValue `onError`
   */
  readonly onRefused?: (response: IncomingMessage) => void;
  /** Once, at the end, whoever ended it. @param code 1006 without a close frame */
  readonly onClose: (code: number, reason: string) => void;
}

/**
 * One connection that speaks Phoenix Channels: it numbers its frames and knows each channel's join.
 * The command line, the tests and the test harnesses share it. It keeps no time and never comes
 * back by itself.
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
    // In the alphabet that a subprotocol's name may hold; phoenix.js leaves the padding away too.
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
      // A Buffer, as long as nobody asks for another `binaryType`.
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

  /** Takes nothing more from the connection, so that what the server sends piles up. */
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
