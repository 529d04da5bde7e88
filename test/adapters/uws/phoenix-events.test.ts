import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { AuthPolicy, JoinDecision } from "../../../src/domain/auth-policy.js";
import { Json } from "../../../src/domain/json.js";
import type { ConsumerCut, PushListener, SocketInfo } from "../../../src/domain/push-listener.js";
import { within } from "../../support/inbox.js";
import {
  LIBRARIES,
  type PhoenixOptions,
  startPhoenixForTest,
} from "../../support/phoenix-server.js";
import { RawClient } from "../../support/raw-client.js";
import { stuckReader } from "../../support/stuck-reader.js";

const named: Partial<AuthPolicy> = {
  authorizeConnect: ({ params }) => ({
    allow: true,
    identity: { socketId: `${params.id}`, presenceId: `who:${params.id}` },
  }),
};

/** What a listener hears, as lines. */
function recorder(): { listener: PushListener; heard: string[]; sockets: Set<SocketInfo> } {
  const heard: string[] = [];
  const sockets = new Set<SocketInfo>();
  const say = (what: string, socket: SocketInfo, channel = "") => {
    sockets.add(socket);
    heard.push(`${what} ${socket.socketId} ${channel}`.trim());
  };
  return {
    heard,
    sockets,
    listener: {
      socketConnected: (socket) => say("connected", socket),
      socketClosed: (socket) => say("closed", socket),
      channelJoined: ({ socket, channel }) => say("joined", socket, channel),
      channelLeft: ({ socket, channel }) => say("left", socket, channel),
      consumerCut: ({ socket }) => say("cut", socket),
    },
  };
}

describe.each(LIBRARIES)("on %s", (library) => {
  const start = (given: PhoenixOptions = {}) => startPhoenixForTest({ ...given, library });

  describe("what a listener hears of sockets", () => {
    it("hears a socket connect, join, leave and close, in this order and once each", async () => {
      const { listener, heard, sockets } = recorder();
      const { transport, wsUrl } = await start({ policy: named, listener });
      const client = await RawClient.connect(wsUrl, "2.0.0", { id: "ann" });
      await client.join("a", "b");
      await client.leave("a");
      await client.end();
      await vi.waitUntil(() => transport.counts().sockets === 0);
      expect(heard).toEqual([
        "connected ann",
        "joined ann a",
        "joined ann b",
        "left ann a",
        "left ann b",
        "closed ann",
      ]);
      const [socket] = sockets;
      expect(sockets.size).toBe(1);
      expect(socket).toMatchObject({ transport: "phoenix", presenceId: "who:ann" });
    });

    it("hears a channel that is joined again as left and joined, and one that crashed as left", async () => {
      const { listener, heard } = recorder();
      const { wsUrl } = await start({ policy: named, listener });
      const client = await RawClient.connect(wsUrl, "2.0.0", { id: "ann" });
      await client.join("a");
      await client.join("a");
      client.send("a", "no such event");
      await client.frames.next(({ event }) => event === "phx_error");
      expect(heard.slice(1)).toEqual(["joined ann a", "left ann a", "joined ann a", "left ann a"]);
    });

    it("hears nothing of a connect or a join that was denied", async () => {
      const { listener, heard } = recorder();
      const { wsUrl } = await start({
        policy: {
          authorizeConnect: ({ params }) => ({ allow: params.id === "ann" }),
          authorizeJoin: () => ({ allow: false }),
        },
        listener,
      });
      await expect(RawClient.connect(wsUrl, "2.0.0", { id: "bob" })).rejects.toThrow("403");
      const client = await RawClient.connect(wsUrl, "2.0.0", { id: "ann" });
      await expect(client.join("a")).rejects.toThrow("unauthorized");
      expect(heard).toEqual(["connected undefined"]);
    });

    it("hears of a slow reader that it is cut, from which channels, and then its end", async () => {
      const heard: string[] = [];
      const cuts: Omit<ConsumerCut, "socket">[] = [];
      const listener: PushListener = {
        consumerCut: ({ channels, bufferBytes }) => {
          heard.push("cut");
          cuts.push({ channels: [...channels], bufferBytes });
        },
        channelLeft: ({ channel }) => heard.push(`left ${channel}`),
        socketClosed: () => heard.push("closed"),
      };
      const { transport, port } = await start({ limits: { sendBufferBytesMax: 65_536 }, listener });
      const stuck = await stuckReader(port, "a");
      await vi.waitUntil(() => transport.subscribers("a") === 1);
      const data = Json.of("x".repeat(50_000));
      for (let pushed = 0; transport.subscribers("a") === 1 && pushed < 2_000; pushed++) {
        transport.deliver({ channel: "a", event: "e", data });
        await new Promise(setImmediate);
      }
      await within(stuck.closed, "the cut");
      expect(heard).toEqual(["cut", "left a", "closed"]);
      expect(cuts).toEqual([{ channels: ["a"], bufferBytes: 65_536 }]);
    });

    it("counts what it tells, whatever clients do", async () => {
      const channel = fc.constantFrom("a", "b", "c");
      const step = fc.oneof(
        fc.record({ what: fc.constantFrom("join", "leave", "crash"), channel }),
        fc.record({ what: fc.constantFrom("burst", "end"), channel }),
      );
      const joined = new Map<string, number>();
      let sockets = 0;
      const add = (name: string, by: number) => joined.set(name, (joined.get(name) ?? 0) + by);
      const { transport, wsUrl } = await start({
        policy: named,
        listener: {
          socketConnected: () => sockets++,
          socketClosed: () => sockets--,
          channelJoined: (event) => add(event.channel, 1),
          channelLeft: (event) => add(event.channel, -1),
        },
      });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
          let client = await RawClient.connect(wsUrl, "2.0.0", { id: "x" });
          for (const each of steps) {
            if (each.what === "join") client.send(each.channel, "phx_join");
            else if (each.what === "leave") client.startLeave(each.channel);
            else if (each.what === "crash") client.send(each.channel, "boom");
            else if (each.what === "burst") {
              for (let count = 0; count < 3; count++) client.send(each.channel, "phx_join");
            } else {
              client.close();
              client = await RawClient.connect(wsUrl, "2.0.0", { id: "x" });
            }
          }
          await client.roundTrip();
          await vi.waitUntil(() => transport.counts().sockets === 1);
          for (const name of ["a", "b", "c"]) {
            expect(joined.get(name) ?? 0).toBe(transport.subscribers(name));
          }
          expect(sockets).toBe(1);
          await client.end();
          await vi.waitUntil(() => transport.counts().sockets === 0);
          expect([...transport.channels()]).toEqual([]);
          expect([...joined.values()].every((count) => count === 0)).toBe(true);
        }),
        { numRuns: 40 },
      );
    });
  });

  describe("the end of an identity", () => {
    it("closes the socket at its time with 1008 and a reason, and no other", async () => {
      let now = 1_000;
      const { transport, wsUrl } = await start({
        policy: {
          authorizeConnect: ({ params }) => ({
            allow: true,
            identity: params.exp === undefined ? {} : { expiresAt: Number(params.exp) },
          }),
        },
        now: () => now,
      });
      const ending = await RawClient.connect(wsUrl, "2.0.0", { exp: "1010" });
      const later = await RawClient.connect(wsUrl, "2.0.0", { exp: "1011" });
      const never = await RawClient.connect(wsUrl, "2.0.0");
      now = 1_010;
      expect(await within(ending.closed, "the close")).toEqual({
        code: 1008,
        reason: "token expired",
      });
      expect(transport.counts().sockets).toBe(2);
      now = 1_011;
      expect((await within(later.closed, "the close")).code).toBe(1008);
      await never.roundTrip();
    });

    it("closes by identity with 1008 and the reason", async () => {
      const { transport, wsUrl } = await start({ policy: named });
      const ann = await RawClient.connect(wsUrl, "2.0.0", { id: "ann" });
      const bob = await RawClient.connect(wsUrl, "1.0.0", { id: "bob" });
      expect(transport.closeWhere(({ socketId }) => socketId === "ann", "token revoked")).toBe(1);
      expect(await within(ann.closed, "the close")).toEqual({
        code: 1008,
        reason: "token revoked",
      });
      await bob.roundTrip();
    });
  });

  describe("a channel that takes no more subscribers", () => {
    it("refuses the join that is one too many, also where several are decided at once", async () => {
      const decide: (() => void)[] = [];
      const { wsUrl, transport } = await start({
        policy: {
          authorizeJoin: () =>
            new Promise<JoinDecision>((resolve) => {
              decide.push(() => resolve({ allow: true }));
            }),
        },
        rejection: (_channel, subscribers) => (subscribers >= 2 ? "channel is full" : undefined),
      });
      const clients = await Promise.all([1, 2, 3, 4].map(() => RawClient.connect(wsUrl, "2.0.0")));
      const joins = clients.map((client) => client.join("a"));
      await vi.waitUntil(() => decide.length === 4);
      for (const each of decide) each();
      const results = await Promise.allSettled(joins);
      expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
      for (const result of results) {
        if (result.status === "rejected")
          expect(String(result.reason)).toContain("channel is full");
      }
      expect(transport.subscribers("a")).toBe(2);
    });
  });

  describe("a stop that leaves the sockets alone", () => {
    it("waits for them to end by themselves", async () => {
      const { server, wsUrl } = await start({ drainSockets: false });
      const client = await RawClient.connect(wsUrl, "2.0.0");
      const stopped = server.stop(10_000);
      await client.roundTrip();
      await client.end();
      await within(stopped, "the stop");
    });

    it("closes those that are left at its end, with the code of a drain", async () => {
      const { server, wsUrl } = await start({ drainSockets: false });
      const client = await RawClient.connect(wsUrl, "2.0.0");
      await server.stop(300);
      expect((await within(client.closed, "the close")).code).toBe(1012);
    });
  });
});
