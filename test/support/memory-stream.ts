import { allowAll } from "../../src/adapters/auth/allow-all.js";
import { anyOrigin } from "../../src/application/origins.js";
import { Connects } from "../../src/application/subscriptions/connects.js";
import { Subscriptions } from "../../src/application/subscriptions/subscriptions.js";
import type { AuthPolicy, Headers } from "../../src/domain/auth-policy.js";
import { EventStreams } from "../../src/protocol/sse/event-streams.js";
import type { Stream, StreamExchange, StreamFields } from "../../src/protocol/sse/stream.js";
import type { ManualBroker } from "./manual-broker.js";

/** A response in memory. */
export class MemoryExchange implements StreamExchange {
  readonly remoteAddress = "192.0.2.1";
  answered: { readonly status: number; readonly body: string | undefined } | undefined;
  fields: StreamFields | undefined;
  text = "";
  /** Each write, as it came. */
  readonly writes: string[] = [];
  isEnded = false;
  isDestroyed = false;
  bufferedBytes = 0;
  /** Whether its client takes what is sent. */
  isReading = true;

  answer(status: number, fields: StreamFields, body: string | undefined): void {
    this.#assertOpen();
    this.fields = fields;
    this.answered = { status, body };
    this.isEnded = true;
  }

  start(fields: StreamFields): void {
    this.#assertOpen();
    this.fields = fields;
  }

  write(text: string, bytes: number): void {
    if (this.fields === undefined) throw new Error("written before its head");
    this.#assertOpen();
    this.text += text;
    this.writes.push(text);
    if (!this.isReading) this.bufferedBytes += bytes;
  }

  flush(): void {}

  end(text: string): void {
    this.write(text, text.length);
    this.isEnded = true;
  }

  destroy(): void {
    this.isDestroyed = true;
  }

  /** The events of this name, parsed; `message` for those without one. */
  events(name: string): { readonly id: string | undefined; readonly data: unknown }[] {
    return this.blocks().filter((block) => block.name === name);
  }

  blocks(): { name: string; id: string | undefined; data: unknown }[] {
    return this.text.split("\n\n").flatMap((block) => {
      const lines = new Map(
        block.split("\n").map((line) => line.split(/: (.*)/s, 2) as [string, string]),
      );
      const data = lines.get("data");
      if (data === undefined) return [];
      const name = lines.get("event") ?? "message";
      return [{ name, id: lines.get("id"), data: JSON.parse(data) as unknown }];
    });
  }

  /** What an EventSource would send as its last event id. */
  get lastEventId(): string | undefined {
    return this.blocks().findLast(({ id }) => id !== undefined)?.id;
  }

  #assertOpen(): void {
    if (this.isEnded) throw new Error("written after its end");
  }
}

/** Event streams over real subscriptions, without a network. */
export function memoryStreams(broker: ManualBroker, policy: Partial<AuthPolicy> = {}) {
  const log = { info: () => {}, warn: () => {} };
  const all = { ...allowAll, ...policy };
  const limits = {
    channelNameBytesMax: 1024,
    channelsPerSocketMax: 100,
    sendBufferBytesMax: 100_000,
    idleTimeoutMs: 45_000,
  };
  const subscriptions = new Subscriptions({ policy: all, broker, limits, now: () => 0, log });
  broker.deliver = (message) => subscriptions.deliver(message);
  const connects = new Connects({ policy: all, origins: anyOrigin, log });
  const streams = new EventStreams({ subscriptions, connects, random: () => 0 });
  const open = (channels: readonly string[], headers: Headers = {}, method = "GET") => {
    const exchange = new MemoryExchange();
    const query = channels.map((channel) => `channel=${encodeURIComponent(channel)}`).join("&");
    const stream: Stream | undefined = streams.open({ method, query, headers }, exchange);
    return { exchange, stream };
  };
  return { subscriptions, streams, open };
}
