import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, describe, expect, it, onTestFinished } from "vitest";
import { createHexpush, type Hexpush, type HexpushOptions } from "../../src/index.js";
import { within } from "../support/inbox.js";
import { RawClient } from "../support/raw-client.js";
import { query, SseClient } from "../support/sse-client.js";

const logger = pino({ level: "silent" });
const running: Hexpush[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((hexpush) => hexpush.stop(0)));
});

async function start(options: HexpushOptions = {}) {
  const hexpush = createHexpush({ port: 0, logger, ...options });
  running.push(hexpush);
  const { port } = await hexpush.start();
  return {
    hexpush,
    port,
    join: async (channel: string) => {
      const client = await RawClient.connect(`ws://127.0.0.1:${port}/push_socket`, "2.0.0");
      await client.join(channel);
      return client;
    },
    listen: (channels: string[], headers: Record<string, string> = {}) =>
      SseClient.connect(port, `/push_events${query(channels)}`, { headers }),
  };
}

describe("streams and sockets of one server", () => {
  it("get the same push, and are counted together", async () => {
    const { hexpush, join, listen } = await start();
    const socket = await join("a");
    const stream = await listen(["a", "b"]);
    await stream.named("position");
    expect(await hexpush.push(["a", "b"], "e", 1)).toMatchObject({ deliveries: 3 });
    const [first, second] = [await stream.message(), await stream.message()];
    expect([first.channel, second.channel]).toEqual(["a", "b"]);
    expect(await socket.frames.next(({ event }) => event === "msg")).toMatchObject({
      payload: { data: 1, event: "e", id: first.id },
    });
    expect(hexpush.stats()).toMatchObject({ sockets: 2, subscriptions: 3, channels: 2 });
    expect(hexpush.channel("a").subscribers).toBe(2);
  });

  it("fill a channel together", async () => {
    const { join, listen } = await start({ channels: [{ pattern: "*", subscribersMax: 2 }] });
    await join("a");
    await (await listen(["a"])).named("position");
    await expect(join("a")).rejects.toThrow("channel is full");
    expect((await listen(["a"])).status).toBe(403);
  });

  it("end by their socket id, over either transport", async () => {
    const policy = {
      authorizePush: () => ({ allow: true as const }),
      authorizeConnect: () => ({ allow: true as const, identity: { socketId: "user:1" } }),
      authorizeJoin: () => ({ allow: true as const }),
    };
    const { hexpush, join, listen } = await start({ policy });
    const socket = await join("a");
    const stream = await listen(["a"]);
    expect(hexpush.closeSockets("user:1")).toBe(2);
    expect(await stream.named("closed")).toMatchObject({ code: 1001 });
    expect((await within(socket.closed, "the close")).code).toBe(1001);
  });

  it("take no id where no history is kept", async () => {
    const { hexpush, listen } = await start({ historySize: 0 });
    const stream = await listen(["a"]);
    await expect.poll(() => hexpush.channel("a").subscribers).toBe(1);
    await hexpush.push("a", "e", 1);
    expect(await stream.message()).toEqual({ channel: "a", event: "e", data: 1 });
  });
});

describe("a stream over a restart of its server", () => {
  const directory = () => {
    const path = mkdtempSync(join(tmpdir(), "hexpush-streams-"));
    onTestFinished(() => rmSync(path, { recursive: true, force: true }));
    return path;
  };

  it("goes on where it was, on the file broker", async () => {
    const broker = `file:${directory()}`;
    const before = await start({ broker });
    const stream = await before.listen(["a", "b"]);
    await stream.named("position");
    await before.hexpush.push("a", "e", 1);
    await stream.message();
    const cursor = stream.parser.lastEventId;
    await before.hexpush.stop();
    expect(await stream.named("closed")).toMatchObject({ code: 1012 });
    await within(stream.closed, "the end");

    const after = await start({ broker });
    await after.hexpush.push(["b", "a"], "e", 2);
    const again = await after.listen(["a", "b"], { "last-event-id": cursor });
    await after.hexpush.push("a", "e", 3);
    const got = [await again.message(), await again.message(), await again.message()];
    const of = (name: string) =>
      got.filter(({ channel }) => channel === name).map(({ data }) => data);
    expect([of("a"), of("b")]).toEqual([[2, 3], [2]]);
    expect(again.events.items.filter(({ type }) => type === "gap")).toEqual([]);
  });

  it("is told of the gap, on the memory broker", async () => {
    const before = await start();
    const stream = await before.listen(["a"]);
    await before.hexpush.push("a", "e", 1);
    const { id } = await stream.message();
    await before.hexpush.stop();
    const after = await start();
    const again = await after.listen(["a"], { "last-event-id": id as string });
    expect(await again.named("gap")).toMatchObject({ channel: "a", recovered: false });
  });
});

describe("a stop with open streams", () => {
  it("ends them within its time and sends new ones away for now", async () => {
    const { hexpush, port, listen } = await start();
    const streams = await Promise.all(Array.from({ length: 120 }, () => listen(["a"])));
    await Promise.all(streams.map((stream) => stream.named("position")));
    const keptOpen = await SseClient.connect(port, "/health/live");
    const stopped = hexpush.stop(5);
    for (const stream of streams) {
      expect(await stream.named("closed")).toMatchObject({ code: 1012 });
      await within(stream.closed, "the end");
    }
    await within(stopped, "the stop");
    keptOpen.close();
  });

  it("leaves them alone where the settings say so, until its end", async () => {
    const { hexpush, listen } = await start({ drainSockets: false });
    const stream = await listen(["a"]);
    await stream.named("position");
    const stopped = hexpush.stop(0.5);
    await hexpush.push("a", "e", "meanwhile");
    expect(await stream.message()).toMatchObject({ data: "meanwhile" });
    await within(stopped, "the stop");
    expect(await stream.named("closed")).toMatchObject({ code: 1012 });
  });

  it("ends those of a host that serves the callback itself", async () => {
    const hexpush = createHexpush({ logger });
    running.push(hexpush);
    const host = createServer(hexpush.callback());
    onTestFinished(() => void host.close());
    await new Promise<void>((resolve) => host.listen(0, "127.0.0.1", resolve));
    const stream = await SseClient.connect(
      (host.address() as AddressInfo).port,
      "/push_events?channel=a",
    );
    await hexpush.push("a", "e", 1);
    expect(await stream.message()).toMatchObject({ data: 1 });
    await hexpush.stop();
    expect(await stream.named("closed")).toMatchObject({ code: 1012 });
  });
});
