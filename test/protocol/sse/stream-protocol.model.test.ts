import fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { Stream } from "../../../src/protocol/sse/stream.js";
import { ManualBroker, turn } from "../../support/manual-broker.js";
import { type MemoryExchange, memoryStreams } from "../../support/memory-stream.js";

/*
 * A client follows several channels over many streams: each is cut at any event and resumed with the
 * cursor of the last event that the client has seen, while others follow the same or other channels.
 */

const CHANNELS = ["a", "b", "c"];

type Step =
  | { readonly kind: "push"; readonly channel: string; readonly count: number }
  | { readonly kind: "cut"; readonly client: number; readonly lose: number }
  | { readonly kind: "answer" | "turn" };

const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("push"),
        channel: fc.constantFrom(...CHANNELS),
        count: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.constant(70)),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("cut"),
        client: fc.nat(3),
        lose: fc.oneof(fc.constant(0), fc.nat(5)),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom("answer", "answer", "turn") }) },
  ) as fc.Arbitrary<Step>,
  { maxLength: 60 },
);

class Client {
  readonly seen = new Map<string, number[]>();
  exchange!: MemoryExchange;
  stream: Stream | undefined;
  cursor: string | undefined;
  #taken = 0;

  constructor(readonly channels: readonly string[]) {}

  /** Sees what has arrived, except the last `lose` events. */
  see(lose = 0): void {
    const blocks = this.exchange.blocks();
    // Without the first event, which is its position, a client has nothing to resume from.
    const end = Math.max(blocks.length - lose, this.cursor === undefined ? 1 : 0);
    for (const { name, id, data } of blocks.slice(this.#taken, end)) {
      this.#taken++;
      expect(["message", "position"]).toContain(name);
      this.cursor = id ?? this.cursor;
      if (name !== "message") continue;
      const { channel, data: value } = data as { channel: string; data: number };
      this.seen.set(channel, [...(this.seen.get(channel) ?? []), value]);
    }
  }

  opened({ exchange, stream }: { exchange: MemoryExchange; stream: Stream | undefined }): void {
    this.exchange = exchange;
    this.stream = stream;
    this.#taken = 0;
  }
}

async function run(isAsynchronous: boolean, sequence: readonly Step[]): Promise<void> {
  const broker = new ManualBroker(isAsynchronous, () => 10_000);
  const { streams, open } = memoryStreams(broker);
  const pushed = new Map<string, number>();
  const clients = [["a", "b", "c"], ["c", "b", "a"], ["a", "b"], ["a"]].map(
    (channels) => new Client(channels),
  );
  const connect = (client: Client) => {
    const { cursor } = client;
    client.opened(open(client.channels, cursor === undefined ? {} : { "last-event-id": cursor }));
  };
  for (const client of clients) connect(client);
  await broker.settle();
  for (const step of sequence) {
    switch (step.kind) {
      case "push":
        for (let each = 0; each < step.count; each++) {
          const next = (pushed.get(step.channel) ?? 0) + 1;
          pushed.set(step.channel, next);
          broker.publish(step.channel, next);
        }
        break;
      case "cut": {
        const client = clients[step.client] as Client;
        client.see(step.lose);
        if (client.stream !== undefined) streams.gone(client.stream);
        connect(client);
        break;
      }
      case "answer":
        if (broker.pending.length > 0) broker.next().answer();
        await turn();
        break;
      case "turn":
        await turn();
    }
  }
  await broker.settle();
  for (let each = 0; each < 10; each++) await turn();
  for (const client of clients) {
    client.see();
    for (const channel of client.channels) {
      const expected = Array.from({ length: pushed.get(channel) ?? 0 }, (_, at) => at + 1);
      expect(client.seen.get(channel) ?? []).toEqual(expected);
    }
  }
  streams.stop();
  expect(broker.faults).toEqual([]);
  expect(broker.interest.size).toBe(0);
}

describe("event streams of several channels", () => {
  it("lose and repeat nothing if they are cut at any event and resumed with its cursor", async () => {
    await fc.assert(fc.asyncProperty(fc.boolean(), steps, run), { numRuns: 100 });
  });

  it("tell of a gap in what the history has dropped, and resume the rest", () => {
    const broker = new ManualBroker(false, (channel) => (channel === "a" ? 1 : 100));
    const { streams, open } = memoryStreams(broker);
    onTestFinished(() => streams.stop());
    const first = open(["a", "b"]);
    const cursor = first.exchange.lastEventId ?? "";
    if (first.stream !== undefined) streams.gone(first.stream);
    for (const data of [1, 2]) for (const channel of ["a", "b"]) broker.publish(channel, data);
    const { exchange } = open(["a", "b"], { "last-event-id": cursor });
    expect(exchange.events("gap").map(({ data }) => data)).toEqual([
      { channel: "a", recovered: false, id: "epocha-2" },
    ]);
    expect(exchange.events("message").map(({ data }) => data)).toMatchObject([
      { channel: "b", data: 1 },
      { channel: "b", data: 2 },
    ]);
  });

  it.each([
    ["one channel", [["a"], ["a"], ["a"]]],
    [
      "the same channels in any order",
      [
        ["a", "b"],
        ["b", "a"],
        ["a", "b"],
      ],
    ],
  ])("encode a message once for all streams of %s", (_name, wanted) => {
    const broker = new ManualBroker(false);
    const { subscriptions, streams, open } = memoryStreams(broker);
    onTestFinished(() => streams.stop());
    const opened = wanted.map((channels) => open(channels));
    const protocols = new Set(opened.map(({ stream }) => stream?.socket?.writer.protocol));
    expect(protocols.size).toBe(1);
    const [protocol] = protocols;
    if (protocol === undefined) throw new Error("no stream is open");
    const encode = vi.spyOn(protocol, "encode");
    broker.publish("a", 1);
    expect(encode).toHaveBeenCalledTimes(1);
    expect(subscriptions.subscribers("a")).toBe(3);
    const texts = opened.map(({ exchange }) => exchange.writes.at(-1));
    expect(texts[0]).toContain('"data":1');
    expect(new Set(texts).size).toBe(1);
  });
});
