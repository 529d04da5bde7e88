import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { listedOrigins } from "../../../src/application/origins.js";
import type { ConnectAuthRequest, ConnectDecision } from "../../../src/domain/auth-policy.js";
import { RawHttp } from "../../support/raw-http.js";
import { query, SseClient } from "../../support/sse-client.js";
import { type SseServer, type SseSettings, startSse } from "../../support/sse-server.js";
import { STREAM_SERVERS } from "../uws/http-servers.js";

let running: SseServer[] = [];

afterEach(async () => {
  await Promise.all(running.map((server) => server.stop()));
  running = [];
});

describe.each(STREAM_SERVERS)("a stream's opening on %s", (_name, serve) => {
  async function start(given: SseSettings = {}): Promise<SseServer> {
    const server = await startSse({ serve, ...given });
    running.push(server);
    return server;
  }

  async function refusal(server: SseServer, path: string, headers: Record<string, string> = {}) {
    const client = await server.connect(path, headers);
    let text = "";
    client.response.on("data", (piece: string) => {
      text += piece;
    });
    await client.closed;
    return { status: client.status, body: JSON.parse(text), headers: client.headers };
  }

  it("has the head of a stream that no proxy is to keep or change, and no length", async () => {
    const { connect } = await start({ random: () => 0.5 });
    const { status, headers, parser, events } = await connect("/?channel=a");
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store, no-transform",
      "x-accel-buffering": "no",
      "transfer-encoding": "chunked",
    });
    expect(headers["content-length"]).toBeUndefined();
    await expect.poll(() => parser.comments).toBe(1);
    expect([parser.retry, events.items]).toEqual([3500, []]);
  });

  it("spreads the times after which clients come back over 2 to 5 seconds", async () => {
    const draws = [0, 0.999_999];
    const { connect } = await start({ random: () => draws.shift() ?? 0 });
    const [least, most] = [await connect("/?channel=a"), await connect("/?channel=a")];
    await expect.poll(() => [least.parser.retry, most.parser.retry]).toEqual([2000, 5000]);
  });

  it.each([
    ["no channel", "/", "channel must be given at least once."],
    ["an empty channel", "/?channel=", "channel must not be empty."],
    [
      "a long name",
      `/${query(["é".repeat(5)])}`,
      "channel must not be longer than 8 bytes in UTF-8.",
    ],
    ["many channels", `/${query(["a", "b", "c"])}`, "channel must not name more than 2 channels."],
  ])("refuses %s", async (_what, path, error) => {
    const server = await start({ limits: { channelNameBytesMax: 8, channelsPerSocketMax: 2 } });
    const { status, body, headers } = await refusal(server, path);
    expect([status, body]).toEqual([422, { error }]);
    expect(headers["content-type"]).toBe("application/json; charset=utf-8");
    expect(server.transport.counts()).toEqual({ sockets: 0, subscriptions: 0 });
  });

  it("joins a channel once that is named twice", async () => {
    const { connect, transport } = await start({ limits: { channelsPerSocketMax: 1 } });
    expect((await connect("/?channel=a&channel=a")).status).toBe(200);
    expect(transport.counts()).toEqual({ sockets: 1, subscriptions: 1 });
  });

  it("asks the policy with the parameters, the token and the fields", async () => {
    const asked: ConnectAuthRequest[] = [];
    const { connect } = await start({
      policy: {
        authorizeConnect: (request) => {
          asked.push(request);
          return { allow: true };
        },
      },
    });
    await connect("/?channel=a&x=1&x=2&last_event_id=e-1&token=q", { authorization: "Bearer h" });
    await connect("/?channel=a&__proto__=1", {
      authorization: "bearer  h",
      origin: "http://o.example",
    });
    expect(asked.map(({ token, params, origin }) => [token, { ...params }, origin])).toEqual([
      ["q", { x: "2", token: "q" }, undefined],
      ["h", JSON.parse('{"__proto__":"1"}'), "http://o.example"],
    ]);
    expect(asked[1]?.headers.authorization).toBe("bearer  h");
    expect(asked[1]?.remoteAddress).toContain("127.0.0.1");
  });

  it.each(["at once", "later"])("refuses whom the policy denies %s", async (moment) => {
    const decision: ConnectDecision = { allow: false };
    const server = await start({
      policy: {
        authorizeConnect: () => (moment === "later" ? Promise.resolve(decision) : decision),
      },
    });
    const { status, body } = await refusal(server, "/?channel=a");
    expect([status, body]).toEqual([403, { error: "Access Forbidden" }]);
  });

  it.each(["at once", "later"])(
    "tells of the denied channels and goes on with the others, decided %s",
    async (moment) => {
      const identity = { socketId: "s" };
      const server = await start({
        policy: {
          authorizeConnect: () => ({ allow: true, identity }),
          authorizeJoin: async ({ channel, identity: who }) => {
            if (moment === "later") await new Promise((resolve) => setImmediate(resolve));
            expect(who).toBe(identity);
            if (channel === "ok") return { allow: true };
            return channel === "said" ? { allow: false, reason: "not\nyou" } : { allow: false };
          },
        },
      });
      const client = await server.connect("/?channel=said&channel=ok&channel=no");
      expect(await client.named("denied")).toEqual({ channel: "said", reason: "not\nyou" });
      expect(await client.named("denied")).toEqual({ channel: "no", reason: "unauthorized" });
      expect([...server.transport.channels()]).toEqual(["ok"]);
    },
  );

  it("answers 403 where every channel is denied, for an EventSource stays away then", async () => {
    const server = await start({
      policy: { authorizeJoin: () => ({ allow: false, reason: "no" }) },
    });
    const { status, body } = await refusal(server, "/?channel=a&channel=b");
    expect([status, body]).toEqual([
      403,
      {
        error: "Access Forbidden",
        denied: [
          { channel: "a", reason: "no" },
          { channel: "b", reason: "no" },
        ],
      },
    ]);
  });

  it("denies a channel that is full", async () => {
    const full = new Set<string>();
    const server = await start({
      rejection: (channel) => (full.has(channel) ? "channel is full" : undefined),
    });
    await server.connect("/?channel=small");
    full.add("small");
    const second = await server.connect("/?channel=small&channel=big");
    expect(await second.named("denied")).toEqual({ channel: "small", reason: "channel is full" });
    expect([server.transport.subscribers("small"), server.transport.subscribers("big")]).toEqual([
      1, 1,
    ]);
    expect((await refusal(server, "/?channel=small")).status).toBe(403);
  });

  it("lets pages of allowed origins in, with the fields that they need, and no others", async () => {
    const server = await start({ origins: listedOrigins(["https://good.example"]) });
    const good = await server.connect("/?channel=a", { origin: "https://good.example" });
    expect(good.headers).toMatchObject({
      "access-control-allow-origin": "https://good.example",
      vary: "Origin",
    });
    expect(good.headers["access-control-allow-credentials"]).toBeUndefined();
    const evil = await refusal(server, "/?channel=a", { origin: "https://evil.example" });
    expect([evil.status, evil.body]).toEqual([403, { error: "Origin not allowed." }]);
    expect(evil.headers["access-control-allow-origin"]).toBeUndefined();
    expect(
      (await server.connect("/?channel=a")).headers["access-control-allow-origin"],
    ).toBeUndefined();
  });

  it("answers a browser's question before a request with fields of the page's own", async () => {
    const server = await start();
    const headers = {
      origin: "https://a.example",
      "access-control-request-headers": "authorization",
    };
    const answer = await SseClient.connect(server.port, "/", { method: "OPTIONS", headers });
    expect(answer.status).toBe(204);
    expect(answer.headers["access-control-allow-headers"]).toContain("authorization");
    expect(answer.headers["access-control-allow-headers"]).toContain("last-event-id");
  });

  it("answers HEAD with the head alone and keeps no stream", async () => {
    const server = await start();
    const head = await SseClient.connect(server.port, "/?channel=a", { method: "HEAD" });
    expect([head.status, head.headers["content-type"]]).toEqual([
      200,
      "text/event-stream; charset=utf-8",
    ]);
    await head.closed;
    expect(server.transport.counts().sockets).toBe(0);
  });

  it("keeps nothing of a client that has gone before it was let in", async () => {
    let decide: (decision: ConnectDecision) => void = () => {};
    const pending = new Promise<ConnectDecision>((resolve) => {
      decide = resolve;
    });
    const server = await start({ policy: { authorizeConnect: () => pending } });
    const client = await RawHttp.connect(server.port);
    client.write("GET /?channel=a HTTP/1.1\r\nhost: x\r\n\r\n");
    await expect.poll(() => server.connects.undecided).toBe(1);
    client.destroy();
    await expect.poll(() => server.connects.undecided).toBe(0);
    decide({ allow: true });
    await new Promise((resolve) => setImmediate(resolve));
    expect(server.transport.counts()).toEqual({ sockets: 0, subscriptions: 0 });
  });

  it("streams to who asks for the end of the connection, as nginx does", async () => {
    const { connect, transport } = await start();
    const client = await connect("/?channel=a", { connection: "close" });
    expect(client.status).toBe(200);
    await expect.poll(() => client.parser.comments).toBe(1);
    expect(transport.size).toBe(1);
  });

  it("answers every query string with a stream or a fault in JSON", async () => {
    const server = await start({ limits: { channelsPerSocketMax: 3 } });
    const piece = fc.constantFrom(
      "channel",
      "=",
      "&",
      "a",
      "%",
      "%zz",
      "%c3%28",
      "+",
      "?",
      "token",
      "last_event_id",
      "%0d%0a",
      ";",
      "[]",
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
        const client = await server.connect(`/?${pieces.join("")}`);
        expect([200, 422]).toContain(client.status);
        client.close();
        await client.closed;
      }),
      { numRuns: 60 },
    );
    await expect.poll(() => server.transport.counts().sockets).toBe(0);
  });
});
