import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { Json } from "../../../src/domain/json.js";
import type { PushListener } from "../../../src/domain/push-listener.js";
import { messageEvent } from "../../../src/protocol/sse/event-text.js";
import { blank, channelName, jsonText, name } from "../../support/arbitraries.js";
import { within } from "../../support/inbox.js";
import { RawHttp } from "../../support/raw-http.js";
import { type SseEvent, SseParser } from "../../support/sse-client.js";
import { type SseServer, type SseSettings, startSse } from "../../support/sse-server.js";
import { STREAM_SERVERS } from "../uws/http-servers.js";

let running: SseServer[] = [];

afterEach(async () => {
  await Promise.all(running.map((server) => server.stop()));
  running = [];
});

const message = (channel: string, data = "null", id?: string) => ({
  channel,
  event: "e",
  data: Json.parse(data),
  ...(id !== undefined && { id }),
});

describe("a message's event", () => {
  it("is one whole event to a parser of the standard, whatever the message holds", () => {
    fc.assert(
      fc.property(channelName, name(), jsonText, blank, (channel, event, data, space) => {
        const json = Json.parse(`${space}${data}${space}`);
        const events: SseEvent[] = [];
        const parser = new SseParser((each) => events.push(each));
        parser.feed(messageEvent({ channel, event, data: json, id: "e-7" }, "x-e-7"));
        const [names, values] = [JSON.stringify(channel), JSON.stringify(event)];
        const text = `{"channel":${names},"event":${values},"data":${data},"id":"e-7"}`;
        expect(events).toEqual([{ type: "message", data: text, lastEventId: "x-e-7" }]);
      }),
    );
  });

  it.each([
    ["line breaks between the tokens of data", '{\r\n"a"\n:\r1}', '{"a":1}'],
    ["escaped line breaks", '"\\n\\r"', '"\\n\\r"'],
    ["separators that are none in a stream", '"\u2028\u2029\u0085"', '"\u2028\u2029\u0085"'],
  ])("keeps its line with %s", (_what, given, data) => {
    const lines = messageEvent(message("a\nb\r", given), undefined).split(/[\r\n]/);
    expect(lines).toEqual([`data: {"channel":"a\\nb\\r","event":"e","data":${data}}`, "", ""]);
  });
});

describe.each(STREAM_SERVERS)("a stream on %s", (_name, serve) => {
  async function start(given: SseSettings = {}): Promise<SseServer> {
    const server = await startSse({ serve, ...given });
    running.push(server);
    return server;
  }

  it("encodes a message once for all streams", async () => {
    const { connect, transport } = await start();
    const clients = await Promise.all([1, 2, 3].map(() => connect("/?channel=a")));
    let reads = 0;
    const counted = {
      ...message("a"),
      get data() {
        reads++;
        return Json.null;
      },
    };
    expect(transport.deliver(counted)).toBe(3);
    await Promise.all(clients.map((client) => client.message()));
    expect(reads).toBe(1);
  });

  it("cuts a stream that nobody reads, and the others get everything", async () => {
    const cuts: unknown[] = [];
    const listener: PushListener = {
      consumerCut: ({ channels, bufferBytes }) => cuts.push([[...channels], bufferBytes]),
    };
    const { connect, transport, port, logged } = await start({
      listener,
      limits: { sendBufferBytesMax: 200_000 },
    });
    const reader = await connect("/?channel=a");
    const stuck = await RawHttp.connect(port);
    stuck.write("GET /?channel=a&channel=b HTTP/1.1\r\nhost: x\r\n\r\n");
    await expect.poll(() => transport.subscribers("a")).toBe(2);
    stuck.pause();
    const data = JSON.stringify("x".repeat(50_000));
    let pushed = 0;
    for (; transport.subscribers("a") === 2 && pushed < 2_000; pushed++) {
      transport.deliver(message("a", data));
      if (pushed % 2 === 1) await reader.events.take(2);
    }
    expect([transport.subscribers("a"), transport.subscribers("b")]).toEqual([1, 0]);
    if (pushed % 2 === 1) await reader.events.take(1);
    transport.deliver(message("a", '"last"'));
    expect((await reader.message()).data).toBe("last");
    stuck.resume();
    await stuck.closed();
    expect(logged).toEqual(["slow consumer cut: its send buffer was full"]);
    expect(cuts).toEqual([[["a", "b"], 200_000]]);
  });

  it("is not cut because of what one turn has gathered for it", async () => {
    const { connect, transport } = await start({ limits: { sendBufferBytesMax: 65_536 } });
    const client = await connect("/?channel=a");
    const small = JSON.stringify("x".repeat(5_000));
    const large = JSON.stringify("x".repeat(60_000));
    const sent = [...Array.from({ length: 10 }, () => small), large, small, large];
    for (const data of sent) expect(transport.deliver(message("a", data))).toBe(1);
    for (const data of sent) expect((await client.message()).data).toBe(JSON.parse(data));
  });

  it("delivers one message that is larger than the whole buffer", async () => {
    const { connect, transport } = await start({ limits: { sendBufferBytesMax: 1024 } });
    const client = await connect("/?channel=a");
    const text = "é".repeat(2_000_000);
    expect(transport.deliver(message("a", JSON.stringify(text)))).toBe(1);
    expect((await client.message()).data).toBe(text);
    expect(transport.counts().sockets).toBe(1);
  });

  it("gets a comment while nothing else comes", async () => {
    const { connect } = await start({ heartbeatMs: 20 });
    const { parser, events } = await connect("/?channel=a");
    await expect.poll(() => parser.comments).toBeGreaterThan(3);
    expect(events.items).toEqual([]);
  });

  it("ends when its identity does, with why", async () => {
    let now = 100;
    const { connect, transport } = await start({
      now: () => now,
      heartbeatMs: 20,
      policy: {
        authorizeConnect: ({ params }) => ({
          allow: true,
          identity: { expiresAt: Number(params.at) },
        }),
      },
    });
    const [soon, later, never] = [
      await connect("/?channel=a&at=105"),
      await connect("/?channel=a&at=110"),
      await connect("/?channel=a"),
    ];
    now = 105;
    expect(await soon.named("closed")).toEqual({ code: 1008, reason: "token expired" });
    await within(soon.closed, "the end");
    expect(transport.counts().sockets).toBe(2);
    now = 110;
    await within(later.closed, "the end");
    const comments = never.parser.comments;
    await expect.poll(() => never.parser.comments).toBeGreaterThan(comments);
    expect(transport.counts().sockets).toBe(1);
  });

  it("is told why it is closed", async () => {
    const { connect, transport } = await start({
      policy: {
        authorizeConnect: ({ params }) => ({
          allow: true,
          identity: { socketId: params.id ?? "" },
        }),
      },
    });
    const [mine, revoked] = [await connect("/?channel=a&id=me"), await connect("/?channel=a&id=x")];
    expect(transport.closeSockets("me")).toBe(1);
    expect(transport.closeWhere(({ socketId }) => socketId === "x", "token revoked")).toBe(1);
    expect(await mine.named("closed")).toEqual({ code: 1001, reason: "disconnected" });
    expect(await revoked.named("closed")).toEqual({ code: 1008, reason: "token revoked" });
    await within(Promise.all([mine.closed, revoked.closed]), "both ends");
    expect(transport.counts()).toEqual({ sockets: 0, subscriptions: 0 });
  });

  it("is drained a few at a time, and new ones are sent away to come back", async () => {
    let draw = 0;
    const { connect, connects, drain, transport } = await start({ random: () => draw });
    const close = (count: number) => {
      for (const socket of transport.sockets(count)) {
        transport.close(socket, { kind: "drain", retryMs: 0 });
      }
    };
    const clients = await Promise.all([1, 2, 3].map(() => connect("/?channel=a")));
    await expect.poll(() => clients.map(({ parser }) => parser.retry)).toEqual([2000, 2000, 2000]);
    draw = 0.5;
    drain.begin();
    expect(transport.size).toBe(3);
    close(2);
    expect(transport.size).toBe(1);
    const gone = { code: 1012, reason: "retry in 3500" };
    await within(Promise.race(clients.map((client) => client.closed)), "one's end");
    const late = await connect("/?channel=a");
    expect([late.status, await late.named("closed")]).toEqual([200, gone]);
    await within(late.closed, "its end");
    expect(late.parser.retry).toBe(3500);
    close(Number.POSITIVE_INFINITY);
    await within(Promise.all(clients.map((client) => client.closed)), "all ends");
    for (const client of clients) {
      expect(await client.named("closed")).toEqual(gone);
      expect(client.parser.retry).toBe(3500);
    }
    connects.start();
    expect((await connect("/?channel=a")).status).toBe(200);
    expect(transport.size).toBe(1);
  });

  it("tells its listener what happens, in order", async () => {
    const told: unknown[] = [];
    const sockets = new Set<unknown>();
    const { connect, transport } = await start({
      policy: {
        authorizeConnect: () => ({ allow: true, identity: { socketId: "s", presenceId: "p" } }),
      },
      listener: {
        socketConnected: (socket) => {
          sockets.add(socket);
          told.push(["connected", socket.transport, socket.socketId, socket.presenceId]);
        },
        channelJoined: ({ socket, channel }) => told.push(["joined", channel, sockets.has(socket)]),
        channelLeft: ({ socket, channel }) => told.push(["left", channel, sockets.has(socket)]),
        socketClosed: (socket) => told.push(["closed", sockets.has(socket)]),
      },
    });
    const client = await connect("/?channel=a&channel=b");
    expect([...transport.joined("a")].map(({ presenceId }) => presenceId)).toEqual(["p"]);
    client.close();
    await expect.poll(() => told.at(-1)).toEqual(["closed", true]);
    expect(told).toEqual([
      ["connected", "sse", "s", "p"],
      ["joined", "a", true],
      ["joined", "b", true],
      ["left", "a", true],
      ["left", "b", true],
      ["closed", true],
    ]);
  });
});
