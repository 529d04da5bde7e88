import { PhoenixClient } from "../../src/cli/phoenix-client.js";
import type { ServerFrame } from "../../src/cli/phoenix-frames.js";
import { Json } from "../../src/domain/json.js";
import { SERIALIZER_1 } from "../../src/testing/serializer-1.js";
import { Inbox, within } from "./inbox.js";

export type SerializerVersion = "1.0.0" | "2.0.0";

/** A frame from the server, with its payload as a value. */
export interface Frame {
  readonly topic: string;
  readonly event: string;
  readonly payload: unknown;
  readonly ref: unknown;
  /** As it came over the wire. */
  readonly text: string;
}

/** The command line's Phoenix client for tests: it hides no frame, and keeps each one's text. */
export class RawClient {
  readonly frames = new Inbox<Frame>("frames");
  readonly #client: PhoenixClient;
  readonly #open: Promise<void>;

  /** Resolves when the connection has ended, whoever ended it. */
  readonly closed: Promise<{ code: number; reason: string }>;

  private constructor(url: string, version: SerializerVersion) {
    let opened = (): void => {};
    let failed: (error: Error) => void = () => {};
    let ended: (close: { code: number; reason: string }) => void = () => {};
    this.#open = new Promise<void>((resolve, reject) => {
      opened = resolve;
      failed = reject;
    });
    this.closed = new Promise((resolve) => {
      ended = resolve;
    });
    this.#client = new PhoenixClient({
      url,
      ...(version === "1.0.0" && { serializer: SERIALIZER_1 }),
      onOpen: opened,
      onFrame: (frame, text) => this.frames.push(frameOf(frame, text)),
      onError: failed,
      onClose: (code, reason) => ended({ code, reason }),
    });
  }

  static async connect(
    wsUrl: string,
    version: SerializerVersion,
    params: Record<string, string> = {},
  ): Promise<RawClient> {
    const query = new URLSearchParams({ ...params, vsn: version });
    const client = new RawClient(`${wsUrl}/websocket?${query}`, version);
    await within(client.#open, "the connection");
    return client;
  }

  async join(...channels: string[]): Promise<void> {
    for (const channel of channels) await this.#reply(this.#client.join(channel));
  }

  /** Asks to leave and does not wait; the answer is a frame like any other. */
  startLeave(channel: string): string {
    return this.#client.leave(channel);
  }

  async leave(channel: string): Promise<void> {
    await this.#reply(this.startLeave(channel));
    await this.frames.next(({ topic, event }) => topic === channel && event === "phx_close");
  }

  /** @returns the frame's reference. */
  send(topic: string, event: string, payload: unknown = {}): string {
    return this.#client.send(topic, event, Json.of(payload));
  }

  sendText(text: string): void {
    this.#client.sendText(text);
  }

  ping(): void {
    this.#client.ping();
  }

  /** Resolves once the server has answered to all that was sent so far. */
  async roundTrip(): Promise<void> {
    await this.#reply(this.#client.heartbeat());
  }

  /** Takes nothing more from the connection, so that what the server sends piles up. */
  pause(): void {
    this.#client.pause();
  }

  resume(): void {
    this.#client.resume();
  }

  close(): void {
    this.#client.terminate();
  }

  /** Says goodbye, and resolves once the server has answered it. */
  async end(): Promise<void> {
    this.#client.close(1000);
    await within(this.closed, "the end of the connection");
  }

  async #reply(ref: string): Promise<void> {
    const reply = await this.frames.next((frame) => frame.ref === ref);
    const { status } = reply.payload as { status: unknown };
    if (status !== "ok") throw new Error(`refused: ${reply.text}`);
  }
}

function frameOf(frame: ServerFrame | undefined, text: string): Frame {
  if (frame === undefined) throw new Error(`no frame: ${text}`);
  const { topic, event, payload, ref } = frame;
  return { topic, event, payload: payload.value(), ref, text };
}
