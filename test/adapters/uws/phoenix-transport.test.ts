import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { afterEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { listedOrigins } from "../../../src/application/origins.js";
import type { ConnectAuthRequest, JoinDecision } from "../../../src/domain/auth-policy.js";
import { Json } from "../../../src/domain/json.js";
import { codecV1 } from "../../../src/protocol/phoenix/codec-v1.js";
import { codecV2 } from "../../../src/protocol/phoenix/codec-v2.js";
import { SOCKET_PATH } from "../../../src/protocol/phoenix/upgrades.js";
import {
  type ContractSubject,
  type Received,
  transportContract,
} from "../../contract/transport.contract.js";
import { within } from "../../support/inbox.js";
import {
  LIBRARIES,
  type PhoenixOptions,
  startPhoenix as startOne,
  startPhoenixForTest,
} from "../../support/phoenix-server.js";
import { RawClient, type SerializerVersion } from "../../support/raw-client.js";
import { stuckReader } from "../../support/stuck-reader.js";

afterEach(() => {
  vi.restoreAllMocks();
});

const versions: SerializerVersion[] = ["1.0.0", "2.0.0"];

describe.each(LIBRARIES)("on %s", (library) => {
  const start = (given: PhoenixOptions = {}) => startPhoenixForTest({ ...given, library });
  const startPhoenix = (given: PhoenixOptions = {}) => startOne({ ...given, library });

  describe.each(versions)("PhoenixTransport, serializer %s", (version) => {
    transportContract(() => contractSubject(version));
  });

  async function contractSubject(version: SerializerVersion): Promise<ContractSubject> {
    const socketIdOf = ({ params }: ConnectAuthRequest) =>
      params.id === undefined ? {} : { socketId: params.id };
    const { transport, server, wsUrl } = await startPhoenix({
      policy: {
        authorizeConnect: (request) => ({ allow: true, identity: socketIdOf(request) }),
      },
    });
    return {
      transport,
      stop: () => server.stop(0),
      connect: async (socketId) => {
        const client = await RawClient.connect(
          wsUrl,
          version,
          socketId === undefined ? {} : { id: socketId },
        );
        const received: Received[] = [];
        return {
          received,
          closed: client.closed.then(() => {}),
          join: (channel) => client.join(channel),
          leave: (channel) => client.leave(channel),
          close: () => client.end(),
          settled: async () => {
            // The server sends in order, so what was delivered is here when this is answered.
            const ref = client.send("phoenix", "heartbeat");
            await client.frames.next((frame) => frame.ref === ref);
            while (client.frames.items.some((frame) => frame.event === "msg")) {
              const { topic, text } = await client.frames.next((frame) => frame.event === "msg");
              received.push(receivedOf(topic, text, version));
            }
          },
        };
      },
    };
  }

  function receivedOf(channel: string, text: string, version: SerializerVersion): Received {
    const payload =
      version === "1.0.0"
        ? Json.members(text, ["payload"])?.get("payload")
        : (Json.elements(text) as Json[])[4];
    const members = Json.members(payload?.text ?? "", ["event", "data"]);
    return {
      channel,
      event: members?.get("event")?.value() as string,
      data: members?.get("data")?.text as string,
    };
  }

  const message = (channel: string, data = "null") => ({
    channel,
    event: "e",
    data: Json.parse(data),
  });

  describe("PhoenixTransport", () => {
    it("encodes a message once for each serializer version, however many sockets get it", async () => {
      const { transport, wsUrl } = await start();
      const many = Array.from({ length: 150 }, () => versions).flat();
      const clients = await Promise.all(many.map((version) => RawClient.connect(wsUrl, version)));
      await Promise.all(clients.map((client) => client.join("a")));
      const encoders = [codecV1, codecV2].map((codec) => vi.spyOn(codec, "encodeMessage"));
      expect(transport.deliver(message("a"))).toBe(300);
      await Promise.all(
        clients.map((client) => client.frames.next((frame) => frame.event === "msg")),
      );
      expect(encoders.map((encoder) => encoder.mock.calls.length)).toEqual([1, 1]);
    });

    it("brings what was accepted before a leave, also where it waits for other sockets' writes", async () => {
      const { transport, wsUrl } = await start();
      const clients = await Promise.all(
        Array.from({ length: 300 }, () => RawClient.connect(wsUrl, "2.0.0")),
      );
      await Promise.all(clients.map((client) => client.join("a")));
      const leaving = clients.slice(-50);
      const left = leaving.map((client) => client.leave("a"));
      // Their leaves are not read yet.
      for (let n = 0; n < 5; n++) expect(transport.deliver(message("a", `${n}`))).toBe(300);
      await Promise.all(left);
      for (const { frames } of leaving) {
        const messages = frames.items.filter(({ event }) => event === "msg");
        expect(messages).toHaveLength(5);
      }
    });

    it("answers a join before what its client has missed, also where the answer has to wait", async () => {
      const missed = { ...message("b"), id: "e-2" };
      const phoenix = await start({
        broker: {
          subscribe: () => {},
          unsubscribe: () => {},
          position: () => "e-2",
          history: (_channel, { limit }) => ({
            position: "e-2",
            recovered: true,
            messages: limit === 0 ? [] : [missed],
          }),
        },
        policy: {
          authorizeJoin: ({ channel }) => {
            // Waits for the second group of sockets, the joining one among them.
            if (channel === "b") phoenix.transport.deliver(message("busy"));
            return { allow: true };
          },
        },
      });
      const clients = await Promise.all(
        Array.from({ length: 200 }, () => RawClient.connect(phoenix.wsUrl, "2.0.0")),
      );
      for (const client of clients) await client.join("busy");
      const last = clients.at(-1) as RawClient;
      last.send("b", "phx_join", { last_event_id: "e-1" });
      const got = await last.frames.take(3);
      expect(got.map(({ topic, event }) => `${topic} ${event}`)).toEqual([
        "busy msg",
        "b phx_reply",
        "b msg",
      ]);
    });

    it("encodes nothing where nobody is joined", async () => {
      const { transport } = await start();
      const encoders = [codecV1, codecV2].map((codec) => vi.spyOn(codec, "encodeMessage"));
      transport.deliver(message("a"));
      expect(encoders.map((encoder) => encoder.mock.calls.length)).toEqual([0, 0]);
    });

    it("cuts a socket that does not read, and the others get everything", async () => {
      const { transport, wsUrl, port, logged } = await start({
        limits: { sendBufferBytesMax: 65_536 },
      });
      const reader = await RawClient.connect(wsUrl, "2.0.0");
      await reader.join("a");
      const stuck = await stuckReader(port, "a");
      await vi.waitUntil(() => transport.subscribers("a") === 2);
      const data = JSON.stringify("x".repeat(50_000));
      let pushed = 0;
      // Kernel buffers take some megabytes before the server's own buffer fills.
      while (transport.subscribers("a") === 2 && pushed < 2_000) {
        transport.deliver(message("a", data));
        pushed++;
        if (pushed % 20 === 0) await reader.roundTrip();
      }
      expect(transport.subscribers("a")).toBe(1);
      await within(stuck.closed, "the cut");
      transport.deliver(message("a", data));
      const got = await reader.frames.take(pushed + 1);
      expect(got.every((frame) => frame.event === "msg")).toBe(true);
      expect(logged).toContain("slow consumer cut: its send buffer was full");
    });

    it("closes a socket whose client is silent, although the server sends to it", async () => {
      const { transport, wsUrl } = await start({ limits: { idleTimeoutMs: 400 } });
      const client = await RawClient.connect(wsUrl, "2.0.0");
      await client.join("a");
      const sending = setInterval(() => transport.deliver(message("a")), 20);
      const closed = await within(client.closed, "the close");
      clearInterval(sending);
      expect(closed).toEqual({ code: 1000, reason: "" });
      expect(transport.counts()).toEqual({ sockets: 0, subscriptions: 0 });
    });

    it("keeps a socket whose client sends any frame, a ping too", async () => {
      const { wsUrl } = await start({ limits: { idleTimeoutMs: 400 } });
      const [talking, pinging, silent] = [
        await RawClient.connect(wsUrl, "2.0.0"),
        await RawClient.connect(wsUrl, "2.0.0"),
        await RawClient.connect(wsUrl, "2.0.0"),
      ];
      const ends: string[] = [];
      void talking.closed.then(() => ends.push("talking"));
      void pinging.closed.then(() => ends.push("pinging"));
      const noise = setInterval(() => {
        talking.send("phoenix", "heartbeat");
        pinging.ping();
      }, 50);
      await within(silent.closed, "the silent one's close");
      await talking.roundTrip();
      await pinging.roundTrip();
      clearInterval(noise);
      expect(ends).toEqual([]);
    });

    it.each([
      [65_536, undefined],
      [65_537, 1009],
      [1_000_000, 1009],
    ])("answers a frame of %i bytes with the close code %s", async (bytes, code) => {
      const { wsUrl } = await start();
      const client = await RawClient.connect(wsUrl, "2.0.0");
      const frame = '[null,"big","phoenix","heartbeat",""]';
      client.sendText(frame.replace('""', `"${"x".repeat(bytes - frame.length)}"`));
      if (code === undefined) await client.frames.next(({ ref }) => ref === "big");
      else expect((await within(client.closed, "the close")).code).toBe(code);
    });

    it.each(["nonsense", "", "[]", '{"topic":"a"}'])(
      "closes with 1011 on the frame %j",
      async (text) => {
        const { wsUrl } = await start();
        for (const version of versions) {
          const client = await RawClient.connect(wsUrl, version);
          client.sendText(text);
          expect(await within(client.closed, "the close")).toEqual({ code: 1011, reason: "" });
        }
      },
    );

    it("joins 1,000 channels on one socket and not one more", async () => {
      const { transport, wsUrl } = await start();
      const client = await RawClient.connect(wsUrl, "2.0.0");
      await client.join(...Array.from({ length: 1000 }, (_, n) => `c${n}`));
      await expect(client.join("one more")).rejects.toThrow(
        "must not join more than 1000 channels",
      );
      expect(transport.counts()).toEqual({ sockets: 1, subscriptions: 1000 });
      expect(transport.deliver(message("c999"))).toBe(1);
    });

    it("waits for a policy that takes its time, and delivers only then", async () => {
      const decide: ((decision: JoinDecision) => void)[] = [];
      const { transport, wsUrl } = await start({
        policy: { authorizeJoin: () => new Promise((resolve) => decide.push(resolve)) },
      });
      const client = await RawClient.connect(wsUrl, "2.0.0");
      const joined = client.join("a");
      await vi.waitUntil(() => decide.length === 1);
      await client.roundTrip();
      expect(transport.deliver(message("a", "1"))).toBe(0);
      decide[0]?.({ allow: true, response: Json.parse('{"hello":1}') });
      await joined;
      expect(transport.deliver(message("a", "2"))).toBe(1);
      expect((await client.frames.next()).payload).toEqual({ data: 2, event: "e" });
    });

    it("drops a decision that comes when its socket is gone", async () => {
      const decide: ((decision: JoinDecision) => void)[] = [];
      const { transport, wsUrl } = await start({
        policy: { authorizeJoin: () => new Promise((resolve) => decide.push(resolve)) },
      });
      const client = await RawClient.connect(wsUrl, "2.0.0");
      client.send("a", "phx_join");
      await vi.waitUntil(() => decide.length === 1);
      await client.end();
      decide[0]?.({ allow: true });
      await (await RawClient.connect(wsUrl, "2.0.0")).roundTrip();
      expect(transport.counts()).toEqual({ sockets: 1, subscriptions: 0 });
    });

    it("shows the policy what the client sent, and hands its identity on to joins", async () => {
      const seen: unknown[] = [];
      const { wsUrl } = await start({
        policy: {
          authorizeConnect: ({ params, token, origin, remoteAddress, headers }) => {
            seen.push({
              params: { ...params },
              token,
              origin,
              remoteAddress,
              agent: headers["user-agent"],
            });
            return { allow: true, identity: { claims: { user: 7 } } };
          },
          authorizeJoin: ({ channel, params, identity }) => {
            seen.push({ channel, params: params.text, identity });
            return { allow: true };
          },
        },
      });
      const socket = new WebSocket(`${wsUrl}/websocket?vsn=2.0.0&token=t%20k&a=1&a=2`, {
        origin: "http://page.example",
        headers: { "user-agent": "test" },
      });
      await once(socket, "open");
      socket.send('["1","1","a","phx_join",{"n":1.10}]');
      await once(socket, "message");
      expect(seen).toEqual([
        {
          params: { token: "t k", a: "2" },
          token: "t k",
          origin: "http://page.example",
          remoteAddress: "127.0.0.1",
          agent: "test",
        },
        { channel: "a", params: '{"n":1.10}', identity: { claims: { user: 7 } } },
      ]);
    });

    it("takes phoenix.js's authToken from the subprotocols, and answers with phoenix", async () => {
      const tokens: (string | undefined)[] = [];
      const { wsUrl } = await start({
        policy: {
          authorizeConnect: ({ token }) => {
            tokens.push(token);
            return { allow: true };
          },
        },
      });
      const token = "tökên~~~??";
      const encoded = Buffer.from(token).toString("base64").replaceAll("=", "");
      // phoenix.js uses the plain alphabet of Base64, other clients the one for URLs.
      for (const text of [encoded, encoded.replaceAll("+", "-").replaceAll("/", "_")]) {
        const socket = await refusedOrOpen(`${wsUrl}/websocket?vsn=2.0.0`, {
          headers: { "sec-websocket-protocol": `phoenix, base64url.bearer.phx.${text}` },
        });
        expect(socket).toMatchObject({ status: 101, protocol: "phoenix" });
      }
      expect(tokens).toEqual([token, token]);
    });

    it("never negotiates compression, nor a subprotocol that it does not speak", async () => {
      const { wsUrl } = await start();
      const answer = await refusedOrOpen(`${wsUrl}/websocket`, {
        headers: {
          "sec-websocket-extensions": "permessage-deflate",
          "sec-websocket-protocol": "graphql-ws",
        },
      });
      expect(answer).toEqual({ status: 101, protocol: undefined, extensions: undefined, body: "" });
    });

    it.each(["1.0.0", "1.0.9", "2.0.0", "2.0.1"])("serves vsn=%s", async (vsn) => {
      const { wsUrl } = await start();
      expect(await refusedOrOpen(`${wsUrl}/websocket?vsn=${vsn}`)).toMatchObject({ status: 101 });
    });

    it.each(["", "3.0.0", "2.1.0", "2", "x"])("refuses vsn=%s with 403", async (vsn) => {
      const { wsUrl } = await start();
      expect(await refusedOrOpen(`${wsUrl}/websocket?vsn=${vsn}`)).toMatchObject({
        status: 403,
        body: expect.stringMatching(/^\{"error":".*vsn.*"\}\s*$/),
      });
    });

    it("refuses a connect that the policy denies, at once or later, with 403", async () => {
      for (const decision of [{ allow: false }, Promise.resolve({ allow: false })] as const) {
        const { wsUrl, transport } = await start({ policy: { authorizeConnect: () => decision } });
        expect(await refusedOrOpen(`${wsUrl}/websocket?vsn=2.0.0`)).toMatchObject({
          status: 403,
          body: expect.stringContaining("Access Forbidden"),
        });
        expect(transport.counts().sockets).toBe(0);
      }
    });

    it("refuses pages of other origins before it asks the policy", async () => {
      let asked = 0;
      const { wsUrl } = await start({
        origins: listedOrigins(["https://good.example"]),
        policy: {
          authorizeConnect: () => {
            asked++;
            return { allow: true };
          },
        },
      });
      for (const origin of ["https://bad.example", "null", "file://", "http://good.example"]) {
        expect(await refusedOrOpen(`${wsUrl}/websocket`, { origin })).toMatchObject({
          status: 403,
        });
      }
      expect(asked).toBe(0);
      expect(
        await refusedOrOpen(`${wsUrl}/websocket`, { origin: "https://good.example" }),
      ).toMatchObject({
        status: 101,
      });
    });
  });

  describe("the server", () => {
    it("answers a request to the socket's path that is no upgrade with 400", async () => {
      const { port } = await start();
      const response = await fetch(`http://127.0.0.1:${port}${SOCKET_PATH}`);
      expect([response.status, await response.json()]).toEqual([
        400,
        { error: "This path takes WebSocket connections." },
      ]);
    });

    it("closes its sockets with 1012 when it stops, few of them at once", async () => {
      const { server, wsUrl } = await start();
      const clients = await Promise.all(
        Array.from({ length: 20 }, () => RawClient.connect(wsUrl, "2.0.0")),
      );
      const began = performance.now();
      await server.stop(10_000);
      expect(performance.now() - began).toBeLessThan(2_000);
      for (const client of clients) expect((await client.closed).code).toBe(1012);
    });

    it("spreads the closes of many sockets over the drain time", async () => {
      const { server, transport, wsUrl } = await start();
      const clients = await Promise.all(
        Array.from({ length: 300 }, () => RawClient.connect(wsUrl, "2.0.0")),
      );
      const open: number[] = [];
      const watch = setInterval(() => open.push(transport.size), 5);
      await server.stop(1_000);
      clearInterval(watch);
      // At least three states between all and none.
      expect(new Set(open.filter((count) => count > 0 && count < 300)).size).toBeGreaterThanOrEqual(
        3,
      );
      for (const client of clients) expect((await client.closed).code).toBe(1012);
    });

    it("refuses an upgrade and a new connection once it drains", async () => {
      const decide: (() => void)[] = [];
      const { server, wsUrl, port } = await start({
        policy: {
          authorizeConnect: () =>
            new Promise((resolve) => decide.push(() => resolve({ allow: true }))),
        },
      });
      const late = refusedOrOpen(`${wsUrl}/websocket`);
      await vi.waitUntil(() => decide.length === 1);
      const stopped = server.stop(5_000);
      decide[0]?.();
      expect(await late).toMatchObject({ status: 503 });
      await stopped;
      await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
    });

    it("names the reason where it cannot listen", async () => {
      const { port } = await start();
      await expect(startPhoenix({ port })).rejects.toThrow(
        `cannot listen on 127.0.0.1 port ${port}: the port is in use`,
      );
    });

    it("can be started again after a stop", async () => {
      const { server } = await start();
      await server.stop(0);
      const port = await server.start();
      expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("http");
      const client = await RawClient.connect(`ws://127.0.0.1:${port}/push_socket`, "2.0.0");
      await client.join("a");
    });
  });
});

interface UpgradeAnswer {
  readonly status: number;
  readonly protocol: string | string[] | undefined;
  readonly extensions: string | string[] | undefined;
  readonly body: string;
}

/** The answer to an upgrade, by plain HTTP, so that no library reads it first. */
async function refusedOrOpen(
  wsUrl: string,
  options: { headers?: Record<string, string>; origin?: string } = {},
): Promise<UpgradeAnswer> {
  const asking = request(wsUrl.replace("ws:", "http:"), {
    headers: {
      upgrade: "websocket",
      connection: "Upgrade",
      "sec-websocket-version": "13",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      ...(options.origin === undefined ? {} : { origin: options.origin }),
      ...options.headers,
    },
  });
  asking.end();
  const answered = new Promise<UpgradeAnswer>((resolve, reject) => {
    asking.on("error", reject);
    asking.on("upgrade", (response, socket) => {
      socket.destroy();
      resolve(answer(response, ""));
    });
    asking.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve(answer(response, Buffer.concat(chunks).toString())));
    });
  });
  return within(answered, "the answer to the upgrade");
}

function answer(response: IncomingMessage, body: string): UpgradeAnswer {
  return {
    status: response.statusCode ?? 0,
    protocol: response.headers["sec-websocket-protocol"],
    extensions: response.headers["sec-websocket-extensions"],
    body,
  };
}
