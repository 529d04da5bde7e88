import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import {
  type AuthPolicy,
  type ConnectAuthRequest,
  createHexpush,
  type Hexpush,
  Json,
} from "../../src/index.js";
import { anId, expectRising } from "../support/message-ids.js";
import {
  CLIENT_KINDS,
  type ClientKind,
  type ClientOptions,
  type MakeClient,
  type Received,
  type TestClient,
} from "../support/phoenix-client.js";
import { Publisher } from "../support/publisher.js";
import { socketUrl, startServer, type TestServer } from "../support/server.js";

let channels = 0;

/** A channel that no other test uses. */
export function newChannel(what = "room"): string {
  return `${what}:${process.pid}-${++channels}`;
}

/** What holds for every client, in Node and in a browser. */
export function describeClients(makeClient: () => MakeClient): void {
  async function newClient(kind: ClientKind, options: ClientOptions): Promise<TestClient> {
    const client = await makeClient()(kind, options);
    onTestFinished(() => client.disconnect());
    return client;
  }

  async function connected(kind: ClientKind, options: ClientOptions): Promise<TestClient> {
    const client = await newClient(kind, options);
    expect(await client.connect()).toBe("open");
    return client;
  }

  // As it ships, each message has an id, of which none of these clients knows; without history the
  // frames are PushEx's own.
  describe.each([
    { name: "the built server", env: {}, ids: true },
    { name: "the built server without history", env: { HEXPUSH_HISTORY_SIZE: "0" }, ids: false },
  ])("with $name", ({ env, ids }) => {
    let server: TestServer;
    let publisher: Publisher;

    /** Takes pushes as they came over the wire, to compare with what was pushed. */
    async function takeFrames(client: TestClient, count: number): Promise<Received[]> {
      const frames = await client.frames.take(count);
      if (!ids) return frames;
      for (const name of new Set(frames.map(({ channel }) => channel))) {
        expectRising(frames.filter(({ channel }) => channel === name).map(({ id }) => id));
      }
      return frames.map(({ id: _, ...frame }) => frame);
    }

    beforeAll(async () => {
      server = await startServer({ env });
      publisher = new Publisher(server.url);
    });

    afterAll(async () => {
      publisher?.close();
      await server?.kill();
    });

    describe.each(CLIENT_KINDS)("$name", (kind) => {
      it("receives what is pushed to a channel that it has joined", async () => {
        const client = await connected(kind, { url: server.wsUrl });
        const channel = newChannel();

        const response = ids ? { id: anId } : {};
        expect(await client.join(channel)).toEqual({ channel, status: "ok", response });
        await publisher.push(channel, "woohoo", { text: "é 😀", list: [1, null, true] });
        await publisher.push(channel, "second", "data");

        const received = [
          { channel, event: "woohoo", data: { text: "é 😀", list: [1, null, true] } },
          { channel, event: "second", data: "data" },
        ];
        expect(await client.messages.take(2)).toEqual(received);
        expect(await takeFrames(client, 2)).toEqual(received);
      });

      it("receives the pushes of each of its channels and no others", async () => {
        const client = await connected(kind, { url: server.wsUrl });
        const [first, second, other] = [newChannel(), newChannel(), newChannel()];
        await client.join(first);
        await client.join(second);

        await publisher.push(other, "e", 0);
        await publisher.push([first, other, second], "e", 1);
        await publisher.push(second, "e", 2);

        const received = [
          { channel: first, event: "e", data: 1 },
          { channel: second, event: "e", data: 1 },
          { channel: second, event: "e", data: 2 },
        ];
        expect(await takeFrames(client, 3)).toEqual(received);
        expect(client.messages.items).toEqual(received);
      });

      it("receives nothing of a channel that it has left, until it joins again", async () => {
        const client = await connected(kind, { url: server.wsUrl });
        const [channel, stays] = [newChannel(), newChannel()];
        await client.join(channel);
        await client.join(stays);

        await client.leave(channel);
        await publisher.push([channel, stays], "e", "after the leave");
        await client.join(channel);
        await publisher.push([channel, stays], "e", "joined again");

        // Of the wire, not of the bindings: the client itself drops what comes for no channel.
        expect(await takeFrames(client, 3)).toEqual([
          { channel: stays, event: "e", data: "after the leave" },
          { channel, event: "e", data: "joined again" },
          { channel: stays, event: "e", data: "joined again" },
        ]);
      });

      it("receives a push once that names its channel twice", async () => {
        const client = await connected(kind, { url: server.wsUrl });
        const channel = newChannel();
        await client.join(channel);

        await publisher.push([channel, newChannel(), channel], "e", "once");
        await publisher.push(channel, "e", "next");

        const received = (await takeFrames(client, 2)).map(({ data }) => data);
        expect(received).toEqual(["once", "next"]);
      });
    });
  });

  describe("with a policy of the host's", () => {
    let hexpush: Hexpush;
    let publisher: Publisher;
    let url: string;
    const connects: ConnectAuthRequest[] = [];

    /** The token "revoked" may not connect; `of X` is for the token X alone, `private…` for none. */
    const policy: AuthPolicy = {
      authorizePush: () => ({ allow: true }),
      async authorizeConnect(request) {
        connects.push(request);
        if (request.token === "revoked") return { allow: false };
        return { allow: true, identity: { claims: request.token } };
      },
      async authorizeJoin({ channel, identity }) {
        if (!channel.startsWith("of ")) return { allow: !channel.startsWith("private") };
        if (channel !== `of ${identity.claims}`) return { allow: false, reason: "not yours" };
        return { allow: true, response: Json.of({ user: identity.claims }) };
      },
    };

    beforeAll(async () => {
      hexpush = createHexpush({ policy, port: 0, logLevel: "silent" });
      const address = await hexpush.start();
      url = socketUrl(address.url);
      publisher = new Publisher(address.url);
    });

    afterAll(async () => {
      publisher?.close();
      await hexpush?.stop(0);
    });

    describe.each(CLIENT_KINDS)("$name", (kind) => {
      it("is told that a join is denied, and receives nothing of that channel", async () => {
        const client = await connected(kind, { url });
        const [denied, channel] = [newChannel("private"), newChannel()];

        expect(await client.join(denied)).toEqual({
          channel: denied,
          status: "error",
          response: { reason: "unauthorized" },
        });
        expect(await client.join(channel)).toMatchObject({ status: "ok" });
        await publisher.push([denied, channel], "e", 1);

        expect(await client.frames.next()).toEqual({ channel, event: "e", data: 1, id: anId });
      });

      it("is refused where its connect is denied", async () => {
        const client = await newClient(kind, { url, params: { token: "revoked" } });

        expect(await client.connect()).toBe("error");
      });

      it("is known by the token among its parameters", async () => {
        const token = newChannel("zoë+/=&");
        const client = await connected(kind, { url, params: { token, lang: "fr" } });

        const request = connects.find((each) => each.token === token);
        expect(request?.params).toEqual({ token, lang: "fr" });
        expect(await client.join(`of ${token}`)).toMatchObject({
          status: "ok",
          response: { user: token },
        });
        expect(await client.join(`of ${token}2`)).toMatchObject({
          status: "error",
          response: { reason: "not yours" },
        });
      });
    });

    // Of the three libraries, only phoenix.js 1.8 has this option.
    describe.each(CLIENT_KINDS.filter(({ library }) => library === "phoenix"))("$name", (kind) => {
      it("is known by its authToken, which stays out of the URL", async () => {
        const authToken = newChannel("secret??>>~");
        const client = await connected(kind, { url, authToken });

        const request = connects.find((each) => each.token === authToken);
        expect(request?.params).toEqual({});
        expect(await client.join(`of ${authToken}`)).toMatchObject({ status: "ok" });
      });

      it("is refused by its authToken", async () => {
        const client = await newClient(kind, { url, authToken: "revoked" });

        expect(await client.connect()).toBe("error");
      });
    });
  });
}
