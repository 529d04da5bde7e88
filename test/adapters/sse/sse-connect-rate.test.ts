import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ConnectThrottle } from "../../../src/application/subscriptions/connect-throttle.js";
import { within } from "../../support/inbox.js";
import { type SseServer, startSse } from "../../support/sse-server.js";
import { STREAM_SERVERS } from "../uws/http-servers.js";

describe.each(STREAM_SERVERS)("streams of a starting node on %s", (_name, serve) => {
  let server: SseServer;
  let throttle: ConnectThrottle;
  let asked: string[];

  beforeEach(async () => {
    throttle = new ConnectThrottle({ rate: 2 });
    asked = [];
    server = await startSse({
      serve,
      throttle,
      policy: {
        authorizeConnect: ({ params }) => {
          asked.push(params.name ?? "");
          return { allow: true };
        },
      },
    });
    throttle.start();
  });
  afterEach(async () => {
    throttle.stop();
    await server.stop();
  });

  /** In this order; their heads come once they are admitted. */
  async function come(names: readonly string[]) {
    const all = [];
    for (const name of names) {
      const before = throttle.waiting;
      const stream = server.connect(`/?channel=a&name=${name}`);
      all.push(stream);
      await vi.waitUntil(() => throttle.waiting > before);
    }
    return all;
  }

  it("wait for their turn, and the policy is asked only then", async () => {
    await server.connect("/?channel=a&name=first");
    const waiting = await come(["second", "third"]);
    expect(asked).toEqual(["first"]);
    for (const stream of await Promise.all(waiting)) expect(stream.status).toBe(200);
    expect(asked).toEqual(["first", "second", "third"]);
    expect(server.transport.size).toBe(3);
  });

  it("are sent away to come back, by no error, where too many wait", async () => {
    await server.connect("/?channel=a");
    const waiting = await come(["1", "2", "3", "4", "5", "6"]);
    const late = await server.connect("/?channel=a&name=late");
    expect(late.status).toBe(200);
    expect(await late.named("closed")).toEqual({ code: 1013, reason: "too many connects at once" });
    await within(late.closed, "its end");
    expect(late.parser.retry).toBeGreaterThanOrEqual(2_000);
    expect(asked).toEqual([""]);
    throttle.stop();
    for (const stream of await Promise.all(waiting)) {
      const { parser } = stream;
      expect(await stream.named("closed")).toEqual({
        code: 1012,
        reason: `retry in ${parser.retry}`,
      });
    }
    expect(asked).toEqual([""]);
  });

  it("that are given up by their clients leave their place", async () => {
    const first = await server.connect("/?channel=a&name=first");
    const controller = new AbortController();
    const gone = fetch(`http://127.0.0.1:${server.port}/?channel=a&name=gone`, {
      signal: controller.signal,
    });
    gone.catch(() => {});
    await vi.waitUntil(() => throttle.waiting === 1);
    controller.abort();
    // Its turn would have come after half a second.
    await vi.waitUntil(() => throttle.waiting === 0, { timeout: 250, interval: 5 });
    expect((await server.connect("/?channel=a&name=next")).status).toBe(200);
    expect(asked).toEqual(["first", "next"]);
    first.close();
  });
});

it("a drain tells each stream when to come back, and none before two seconds", async () => {
  const server = await startSse({ random: () => 0 });
  const paths = Array.from({ length: 3 }, () => "/?channel=a");
  const streams = await Promise.all(paths.map((path) => server.connect(path)));
  await vi.waitUntil(() => server.transport.size === 3);
  const [first, second, third] = server.transport.sockets(3);
  for (const [socket, retryMs] of [
    [first, 0],
    [second, 22_000],
    [third, 4_000],
  ] as const) {
    if (socket !== undefined) server.transport.close(socket, { kind: "drain", retryMs });
  }
  const reasons = await Promise.all(streams.map((stream) => stream.named("closed")));
  expect(reasons).toEqual([
    { code: 1012, reason: "retry in 2000" },
    { code: 1012, reason: "retry in 22000" },
    { code: 1012, reason: "retry in 4000" },
  ]);
  expect(streams.map(({ parser }) => parser.retry)).toEqual([2_000, 22_000, 4_000]);
  await server.stop();
});
