import { afterEach, describe, expect, it, vi } from "vitest";
import {
  type AuthPolicy,
  createHexpush,
  type Hexpush,
  Json,
  type ServerListener,
} from "../src/index.js";
import { within } from "./support/inbox.js";
import { RawClient } from "./support/raw-client.js";
import { socketUrl } from "./support/server.js";

// What PushEx 2.2 asks of the modules that its user writes, and tells them: each of its behaviours
// by its own name, as hexpush has it.

const running: Hexpush[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((hexpush) => hexpush.stop(0)));
});

async function start(policy: Partial<AuthPolicy> = {}, listeners: ServerListener[] = []) {
  const allow = () => ({ allow: true }) as const;
  const hexpush = createHexpush({
    port: 0,
    logLevel: "silent",
    // PushEx keeps none.
    historySize: 0,
    listeners,
    policy: {
      authorizePush: allow,
      authorizeConnect: allow,
      authorizeJoin: allow,
      ...policy,
    },
  });
  running.push(hexpush);
  const { url } = await hexpush.start();
  return {
    hexpush,
    connect: (params: Record<string, string> = {}) =>
      RawClient.connect(socketUrl(url), "2.0.0", params),
    push: async (body: unknown = { channel: "a", event: "e", data: 1 }) => {
      const response = await fetch(`${url}/api/push`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      return { status: response.status, body: await response.json() };
    },
  };
}

describe("PushEx.Behaviour.Controller", () => {
  it("auth/2 :ok pushes what was sent", async () => {
    const { push } = await start();
    expect(await push()).toEqual({ status: 200, body: { channel: ["a"], data: 1, event: "e" } });
  });

  it("auth/2 {:ok, conn, params} pushes other parameters in their place", async () => {
    const { push } = await start({
      authorizePush: ({ input }) => ({
        allow: true,
        input: { ...input, channel: ["b", "b", "c"] },
      }),
    });
    expect(await push()).toEqual({
      status: 200,
      body: { channel: ["b", "c"], data: 1, event: "e" },
    });
  });

  it("auth/2 :error answers 403, before the arguments are looked at", async () => {
    const { push } = await start({ authorizePush: () => ({ allow: false }) });
    expect(await push({})).toEqual({ status: 403, body: { error: "Access Forbidden" } });
  });

  it("auth/2 {:error, conn} answers with the conn's own status and body", async () => {
    const answer = { status: 402, body: Json.of({ pay: "first" }) };
    const { push } = await start({ authorizePush: () => ({ allow: false, answer }) });
    expect(await push()).toEqual({ status: 402, body: { pay: "first" } });
  });
});

describe("PushEx.Behaviour.Socket", () => {
  it("socket_connect/2 sees the connect parameters, and :error refuses the upgrade with 403", async () => {
    const { connect } = await start({
      authorizeConnect: ({ params }) => ({ allow: params.who === "ann" }),
    });
    await connect({ who: "ann" });
    await expect(connect({ who: "bob" })).rejects.toThrow("403");
  });

  it("socket_connect/2's assigns come back at each channel_join/3", async () => {
    const { connect } = await start({
      authorizeConnect: ({ params }) => ({ allow: true, identity: { claims: params.who } }),
      authorizeJoin: ({ channel, identity }) => ({ allow: channel === `of:${identity.claims}` }),
    });
    const client = await connect({ who: "ann" });
    await client.join("of:ann");
    await expect(client.join("of:bob")).rejects.toThrow("unauthorized");
  });

  it("socket_id/1 names the sockets that a disconnect ends together", async () => {
    const { connect, hexpush } = await start({
      authorizeConnect: ({ params }) => ({ allow: true, identity: { socketId: `${params.who}` } }),
    });
    const ann = [await connect({ who: "ann" }), await connect({ who: "ann" })];
    const bob = await connect({ who: "bob" });
    expect(hexpush.closeSockets("ann")).toBe(2);
    await within(Promise.all(ann.map(({ closed }) => closed)), "the closes");
    await bob.roundTrip();
  });

  it("channel_join/3 {:ok, socket} replies with an empty response", async () => {
    const { connect } = await start();
    const client = await connect();
    client.send("a", "phx_join");
    expect((await client.frames.next()).payload).toEqual({ response: {}, status: "ok" });
  });

  it("channel_join/3 {:ok, reply, socket} replies with the reply", async () => {
    const { connect } = await start({
      authorizeJoin: ({ params }) => ({ allow: true, response: Json.of({ got: params.value() }) }),
    });
    const client = await connect();
    client.send("a", "phx_join", { since: 5 });
    expect((await client.frames.next()).payload).toEqual({
      response: { got: { since: 5 } },
      status: "ok",
    });
  });

  it("channel_join/3 {:error, reason} replies with an error that the client can read", async () => {
    const { connect } = await start({
      authorizeJoin: () => ({ allow: false, reason: "members only" }),
    });
    const client = await connect();
    client.send("a", "phx_join");
    expect((await client.frames.next()).payload).toEqual({
      response: { reason: "members only" },
      status: "error",
    });
    await client.roundTrip();
  });

  it("presence_identifier/1 names who is joined to a channel", async () => {
    const { connect, hexpush } = await start({
      authorizeConnect: ({ params }) => ({
        allow: true,
        identity: params.who === undefined ? {} : { presenceId: params.who },
      }),
    });
    for (const who of ["ann", "bob", "ann"]) await (await connect({ who })).join("room");
    await (await connect()).join("room");
    expect(hexpush.channel("room")).toEqual({
      channel: "room",
      subscribers: 4,
      presence: [
        { id: "ann", sockets: 2 },
        { id: "bob", sockets: 1 },
      ],
    });
  });
});

describe("PushEx", () => {
  it("connected_socket_count/0 and connected_channel_count/0 count sockets and their joins", async () => {
    const { connect, hexpush } = await start();
    const [one, two] = [await connect(), await connect()];
    await one.join("a", "b");
    await two.join("a");
    expect(hexpush.stats()).toMatchObject({ sockets: 2, subscriptions: 3, channels: 2 });
    await one.leave("b");
    await two.end();
    await vi.waitUntil(() => hexpush.stats().sockets === 1);
    expect(hexpush.stats()).toMatchObject({ sockets: 1, subscriptions: 1, channels: 1 });
  });

  it("push/1 delivers without the API, and is instrumented as a push of the API is", async () => {
    const heard: string[] = [];
    const { connect, hexpush } = await start({}, [
      {
        pushRequested: () => heard.push("requested"),
        messageDelivered: () => heard.push("delivered"),
      },
    ]);
    const client = await connect();
    await client.join("a");
    await hexpush.push("a", "e", { from: "within" });
    expect((await client.frames.next()).payload).toEqual({ data: { from: "within" }, event: "e" });
    expect(heard).toEqual(["requested", "delivered"]);
  });
});

describe("PushEx.Behaviour.PushInstrumentation", () => {
  it("every listener hears api_requested, requested, delivered and api_processed in this order", async () => {
    const heard: string[][] = [[], []];
    const listeners = heard.map(
      (lines): ServerListener => ({
        apiRequested: ({ method, path }) => lines.push(`api_requested ${method} ${path}`),
        apiProcessed: ({ status }) => lines.push(`api_processed ${status}`),
        pushRequested: ({ push }) => lines.push(`requested ${push.channels}`),
        messageDelivered: ({ message, subscribers }) =>
          lines.push(`delivered ${message.channel} to ${subscribers}`),
      }),
    );
    const { connect, push } = await start({}, listeners);
    await (await connect()).join("b");
    await push({ channel: ["a", "b"], event: "e", data: 1 });
    const expected = [
      "api_requested POST /api/push",
      "requested a,b",
      "delivered a to 0",
      "delivered b to 1",
      "api_processed 200",
    ];
    await vi.waitUntil(() => heard.every((lines) => lines.length === expected.length));
    expect(heard).toEqual([expected, expected]);
  });
});
