import { WebSocket } from "ws";
import { Inbox, within } from "./inbox.js";

export type SerializerVersion = "1.0.0" | "2.0.0";

/** A frame from the server, taken apart by `JSON.parse`. */
export interface Frame {
  readonly topic: string;
  readonly event: string;
  readonly payload: unknown;
  readonly ref: unknown;
  /** As it came over the wire. */
  readonly text: string;
}

/** A client without a library: it hides no frame, and sees each one's text. */
export class RawClient {
  readonly frames = new Inbox<Frame>("frames");
  readonly #socket: WebSocket;
  readonly #version: SerializerVersion;
  readonly #joinRefs = new Map<string, string>();
  #refs = 0;

  /** Resolves when the connection has ended, whoever ended it. */
  readonly closed: Promise<{ code: number; reason: string }>;

  private constructor(socket: WebSocket, version: SerializerVersion) {
    this.#socket = socket;
    this.#version = version;
    this.closed = new Promise((resolve) => {
      socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    socket.on("message", (data) => this.frames.push(this.#parse(data.toString())));
  }

  static async connect(
    wsUrl: string,
    version: SerializerVersion,
    params: Record<string, string> = {},
  ): Promise<RawClient> {
    const query = new URLSearchParams({ ...params, vsn: version });
    const socket = new WebSocket(`${wsUrl}/websocket?${query}`);
    const client = new RawClient(socket, version);
    const open = new Promise<void>((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    await within(open, "the connection");
    return client;
  }

  async join(...channels: string[]): Promise<void> {
    for (const channel of channels) {
      const ref = this.send(channel, "phx_join");
      this.#joinRefs.set(channel, ref);
      await this.#reply(ref);
    }
  }

  /** Asks to leave and does not wait; the answer is a frame like any other. */
  startLeave(channel: string): string {
    return this.send(channel, "phx_leave");
  }

  async leave(channel: string): Promise<void> {
    await this.#reply(this.startLeave(channel));
    await this.frames.next(({ topic, event }) => topic === channel && event === "phx_close");
  }

  /** @returns the frame's reference. */
  send(topic: string, event: string, payload: unknown = {}): string {
    const ref = `${++this.#refs}`;
    const joinRef = event === "phx_join" ? ref : (this.#joinRefs.get(topic) ?? null);
    const frame =
      this.#version === "1.0.0"
        ? { topic, event, payload, ref, join_ref: joinRef }
        : [joinRef, ref, topic, event, payload];
    this.#socket.send(JSON.stringify(frame));
    return ref;
  }

  sendText(text: string): void {
    this.#socket.send(text);
  }

  ping(): void {
    this.#socket.ping();
  }

  /** Resolves once the server has answered to all that was sent so far. */
  async roundTrip(): Promise<void> {
    await this.#reply(this.send("phoenix", "heartbeat"));
  }

  /** Takes nothing more from the connection, so that what the server sends piles up. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.terminate();
  }

  /** Says goodbye, and resolves once the server has answered it. */
  async end(): Promise<void> {
    this.#socket.close(1000);
    await within(this.closed, "the end of the connection");
  }

  async #reply(ref: string): Promise<void> {
    const reply = await this.frames.next((frame) => frame.ref === ref);
    const { status } = reply.payload as { status: unknown };
    if (status !== "ok") throw new Error(`refused: ${reply.text}`);
  }

  #parse(text: string): Frame {
    if (this.#version === "1.0.0") {
      const { topic, event, payload, ref } = JSON.parse(text) as Omit<Frame, "text">;
      return { topic, event, payload, ref, text };
    }
    const [, ref, topic, event, payload] = JSON.parse(text) as [
      unknown,
      unknown,
      string,
      string,
      unknown,
    ];
    return { topic, event, payload, ref, text };
  }
}
