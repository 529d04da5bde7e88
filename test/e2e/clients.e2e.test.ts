import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { Inbox } from "../support/inbox.js";
import { anId } from "../support/message-ids.js";
import { loadPushex, nodeClient, type Pushex } from "../support/phoenix-client.js";
import { Publisher } from "../support/publisher.js";
import { RawClient, type SerializerVersion } from "../support/raw-client.js";
import { startServer, type TestServer } from "../support/server.js";
import { describeClients, newChannel } from "./client-rules.js";

describeClients(() => nodeClient);

describe("the built server", () => {
  let server: TestServer;
  let publisher: Publisher;

  beforeAll(async () => {
    server = await startServer({ env: { HEXPUSH_API_KEYS: "the-key,another" } });
    publisher = new Publisher(server.url, { authorization: "Bearer the-key" });
  });

  afterAll(async () => {
    publisher?.close();
    await server?.kill();
  });

  describe("pushex's subscriptions", () => {
    async function connect(): Promise<Pushex> {
      const opened = new Inbox<null>("connections");
      const { Pushex } = loadPushex();
      const pushex = new Pushex(server.wsUrl, { onConnect: () => opened.push(null) });
      onTestFinished(() => void pushex.disconnect());
      await pushex.connect();
      await opened.next();
      return pushex;
    }

    /** Subscribes, and waits until the server has answered. */
    async function subscribe(pushex: Pushex, channel: string) {
      const joined = new Inbox<unknown>("answers to joins");
      const subscription = pushex.subscribe(channel);
      subscription.channel.joinPush.receive("ok", (response) => joined.push(response));
      await joined.next();
      return subscription;
    }

    it("hand an event to its own bindings and to those of *", async () => {
      const calls = new Inbox<unknown[]>("calls");
      const channel = newChannel();
      const subscription = await subscribe(await connect(), channel);
      subscription.bind("wanted", (...args) => calls.push(["wanted", ...args]));
      subscription.bind("*", (...args) => calls.push(["*", ...args]));

      await publisher.push(channel, "other", 1);
      await publisher.push(channel, "wanted", { a: 2 });

      expect(await calls.take(3)).toEqual([
        ["*", 1, "other"],
        ["wanted", { a: 2 }, "wanted"],
        ["*", { a: 2 }, "wanted"],
      ]);
    });

    it("hand nothing to a binding that was taken back", async () => {
      const calls = new Inbox<unknown[]>("calls");
      const channel = newChannel();
      const subscription = await subscribe(await connect(), channel);
      const takeBack = subscription.bind("e", (data) => calls.push(["taken back", data]));
      subscription.bind("f", (data) => calls.push(["unbound", data]));
      subscription.bind("*", (data) => calls.push(["*", data]));

      takeBack();
      subscription.unbind("f");
      await publisher.push(channel, "e", 1);
      await publisher.push(channel, "f", 2);
      expect(await calls.take(2)).toEqual([
        ["*", 1],
        ["*", 2],
      ]);

      subscription.unbindAll();
      expect(subscription.hasBindings()).toBe(false);
      subscription.bind("f", (data) => calls.push(["bound again", data]));
      await publisher.push(channel, "e", 3);
      await publisher.push(channel, "f", 4);
      expect(await calls.next()).toEqual(["bound again", 4]);
    });

    it("end with unsubscribe and can be made anew", async () => {
      const calls = new Inbox<unknown>("calls");
      const channel = newChannel();
      const pushex = await connect();
      (await subscribe(pushex, channel)).bind("*", (data) => calls.push(data));

      await pushex.unsubscribe(channel);
      expect(pushex.getExistingSubscription(channel)).toBeUndefined();
      await publisher.push(channel, "e", "nobody's");
      (await subscribe(pushex, channel)).bind("*", (data) => calls.push(data));
      await publisher.push(channel, "e", "somebody's");

      expect(await calls.next()).toBe("somebody's");
    });
  });

  it("delivers the pushes of those who know a key, and no others", async () => {
    const channel = newChannel();
    const client = await nodeClient(
      { name: "phoenix 1.8", library: "phoenix", vsn: "2.0.0" },
      { url: server.wsUrl },
    );
    onTestFinished(() => client.disconnect());
    await client.connect();
    await client.join(channel);
    const stranger = new Publisher(server.url, { authorization: "Bearer no-key" });
    onTestFinished(() => stranger.close());

    const body = JSON.stringify({ channel, event: "e", data: "forged" });
    expect(await stranger.post(body)).toMatchObject({
      status: 403,
      text: '{"error":"Access Forbidden"}',
    });
    await publisher.push(channel, "e", "real");

    expect(await client.frames.next()).toEqual({ channel, event: "e", data: "real", id: anId });
  });

  it("answers the documented push to the byte", async () => {
    const answer = await publisher.post(
      '{"channel": ["test", "test2"], "data": "data", "event": "woohoo"}',
    );

    expect(answer.status).toBe(200);
    expect(answer.text).toBe('{"channel":["test","test2"],"data":"data","event":"woohoo"}');
    expect(answer.headers["content-type"]).toBe("application/json; charset=utf-8");
  });

  it.each<SerializerVersion>(["1.0.0", "2.0.0"])(
    "answers heartbeats and unknown topics in serializer %s",
    async (version) => {
      const client = await RawClient.connect(server.wsUrl, version);
      onTestFinished(() => client.close());

      const beat = client.send("phoenix", "heartbeat");
      expect(await client.frames.next()).toMatchObject({
        topic: "phoenix",
        event: "phx_reply",
        payload: { status: "ok", response: {} },
        ref: beat,
      });

      const channel = newChannel();
      const shout = client.send(channel, "shout");
      expect(await client.frames.next()).toMatchObject({
        topic: channel,
        event: "phx_reply",
        payload: { status: "error", response: { reason: "unmatched topic" } },
        ref: shout,
      });
    },
  );
});

describe("the built server without history", () => {
  let server: TestServer;
  let publisher: Publisher;

  beforeAll(async () => {
    server = await startServer({ env: { HEXPUSH_HISTORY_SIZE: "0" } });
    publisher = new Publisher(server.url);
  });

  afterAll(async () => {
    publisher?.close();
    await server?.kill();
  });

  it.each<[SerializerVersion, string, string]>([
    [
      "1.0.0",
      '{"event":"phx_reply","payload":{"response":{},"status":"ok"},"ref":"1","topic":"news"}',
      '{"event":"msg","payload":{"data":{"a":1.10},"event":"woohoo"},"ref":null,"topic":"news"}',
    ],
    [
      "2.0.0",
      '["1","1","news","phx_reply",{"response":{},"status":"ok"}]',
      '[null,null,"news","msg",{"data":{"a":1.10},"event":"woohoo"}]',
    ],
  ])("sends PushEx's frames to the byte in serializer %s", async (version, joined, pushed) => {
    const client = await RawClient.connect(server.wsUrl, version);
    onTestFinished(() => client.close());

    client.send("news", "phx_join");
    expect((await client.frames.next()).text).toBe(joined);
    await publisher.post('{"channel":"news","data":{"a":1.10},"event":"woohoo"}');
    expect((await client.frames.next()).text).toBe(pushed);
  });
});
