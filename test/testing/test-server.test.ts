import { describe, expect, it, onTestFinished } from "vitest";
import { ConfigError } from "../../src/index.js";
import { serverOptions } from "../../src/testing/test-server.js";
import {
  FakeClock,
  RecordingTransport,
  startTestServer,
  type TestServerOptions,
} from "../../src/testing.js";
import { Inbox } from "../support/inbox.js";
import { RawClient } from "../support/raw-client.js";

async function start(options: TestServerOptions = {}) {
  const server = await startTestServer(options);
  onTestFinished(() => server.stop());
  return server;
}

function post(url: string, key: string): Promise<Response> {
  return fetch(`${url}/api/push`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: '{"channel":"a","event":"e","data":12345678901234567890}',
  });
}

describe("startTestServer", () => {
  it("gives a real server on a free local port, for HTTP and for sockets", async () => {
    const server = await start();
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`);
    const client = await RawClient.connect(server.socketUrl, "2.0.0");
    await client.join("a");

    expect((await post(server.url, "none")).status).toBe(200);

    expect((await client.frames.next()).text).toContain("12345678901234567890");
    expect((await server.recorded.next()).text).toBe("12345678901234567890");
    client.close();
  });

  it("pushes from within, and counts who got it", async () => {
    const server = await start();
    server.recorded.connect().join("a");
    expect(await server.push(["a", "b"], "e", { x: 1 })).toMatchObject({
      channels: ["a", "b"],
      deliveries: 1,
    });
    expect(server.recorded.messages.map(({ channel, data }) => [channel, data])).toEqual([
      ["a", { x: 1 }],
      ["b", { x: 1 }],
    ]);
  });

  it("takes every option of createHexpush", async () => {
    const further = new RecordingTransport();
    const server = await start({ apiKeys: ["k"], transports: [further] });
    expect((await post(server.url, "other")).status).toBe(403);
    expect((await post(server.url, "k")).status).toBe(200);
    expect(further.messages).toEqual(server.recorded.messages);
    await expect(startTestServer({ port: -1 })).rejects.toThrow(ConfigError);
  });

  it("starts several servers side by side, each with its own record", async () => {
    const [one, other] = await Promise.all([start(), start()]);
    await one.push("a", "e", 1);
    expect([one.recorded.messages.length, other.recorded.messages.length]).toEqual([1, 0]);
  });

  it("stops at once, whatever is under way, and may be told so twice", async () => {
    const asked = new Inbox<string>("requests");
    const server = await startTestServer({
      drainTimeout: 3600,
      middleware: [
        (context) => {
          asked.push(context.path);
          return new Promise(() => {}); // a drain would wait for its answer
        },
      ],
    });
    const client = await RawClient.connect(server.socketUrl, "2.0.0");
    const unanswered = expect(fetch(server.url)).rejects.toThrow();
    await asked.next();

    await server.stop();
    await server.stop();
    await Promise.all([client.closed, unanswered]);
  });

  it("stops where its block ends", async () => {
    const { url, [Symbol.asyncDispose]: dispose } = await startTestServer();
    await dispose();
    await expect(post(url, "none")).rejects.toThrow();
  });

  it("hands the clock's time on, in place of any other", async () => {
    const clock = new FakeClock(1000);
    const options = serverOptions({ clock, now: () => 1 }, new RecordingTransport());
    clock.advance(1);
    expect(options.now?.()).toBe(1001);
    expect(serverOptions({ now: () => 1 }, new RecordingTransport()).now?.()).toBe(1);
    expect((await start({ clock })).port).toBeGreaterThan(0);
  });
});
