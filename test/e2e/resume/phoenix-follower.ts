import { within } from "../../support/inbox.js";
import { type Frame, RawClient, type SerializerVersion } from "../../support/raw-client.js";
import { type Follower, type Place, Progress } from "./follower.js";
import type { Truth } from "./truth.js";

/** Follows channels as a Phoenix client that sends `last_event_id` with each join. */
export class PhoenixFollower implements Follower {
  readonly name: string;
  readonly channels = new Set<string>();
  isPaused = false;
  readonly #version: SerializerVersion;
  readonly #truth: Truth;
  readonly #progress = new Map<string, Progress>();
  readonly #joins = new Map<unknown, string>();
  #client: RawClient | undefined;
  #isClosed = false;

  constructor(name: string, version: SerializerVersion, truth: Truth) {
    this.name = name;
    this.#version = version;
    this.#truth = truth;
  }

  get isOpen(): boolean {
    return this.#client !== undefined && !this.#isClosed;
  }

  async connect({ port }: Place): Promise<void> {
    this.isPaused = false;
    this.#isClosed = false;
    this.#joins.clear();
    const client = await RawClient.connect(`ws://127.0.0.1:${port}/push_socket`, this.#version);
    this.#client = client;
    void client.closed.then(() => {
      if (this.#client === client) this.#isClosed = true;
    });
    for (const channel of this.channels) this.#sendJoin(client, channel);
    await this.#entered(client);
  }

  async join(channel: string): Promise<void> {
    this.channels.add(channel);
    const client = this.#client;
    if (client === undefined) return;
    this.#sendJoin(client, channel);
    await this.#entered(client);
  }

  async leave(channel: string): Promise<void> {
    this.channels.delete(channel);
    this.#progress.delete(channel);
    for (const [ref, joining] of this.#joins) if (joining === channel) this.#joins.delete(ref);
    this.#client?.startLeave(channel);
  }

  async cut(keep: number): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    if (client === undefined) return;
    const frames = await client.frames.take(client.frames.items.length);
    for (const frame of frames.slice(0, keep)) this.#take(frame);
    this.#joins.clear();
    client.close();
  }

  pause(): void {
    this.isPaused = true;
    this.#client?.pause();
  }

  async resume(): Promise<void> {
    this.isPaused = false;
    const client = this.#client;
    if (client === undefined) return;
    client.resume();
    await Promise.race([client.roundTrip(), client.closed]);
    await this.#takeAll(client);
  }

  async settle(): Promise<void> {
    const client = this.#client;
    if (client === undefined) return;
    while (this.isOpen) {
      await Promise.race([client.roundTrip(), client.closed]);
      await this.#takeAll(client);
      const late = this.#late();
      if (late === undefined || !this.isOpen) return;
      await within(Promise.race([client.frames.seen(() => true), client.closed]), late);
    }
  }

  /** What it waits for. */
  #late(): string | undefined {
    for (const channel of this.channels) {
      const progress = this.#progress.get(channel);
      if (progress === undefined) return `${this.name} has no answer to its join of ${channel}`;
      if (!progress.isComplete) return progress.missing;
    }
    return undefined;
  }

  #sendJoin(client: RawClient, channel: string): void {
    const id = this.#progress.get(channel)?.id;
    const params = id === undefined ? {} : { last_event_id: id };
    this.#joins.set(client.send(channel, "phx_join", params), channel);
  }

  /** What it was told when it joined is held against what was so then. */
  async #entered(client: RawClient): Promise<void> {
    while (this.#joins.size > 0 && this.isOpen) {
      await Promise.race([client.frames.seen(() => true), client.closed]);
      await this.#takeAll(client);
    }
  }

  async #takeAll(client: RawClient): Promise<void> {
    for (const frame of await client.frames.take(client.frames.items.length)) this.#take(frame);
  }

  #take({ topic, event, payload, ref }: Frame): void {
    if (event === "msg") {
      const { id } = payload as { id: string };
      // What was on its way when it left.
      this.#progress.get(topic)?.message(id);
      return;
    }
    const channel = this.#joins.get(ref);
    if (event !== "phx_reply" || channel === undefined || !this.channels.has(channel)) return;
    this.#joins.delete(ref);
    const { response } = payload as { response: { id: string; recovered?: boolean } };
    const before = this.#progress.get(channel);
    const progress = before ?? new Progress(this.name, channel, this.#truth);
    this.#progress.set(channel, progress);
    if (before === undefined) progress.startAt(response.id);
    else {
      const total = this.#truth.countUpTo(channel, response.id);
      progress.cameBack(response.recovered === true, response.id, total);
    }
  }
}
