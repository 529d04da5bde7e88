import { Cursor } from "../../../src/protocol/sse/cursor.js";
import { within } from "../../support/inbox.js";
import { query, SseClient, type SseEvent } from "../../support/sse-client.js";
import { type Follower, type Place, Progress } from "./follower.js";
import type { Truth } from "./truth.js";

/** Follows channels as an EventSource does: with nothing but the last id that it has seen. */
export class StreamFollower implements Follower {
  readonly name: string;
  readonly channels = new Set<string>();
  isPaused = false;
  readonly #truth: Truth;
  readonly #progress = new Map<string, Progress>();
  /** Of the stream that is open, as told. */
  readonly #gaps = new Map<string, string>();
  /** How many messages each channel had when the stream was asked for. */
  readonly #before = new Map<string, number>();
  #lastEventId = "";
  #client: SseClient | undefined;
  #isClosed = false;
  /** Gaps come before the position; until then a channel that has none may still get one. */
  #isPlaced = false;

  constructor(name: string, truth: Truth) {
    this.name = name;
    this.#truth = truth;
  }

  get isOpen(): boolean {
    return this.#client !== undefined && !this.#isClosed;
  }

  async connect({ port }: Place): Promise<void> {
    this.isPaused = false;
    if (this.channels.size === 0) return;
    this.#isClosed = false;
    this.#isPlaced = false;
    for (const channel of this.channels) this.#before.set(channel, this.#truth.of(channel).length);
    const headers = this.#lastEventId === "" ? {} : { "last-event-id": this.#lastEventId };
    const client = await SseClient.connect(port, `/push_events${query([...this.channels])}`, {
      headers,
    });
    this.#client = client;
    this.#gaps.clear();
    client.parser.lastEventId = this.#lastEventId;
    void client.closed.then(() => {
      if (this.#client === client) this.#isClosed = true;
    });
    // What it is told when it comes back is held against what was so then.
    while (!this.#isPlaced && this.isOpen) {
      await Promise.race([client.events.seen(() => true), client.closed]);
      await this.#takeAll(client);
    }
  }

  /** A stream's channels are its request's: another set takes another stream. */
  async join(channel: string, place: Place): Promise<void> {
    this.channels.add(channel);
    await this.#again(place);
  }

  async leave(channel: string, place: Place): Promise<void> {
    this.channels.delete(channel);
    this.#progress.delete(channel);
    await this.#again(place);
  }

  async cut(keep: number): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    if (client === undefined) return;
    const events = await client.events.take(client.events.items.length);
    for (const event of events.slice(0, keep)) this.#take(event);
    client.close();
  }

  pause(): void {
    this.isPaused = true;
    this.#client?.response.pause();
  }

  async resume(): Promise<void> {
    this.isPaused = false;
    const client = this.#client;
    if (client === undefined) return;
    client.response.resume();
    await this.settle();
  }

  async settle(): Promise<void> {
    const client = this.#client;
    if (client === undefined) return;
    for (;;) {
      const isOver = this.#isClosed;
      await this.#takeAll(client);
      const late = this.#late();
      if (late === undefined || isOver) return;
      await within(Promise.race([client.events.seen(() => true), client.closed]), late);
    }
  }

  async #again(place: Place): Promise<void> {
    if (this.#client === undefined) return;
    await this.cut(0);
    await this.connect(place);
  }

  async #takeAll(client: SseClient): Promise<void> {
    for (const event of await client.events.take(client.events.items.length)) this.#take(event);
  }

  #late(): string | undefined {
    if (!this.#isPlaced) return `${this.name} has not been told where its stream begins`;
    for (const channel of this.channels) {
      const progress = this.#progress.get(channel);
      if (progress?.isComplete !== true) return progress?.missing ?? `${this.name}: ${channel}`;
    }
    return undefined;
  }

  #take({ type, data, lastEventId }: SseEvent): void {
    const { channel, id } = JSON.parse(data) as { channel: string; id: string };
    if (type === "gap") this.#gaps.set(channel, id);
    else if (type === "position") this.#place(id);
    else if (type === "message") {
      const progress = this.#progress.get(channel);
      if (progress === undefined) throw new Error(`${this.name} got ${channel} unasked`);
      progress.message(id);
    } else if (type !== "closed") throw new Error(`${this.name} got ${type} ${data}`);
    this.#lastEventId = lastEventId;
  }

  /** Everything is known of how this stream goes on from the one before. */
  #place(start: string): void {
    this.#isPlaced = true;
    const [before, now] = [new Cursor(this.#lastEventId), new Cursor(start)];
    for (const channel of this.channels) {
      const gap = this.#gaps.get(channel);
      const progress = new Progress(this.name, channel, this.#truth);
      this.#progress.set(channel, progress);
      const since = before.idOf(channel, false);
      const at = now.idOf(channel, false);
      if (at === undefined) throw new Error(`${this.name}: ${start} does not name ${channel}`);
      if (since === undefined) {
        // A channel that the cursor does not name, because it is new to the stream.
        const isGap = gap !== undefined;
        if (isGap !== (this.#lastEventId !== "")) throw new Error(`${channel}: gap ${gap}`);
        progress.startAt(at);
      } else {
        progress.startAt(since);
        // Without a gap it is not told up to where: what came meanwhile may have pushed out more.
        const total =
          gap === undefined ? this.#before.get(channel) : this.#truth.countUpTo(channel, gap);
        progress.cameBack(gap === undefined, gap ?? at, total as number);
      }
    }
  }
}
