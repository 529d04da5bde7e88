import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import type { MemoryBroker } from "../../../src/adapters/memory/broker.js";
import type { Subscriptions } from "../../../src/application/subscriptions/subscriptions.js";
import type { Broker, History } from "../../../src/domain/broker.js";
import { Json } from "../../../src/domain/json.js";
import type { Message } from "../../../src/domain/message.js";
import { Cursor, formatCursor, tagOf } from "../../../src/protocol/sse/cursor.js";
import { within } from "../../support/inbox.js";
import { query, type SseClient } from "../../support/sse-client.js";
import {
  brokerFor,
  publish,
  type SseServer,
  startSse,
  startWithBroker,
} from "../../support/sse-server.js";
import { STREAM_SERVERS } from "../uws/http-servers.js";

let running: { stop(): Promise<void> }[] = [];

function stopped<T extends { stop(): Promise<void> }>(server: T): T {
  running.push(server);
  return server;
}

afterEach(async () => {
  await Promise.all(running.map((server) => server.stop()));
  running = [];
});

const resumed = (id: string) => ({ "last-event-id": id });

/** Where a stream of these channels stands, as it tells its client. */
function cursorAt(broker: Pick<MemoryBroker, "position">, ...channels: string[]): string {
  return formatCursor(
    channels.map((channel) => [tagOf(channel), broker.position(channel) as string] as const),
  );
}

describe.each(STREAM_SERVERS)("a stream that comes back on %s", (_name, serve) => {
  const start = async (given: Parameters<typeof startWithBroker>[0] = {}) =>
    stopped(await startWithBroker({ serve, ...given }));

  it("begins with the id of where it stands, so that it is resumed from before its first message", async () => {
    const { connect, broker } = await start();
    publish(broker, "other", 0);
    const first = await connect("/?channel=a&channel=b");
    const position = await first.events.next();
    const cursor = cursorAt(broker, "b", "a");
    expect(position).toEqual({
      type: "position",
      data: `{"id":"${cursor}"}`,
      lastEventId: cursor,
    });
    first.close();
    publish(broker, "b", 1);
    const second = await connect("/?channel=a&channel=b", resumed(position.lastEventId));
    expect(await second.message()).toMatchObject({ channel: "b", data: 1 });
  });

  it("gets what it has missed on all its channels, in order, and then what comes", async () => {
    const { connect, broker } = await start();
    const first = await connect("/?channel=a&channel=b");
    publish(broker, "a", 0);
    await first.message();
    const id = first.parser.lastEventId;
    first.close();
    for (let n = 1; n <= 200; n++) publish(broker, ["a", "c", "b"][n % 3] as string, n);
    const second = await connect("/?channel=b&channel=a", resumed(id));
    publish(broker, "b", 201);
    const sent = Array.from({ length: 201 }, (_, at) => at + 1);
    const wanted = {
      a: sent.filter((n) => n % 3 === 0 && n <= 200),
      b: sent.filter((n) => n % 3 === 2 || n === 201),
    };
    const events = await second.events.take(wanted.a.length + wanted.b.length + 1);
    expect(events[0]?.type).toBe("position");
    const messages = events.slice(1).map(({ data }) => JSON.parse(data));
    for (const channel of ["a", "b"] as const) {
      const got = messages.filter((message) => message.channel === channel);
      expect(got.map(({ data }) => data)).toEqual(wanted[channel]);
    }
    const cursor = new Cursor(second.parser.lastEventId);
    for (const channel of ["a", "b"]) {
      const last = messages.findLast((message) => message.channel === channel);
      expect(cursor.idOf(channel, false)).toBe(last.id);
    }
  });

  it("takes the id from its address too; the field goes first", async () => {
    const { connect, broker } = await start();
    const start0 = broker.position("a") as string;
    publish(broker, "a", 1);
    const start1 = broker.position("a") as string;
    publish(broker, "a", 2);
    const byQuery = await connect(`/${query(["a"], { last_event_id: start0 })}`);
    expect((await byQuery.message()).data).toBe(1);
    const byBoth = await connect(`/${query(["a"], { last_event_id: start0 })}`, resumed(start1));
    expect((await byBoth.message()).data).toBe(2);
    const byNone = await connect(`/${query(["a"], { last_event_id: "" })}`);
    expect((await byNone.events.next()).type).toBe("position");
    expect(byNone.events.items).toEqual([]);
  });

  it("is told of each channel that it cannot be given whole, and gets the others", async () => {
    const { connect, broker } = await start({
      brokerOptions: {
        historyLimits: (channel) => ({
          size: channel === "short" ? 2 : channel === "none" ? 0 : 100,
          ttl: 60,
        }),
      },
    });
    const id = cursorAt(broker, "short", "long");
    for (let n = 0; n < 3; n++) publish(broker, ["short", "long", "none"], n);
    const client = await connect("/?channel=long&channel=short&channel=none", resumed(id));
    const events = await client.events.take(6);
    expect(events.map(({ type, data }) => [type, JSON.parse(data)])).toMatchObject([
      ["gap", { channel: "short", recovered: false, id: broker.position("short") }],
      ["gap", { channel: "none", recovered: false }],
      ["position", {}],
      ["message", { channel: "long", data: 0 }],
      ["message", { channel: "long", data: 1 }],
      ["message", { channel: "long", data: 2 }],
    ]);
    publish(broker, ["none", "short"], 3);
    expect(await client.message()).toMatchObject({ channel: "none", data: 3 });
    expect(await client.message()).toMatchObject({ channel: "short", data: 3 });
  });

  it.each(["0123abc-7", "nonsense", "x\u00ff", "-1"])(
    "begins anew behind a gap with the id %j",
    async (id) => {
      const { connect, broker } = await start();
      publish(broker, "a", 1);
      const client = await connect("/?channel=a", resumed(id));
      const position = broker.position("a");
      expect(await client.named("gap")).toEqual({ channel: "a", recovered: false, id: position });
      expect(await client.named("position")).toEqual({ id: cursorAt(broker, "a") });
      publish(broker, "a", 2);
      expect((await client.message()).data).toBe(2);
    },
  );

  it("is told of a gap in every channel where nothing keeps a history", async () => {
    const { connect, transport } = stopped(await startSse({ serve }));
    const client = await connect("/?channel=a&channel=b", resumed("e-1"));
    expect(await client.named("gap")).toEqual({ channel: "a", recovered: false });
    expect(await client.named("gap")).toEqual({ channel: "b", recovered: false });
    transport.deliver({ channel: "b", event: "e", data: Json.null });
    expect(await client.message()).toEqual({ channel: "b", event: "e", data: null });
  });

  it("misses nothing and gets nothing twice, whenever it is cut", async () => {
    const channels = ["a", "b", "c"];
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ push: fc.subarray(["a", "b", "c", "d"], { minLength: 1 }) }),
      },
      { weight: 1, arbitrary: fc.constant("cut" as const) },
      { weight: 1, arbitrary: fc.constant("read" as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const server = await startWithBroker({
          serve,
          brokerOptions: {
            historyLimits: (channel) => ({ size: channel === "c" ? 3 : 1000, ttl: 60 }),
          },
        });
        const reader = new CutReader(server, channels);
        await reader.connect();
        const pushed: { channel: string; data: number }[] = [];
        let count = 0;
        for (const each of steps) {
          if (each === "cut") await reader.cut();
          else if (each === "read") await reader.turn();
          else {
            publish(server.broker, each.push, ++count);
            for (const channel of each.push)
              if (channel !== "d") pushed.push({ channel, data: count });
          }
        }
        publish(server.broker, "a", "end");
        await reader.untilEnd();
        for (const channel of channels) {
          const [got, sent] = [
            reader.of(channel),
            pushed.filter((each) => each.channel === channel),
          ];
          expectWhole(
            got,
            sent.map(({ data }) => data),
            channel === "c",
          );
        }
        await server.stop();
      }),
      { numRuns: 25 },
    );
  });

  it("is sent no more at a time than it takes, and then what has come meanwhile", async () => {
    const { broker, transport, connect } = await start({
      brokerOptions: { historyLimits: () => ({ size: 1000, ttl: 60 }) },
    });
    const id = cursorAt(broker, "a", "b");
    const text = "x".repeat(100_000);
    for (let n = 0; n < 200; n++) publish(broker, n % 2 ? "a" : "b", { n, text });
    const slow = await connect("/?channel=a&channel=b", resumed(id));
    slow.response.pause();
    await stuck(transport);
    // Far more than its buffer may hold: it would be cut for it, were it live.
    for (let n = 200; n < 230; n++) publish(broker, "a", { n, text });
    // Half of what cuts a client, and one message of each channel.
    expect(waiting(transport)).toBeLessThan(524_288 + 210_000);
    slow.response.resume();
    const events = await slow.events.take(231);
    const messages = events.slice(1).map(({ data }) => JSON.parse(data));
    for (const [channel, isIts] of [
      ["a", (n: number) => n % 2 === 1 || n >= 200],
      ["b", (n: number) => n % 2 === 0 && n < 200],
    ] as const) {
      const got = messages.filter((each) => each.channel === channel).map(({ data }) => data.n);
      expect(got).toEqual(Array.from({ length: 230 }, (_, n) => n).filter(isIts));
    }
    const live = { channel: "a", event: "e", data: Json.null, id: "x-1" };
    await expect.poll(() => transport.deliver(live)).toBe(1);
  });

  it("is ended where its history goes while it reads, and comes back to a gap", async () => {
    const { broker, transport, connect, logged } = await start({
      brokerOptions: { historyLimits: () => ({ size: 150, ttl: 60 }) },
    });
    const id = broker.position("a") as string;
    const text = "x".repeat(150_000);
    for (let n = 0; n < 150; n++) publish(broker, "a", { n, text });
    const slow = await connect("/?channel=a", resumed(id));
    slow.response.pause();
    await stuck(transport);
    for (let n = 150; n < 350; n++) publish(broker, "a", n);
    slow.response.resume();
    expect(await slow.named("closed")).toMatchObject({ code: 1013 });
    expect(logged).toEqual(["replay ended: its client is too slow"]);
    const back = await connect("/?channel=a", resumed(slow.parser.lastEventId));
    expect(await back.named("gap")).toMatchObject({ channel: "a", recovered: false });
  });
});

/** How many bytes wait in the server for the only stream. */
function waiting(transport: Subscriptions): number {
  const [{ handle, writer } = {}] = transport.sockets(1);
  return handle === undefined || writer === undefined ? 0 : writer.bufferedBytes(handle);
}

/** Until the kernel takes no more, and what is in the server stays. */
async function stuck(transport: Subscriptions): Promise<void> {
  for (let same = 0, last = 0; same < 5; ) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    const now = waiting(transport);
    same = now > 0 && now === last ? same + 1 : 0;
    last = now;
  }
}

/** What came is what was sent, all of it and in order; with gaps where one was told. */
function expectWhole(
  got: readonly (number | "gap")[],
  sent: readonly number[],
  mayHaveGaps: boolean,
) {
  if (!mayHaveGaps) {
    expect(got).toEqual(sent);
    return;
  }
  let at = 0;
  let isBehindGap = false;
  for (const each of got) {
    if (each === "gap") {
      isBehindGap = true;
      continue;
    }
    const found = sent.indexOf(each, at);
    if (isBehindGap) expect(found).toBeGreaterThanOrEqual(at);
    else expect(found).toBe(at);
    isBehindGap = false;
    at = found + 1;
  }
  if (!isBehindGap) expect(at).toBe(sent.length);
}

/** A client that is cut off, and comes back with its `Last-Event-ID` as a browser does. */
class CutReader {
  readonly #got: { channel: string; data: number | "gap" | "end" }[] = [];
  #client: SseClient | undefined;
  #id = "";

  constructor(
    readonly server: SseServer,
    readonly channels: readonly string[],
  ) {}

  async connect(): Promise<void> {
    const headers = this.#id === "" ? {} : resumed(this.#id);
    this.#client = await this.server.connect(`/${query(this.channels)}`, headers);
    await this.#client.events.seen(({ type }) => type === "position");
  }

  async cut(): Promise<void> {
    const client = this.#client as SseClient;
    client.close();
    await client.closed;
    // What has arrived counts, as far as it is whole.
    await this.#take(client.events.items.length);
    this.#id = client.parser.lastEventId;
    await this.connect();
  }

  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  async untilEnd(): Promise<void> {
    const client = this.#client as SseClient;
    while (this.#got.at(-1)?.data !== "end") await within(this.#takeOne(client), "the end");
  }

  of(channel: string): (number | "gap")[] {
    return this.#got
      .filter((each) => each.channel === channel && each.data !== "end")
      .map(({ data }) => data as number | "gap");
  }

  async #take(count: number): Promise<void> {
    for (let at = 0; at < count; at++) await this.#takeOne(this.#client as SseClient);
  }

  async #takeOne(client: SseClient): Promise<void> {
    const { type, data } = await client.events.next();
    const { channel, data: value } = JSON.parse(data);
    if (type === "gap") this.#got.push({ channel, data: "gap" });
    if (type === "message") this.#got.push({ channel, data: value });
  }
}

describe("over a broker that answers later", () => {
  /** One whose history is read some turns after it was asked for. */
  function later(broker: Broker): Broker {
    const turns = async <T>(read: () => T | Promise<T>): Promise<T> => {
      await new Promise((resolve) => setImmediate(resolve));
      const result = await read();
      await Promise.resolve();
      return result;
    };
    return {
      start: (deliver) => broker.start(deliver),
      stop: () => broker.stop(),
      publish: (publication) => broker.publish(publication),
      subscribe: (channel) => turns(() => broker.subscribe(channel)),
      unsubscribe: (channel) => broker.unsubscribe(channel),
      position: (channel) => turns(() => broker.position(channel)),
      history: (channel, asked) => turns<History>(() => broker.history(channel, asked)),
    };
  }

  it("misses nothing and gets nothing twice", async () => {
    let transport: Subscriptions | undefined;
    const memory = brokerFor(() => transport);
    const server = stopped(await startSse({ broker: later(memory) }));
    transport = server.transport;
    let id: string | undefined;
    const got: unknown[] = [];
    let sent = 0;
    for (let round = 0; round < 20; round++) {
      publish(memory, ["a", "b"], ++sent);
      const headers = id === undefined ? {} : resumed(id);
      const client = await server.connect("/?channel=a&channel=b", headers);
      const first = sent + 1;
      for (let n = 0; n < 10; n++) {
        publish(memory, ["a", "b"], ++sent);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await client.events.seen(({ data }) => JSON.parse(data).data === sent);
      await client.events.next(({ type }) => type === "position");
      for (const { type, data } of client.events.items) {
        const { channel, data: value } = JSON.parse(data);
        expect(type).toBe("message");
        // What came before the first stream stood is not its own.
        if (id !== undefined || value >= first) got.push(`${channel}${value}`);
      }
      id = client.parser.lastEventId;
      client.close();
      await client.closed;
    }
    expect(new Set(got).size).toBe(got.length);
    const values = got.filter((each) => String(each).startsWith("b"));
    expect(values.slice(-200)).toEqual(
      Array.from({ length: 219 }, (_, at) => `b${at + 2}`).slice(-200),
    );
    memory.stop();
  });

  it("subscribes to a channel for its first stream and lets go of it after its last", async () => {
    const calls: string[] = [];
    const broker = {
      position: () => undefined,
      history: () => ({ position: undefined, recovered: true, messages: [] as Message[] }),
      subscribe: async (channel: string) => void calls.push(`+${channel}`),
      unsubscribe: (channel: string) => void calls.push(`-${channel}`),
    };
    const { connect, transport } = stopped(await startSse({ broker }));
    const [one, two] = [await connect("/?channel=a"), await connect("/?channel=b&channel=a")];
    expect(calls).toEqual(["+a", "+b"]);
    one.close();
    await expect.poll(() => transport.size).toBe(1);
    expect(calls).toHaveLength(2);
    two.close();
    await expect.poll(() => calls).toEqual(["+a", "+b", "-b", "-a"]);
  });

  it("sends a client away to come back where the broker cannot be had", async () => {
    const no = () => Promise.reject(new Error("down"));
    const broker = { position: no, history: no, subscribe: no, unsubscribe: () => {} };
    const { connect, transport, logged } = stopped(await startSse({ broker }));
    const client = await connect("/?channel=a");
    expect(client.status).toBe(200);
    expect(await client.named("closed")).toEqual({
      code: 1013,
      reason: "the channel is not available",
    });
    expect(transport.counts()).toEqual({ sockets: 0, subscriptions: 0 });
    const unread = { ...broker, subscribe: () => {} };
    const other = stopped(await startSse({ broker: unread }));
    const lost = await other.connect("/?channel=a");
    expect(await lost.named("closed")).toMatchObject({ code: 1013 });
    expect(other.transport.counts().sockets).toBe(0);
    expect([...logged, ...other.logged]).toEqual([
      "join denied: the channel is not available",
      "join denied: the history is not available",
    ]);
  });
});
