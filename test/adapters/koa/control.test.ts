import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { channelName } from "../../support/arbitraries.js";
import { within } from "../../support/inbox.js";
import { expectError } from "./errors-in-json.js";
import { type Answer, ask, push } from "./hosts.js";
import { named, policyOf } from "./policy-of.js";
import { HOSTS_WITH_SUBSCRIBERS, type HostWithSubscribers } from "./subscribers.js";

const ROUTES: readonly (readonly [method: string, path: string])[] = [
  ["GET", "/api/stats"],
  ["GET", "/api/channels"],
  ["GET", "/api/channels/a"],
  ["DELETE", "/api/sockets/a"],
  ["GET", "/api/pushes/a"],
];

const channelPath = (channel: string) => `/api/channels/${encodeURIComponent(channel)}`;
const json = ({ text }: Answer): unknown => JSON.parse(text);

describe.each(HOSTS_WITH_SUBSCRIBERS)("the operator's routes on %s", (_name, startHost) => {
  let host: HostWithSubscribers;
  // What history adds to a channel has tests of its own.
  const start: typeof startHost = (options) => startHost({ historySize: 0, ...options });
  afterEach(() => host.stop());

  const get = (path: string, headers = {}) => ask(host.port, { path, headers });
  const read = async (path: string): Promise<unknown> => {
    const answer = await get(path);
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      "content-type": "application/json; charset=utf-8",
      "cache-control": "max-age=0, private, must-revalidate",
      "x-request-id": expect.stringMatching(/./),
    });
    return json(answer);
  };
  const joined = async (...channels: string[]) => {
    const subscriber = await host.connect();
    await subscriber.join(...channels);
    return subscriber;
  };

  describe("GET /api/stats", () => {
    it("counts from nothing", async () => {
      host = await start();
      expect((await get("/api/stats")).text).toBe(
        '{"sockets":0,"subscriptions":0,"channels":0,"pushes":0,"deliveries":0}',
      );
    });

    it("counts what is there now and what has been pushed", async () => {
      host = await start();
      await joined("a", "b");
      await joined("a");
      await host.connect();
      await push(host.port, { channel: ["a", "b", "c"], event: "e", data: 1 });
      await push(host.port, { channel: "a" });
      expect(await read("/api/stats")).toEqual({
        sockets: 3,
        subscriptions: 3,
        channels: 2,
        pushes: 1,
        deliveries: 3,
      });
    });
  });

  describe("GET /api/channels", () => {
    it("lists the channels with subscribers, sorted, and none that nobody is joined to", async () => {
      host = await start();
      expect(await read("/api/channels")).toEqual({ channels: [] });
      await joined("b", "a", "\u{1f600}", "Z");
      await joined("b");
      await push(host.port, { channel: "c", event: "e", data: 1 });
      expect(await read("/api/channels")).toEqual({
        channels: [
          { channel: "Z", subscribers: 1 },
          { channel: "a", subscribers: 1 },
          { channel: "b", subscribers: 2 },
          { channel: "\u{1f600}", subscribers: 1 },
        ],
      });
    });

    it("gives 100 a page unless asked for more or fewer, at most 1000", async () => {
      host = await start();
      await joined(...Array.from({ length: 101 }, (_, n) => `c${n + 100}`));
      type List = { channels: unknown[]; next?: string };
      const first = (await read("/api/channels")) as List;
      expect([first.channels.length, first.next]).toEqual([100, "c199"]);
      const second = (await read("/api/channels?after=c199")) as List;
      expect(second).toEqual({ channels: [{ channel: "c200", subscribers: 1 }] });
      expect(((await read("/api/channels?limit=101")) as List).next).toBeUndefined();
      expect(((await read("/api/channels?limit=1000")) as List).channels).toHaveLength(101);
    });

    it("goes through all of them page by page, whatever their names", async () => {
      host = await start();
      // One that is called so is the protocol's own at a Phoenix client.
      const names = fc.sample(channelName, { numRuns: 40, seed: 7 }).filter((n) => n !== "phoenix");
      const sorted = [...new Set(names)].sort();
      await joined(...sorted);
      const seen: string[] = [];
      let query = "?limit=7";
      for (let pages = 0; pages < 10; pages++) {
        const page = (await read(`/api/channels${query}`)) as {
          channels: { channel: string }[];
          next?: string;
        };
        seen.push(...page.channels.map(({ channel }) => channel));
        if (page.next === undefined) break;
        query = `?${new URLSearchParams({ limit: "7", after: page.next })}`;
      }
      expect(seen).toEqual(sorted);
    });

    it.each(["0", "1001", "-1", "1.5", "1e2", "x", "", "00001", "99999"])(
      "refuses limit=%s",
      async (limit) => {
        host = await start();
        for (const path of ["/api/channels", "/api/channels/a"]) {
          const answer = await get(`${path}?limit=${limit}`);
          expect(answer.status).toBe(422);
          expect(expectError(answer)).toBe("limit must be a whole number from 1 to 1000.");
        }
      },
    );
  });

  describe("GET /api/channels/:channel", () => {
    it("shows a channel that nobody has joined as one with nobody in it", async () => {
      host = await start();
      expect((await get("/api/channels/a")).text).toBe(
        '{"channel":"a","subscribers":0,"presence":[]}',
      );
    });

    it("shows who is joined by their presence ids, each once, and counts the others", async () => {
      host = await start();
      for (const presenceId of ["zoe", "ann", "zoe"]) {
        await (await host.connect({ presenceId })).join("a");
      }
      await (await host.connect({ presenceId: "bob" })).join("b");
      await joined("a");
      expect(await read("/api/channels/a")).toEqual({
        channel: "a",
        subscribers: 4,
        presence: [
          { id: "ann", sockets: 1 },
          { id: "zoe", sockets: 2 },
        ],
      });
    });

    it("pages through them", async () => {
      host = await start();
      for (const presenceId of ["c", "a", "b"]) {
        await (await host.connect({ presenceId })).join("a");
      }
      const first = await read("/api/channels/a?limit=2");
      expect(first).toMatchObject({ presence: [{ id: "a" }, { id: "b" }], next: "b" });
      const second = await read("/api/channels/a?limit=2&after=b");
      expect(second).toEqual({
        channel: "a",
        subscribers: 3,
        presence: [{ id: "c", sockets: 1 }],
      });
    });

    it.each([
      "a/b",
      "/",
      "//a//",
      "a b",
      "a+b",
      "100%",
      "%2F",
      "%ff",
      "caf\u00e9 \u{1f600}",
      "a\u0000b\n",
      "?x=1#y",
      "a;b=c",
      "*",
      ":channel",
      "__proto__",
      ".hidden",
      "'()!~",
      "\u2028",
    ])("knows it by any name: %j", async (channel) => {
      host = await start();
      await joined(channel);
      expect(await read(channelPath(channel))).toEqual({ channel, subscribers: 1, presence: [] });
    });

    it.each(["/api/channels/%ff", "/api/channels/%", "/api/channels/a%2", "/api/pushes/%ff"])(
      "is 404 where the path is not percent-encoded UTF-8: %s",
      async (path) => {
        host = await start();
        expect((await get(path)).status).toBe(404);
      },
    );
  });

  describe("DELETE /api/sockets/:id", () => {
    const close = (id: string) =>
      ask(host.port, { method: "DELETE", path: `/api/sockets/${encodeURIComponent(id)}` });

    it("closes the sockets of this id and no other, and says how many", async () => {
      host = await start();
      const mine = [
        await host.connect({ socketId: "me/1" }),
        await host.connect({ socketId: "me/1" }),
      ];
      const other = await host.connect({ socketId: "me" });
      for (const each of [...mine, other]) await each.join("a");
      const answer = await close("me/1");
      expect([answer.status, answer.text]).toEqual([200, '{"closed":2}']);
      await within(Promise.all(mine.map(({ closed }) => closed)), "the sockets to close");
      expect(await read("/api/stats")).toMatchObject({ sockets: 1, subscriptions: 1 });
      expect((await close("me/1")).text).toBe('{"closed":0}');
    });

    it("closes none where nobody has this id", async () => {
      host = await start();
      await joined("a");
      for (const id of ["undefined", "a", "__proto__"]) {
        expect((await close(id)).text).toBe('{"closed":0}');
      }
      expect(await read("/api/stats")).toMatchObject({ sockets: 1 });
    });
  });

  describe("GET /api/pushes/:id", () => {
    const trace = async (answer: Answer) => read(`/api/pushes/${answer.headers["x-push-id"]}`);

    it("tells where an accepted push went, and where nobody was", async () => {
      host = await start({ policy: named, now: () => 1_700_000_000.5 });
      await joined("b");
      await joined("b");
      const answer = await push(
        host.port,
        { channel: ["a", "b"], event: "woohoo", data: { secret: "payload" } },
        { "x-caller": "shop" },
      );
      const found = await trace(answer);
      expect(found).toEqual({
        id: answer.headers["x-push-id"],
        outcome: "accepted",
        by: "shop",
        event: "woohoo",
        at: "2023-11-14T22:13:20.500Z",
        channels: [
          { channel: "a", sockets: 0, cut: 0, why: "Nobody was joined." },
          { channel: "b", sockets: 2, cut: 0 },
        ],
      });
      expect(JSON.stringify(found)).not.toContain("payload");
    });

    it("tells what was wrong with an invalid one", async () => {
      host = await start();
      const answer = await push(host.port, { channel: "secret-name", data: "payload" });
      expect(await trace(answer)).toEqual({
        id: answer.headers["x-push-id"],
        outcome: "invalid",
        reason: "Invalid push arguments: event is required.",
        at: expect.any(String),
      });
    });

    it("tells that one was denied", async () => {
      host = await start({ policy: policyOf(() => ({ allow: false })) });
      const answer = await push(host.port, { channel: "a", event: "e", data: "payload" });
      expect(await trace(answer)).toEqual({
        id: answer.headers["x-push-id"],
        outcome: "denied",
        reason: "The policy said no.",
        at: expect.any(String),
      });
    });

    it("is 404 where none is known, or no longer", async () => {
      host = await start({ traces: 2 });
      const first = await push(host.port, { channel: "a", event: "e", data: 1 });
      for (const channel of ["b", "c"]) await push(host.port, { channel, event: "e", data: 1 });
      for (const id of [first.headers["x-push-id"], "x", "__proto__", "%2F"]) {
        const answer = await get(`/api/pushes/${id}`);
        expect(answer.status).toBe(404);
        expect(expectError(answer)).toBe("No such push is known here, or no longer.");
      }
    });
  });

  describe("methods", () => {
    it.each(ROUTES)("other than those of %s %s are 405", async (right, path) => {
      host = await start();
      for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
        if (method === right) continue;
        const answer = await ask(host.port, { method, path });
        expect(answer.status).toBe(405);
        expect(answer.headers.allow?.split(", ")).toContain(right);
        expect(expectError(answer)).toBe("Method Not Allowed");
      }
    });

    it("HEAD is as GET, without a body", async () => {
      host = await start();
      const { status, text } = await ask(host.port, { method: "HEAD", path: "/api/stats" });
      expect([status, text]).toEqual([200, ""]);
    });

    it.each(["/api/channels/a/b", "/api/sockets", "/api/pushes", "/api/stats/a"])(
      "%s is no route",
      async (path) => {
        host = await start();
        expect((await get(path)).status).toBe(404);
      },
    );
  });
});
