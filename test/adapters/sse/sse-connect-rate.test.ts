import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ConnectGate } from "../../../src/application/connect-gate.js";
import { within } from "../../support/inbox.js";
import { type SseServer, startSse } from "../../support/sse-server.js";
import { SERVERS } from "../uws/http-servers.js";

describe.each(SERVERS)("streams of a starting node on %s", (_name, serve) => {
  let server: SseServer;
  let gate: ConnectGate;
  let asked: string[];

  beforeEach(async () => {
    gate = new ConnectGate({ rate: 2 });
    asked = [];
    server = await startSse({
      serve,
      gate,
      policy: {
        authorizeConnect: ({ params }) => {
          asked.push(params.name ?? "");
          return { allow: true };
        },
      },
    });
    gate.start();
  });
  afterEach(async () => {
    gate.stop();
    await server.stop();
  });

  /** In this order; their heads come once they are admitted. */
  async function come(names: readonly string[]) {
    const all = [];
    for (const name of names) {
      const before = gate.waiting;
      const stream = server.connect(`/?channel=a&name=${name}`);
      all.push(stream);
      await vi.waitUntil(() => gate.waiting > before);
    }
    return all;
  }

  it("wait for their turn, and the policy is asked only then", async () => {
    await server.connect("/?channel=a&name=first");
    const waiting = await come(["second", "third"]);
    expect(asked).toEqual(["first"]);
    for (const stream of await Promise.all(waiting)) expect(stream.status).toBe(200);
    expect(asked).toEqual(["first", "second", "third"]);
    expect(server.transport.openSockets).toBe(3);
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
    gate.stop();
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
    await vi.waitUntil(() => gate.waiting === 1);
    controller.abort();
    // Its turn would have come after half a second.
    await vi.waitUntil(() => gate.waiting === 0, { timeout: 250, interval: 5 });
    expect((await server.connect("/?channel=a&name=next")).status).toBe(200);
    expect(asked).toEqual(["first", "next"]);
    first.close();
  });
});

it("a drain spreads the returns of many streams over the time that it is told", async () => {
  const draws = [0, 0, 0, 0, 0.999_999, 0];
  const server = await startSse({ random: () => draws.shift() ?? 0 });
  const paths = Array.from({ length: 3 }, () => "/?channel=a");
  const streams = await Promise.all(paths.map((path) => server.connect(path)));
  await vi.waitUntil(() => server.transport.openSockets === 3);
  server.transport.startDrain(20_000);
  server.transport.closeForDrain(2);
  server.transport.closeForDrain(1, 4_000);
  const reasons = await Promise.all(streams.map((stream) => stream.named("closed")));
  expect(reasons).toEqual([
    { code: 1012, reason: "retry in 2000" },
    { code: 1012, reason: "retry in 22000" },
    { code: 1012, reason: "retry in 4000" },
  ]);
  expect(streams.map(({ parser }) => parser.retry)).toEqual([2_000, 22_000, 4_000]);
  await server.stop();
});
