import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { Json } from "../../src/domain/json.js";
import type { Message } from "../../src/domain/message.js";
import { hasDirectory, type Transport } from "../../src/domain/transport.js";
import { channelName, jsonText, name } from "../support/arbitraries.js";

/** What a client has got: `data` as the JSON text in which it came. */
export interface Received {
  readonly channel: string;
  readonly event: string;
  readonly data: string;
}

/** A client of the transport under test, as its users would connect. */
export interface ContractSocket {
  /** Resolves once the transport counts the socket as joined. */
  join(channel: string): Promise<void>;
  leave(channel: string): Promise<void>;
  /** Resolves once the transport counts the socket no more. */
  close(): Promise<void>;
  /** Resolves when the transport has closed it. */
  readonly closed: Promise<void>;
  /** Resolves once all that was delivered so far has arrived. */
  settled(): Promise<void>;
  readonly received: readonly Received[];
}

export interface ContractSubject {
  readonly transport: Transport;
  connect(socketId?: string): Promise<ContractSocket>;
  stop(): Promise<void>;
}

/** The promises of the `Transport` port, for every adapter of it. */
export function transportContract(start: () => Promise<ContractSubject>): void {
  let subject: ContractSubject | undefined;
  const begin = async (): Promise<ContractSubject> => {
    subject = await start();
    return subject;
  };
  afterEach(async () => {
    await subject?.stop();
    subject = undefined;
  });
  const message = (channel: string, event = "e", data = "null"): Message => ({
    channel,
    event,
    data: Json.parse(data),
  });

  describe("as every Transport", () => {
    it("delivers to each socket joined to the channel once, and to no other", async () => {
      const { transport, connect } = await begin();
      const [joined, both, other] = [await connect(), await connect(), await connect()];
      await Promise.all([joined.join("a"), both.join("a"), both.join("b"), other.join("b")]);
      expect(transport.deliver(message("a"))).toBe(2);
      await Promise.all([joined.settled(), both.settled(), other.settled()]);
      const one = [{ channel: "a", event: "e", data: "null" }];
      expect([joined.received, both.received, other.received]).toEqual([one, one, []]);
    });

    it("delivers to nobody where nobody is joined", async () => {
      const { transport } = await begin();
      expect([transport.deliver(message("a")), transport.subscribers("a")]).toEqual([0, 0]);
    });

    it("delivers once to a socket that has joined a channel twice", async () => {
      const { transport, connect } = await begin();
      const socket = await connect();
      await socket.join("a");
      await socket.join("a");
      expect([transport.deliver(message("a")), transport.subscribers("a")]).toEqual([1, 1]);
      await socket.settled();
      expect(socket.received).toHaveLength(1);
    });

    it("keeps the order of a channel's messages", async () => {
      const { transport, connect } = await begin();
      const socket = await connect();
      await socket.join("a");
      await socket.join("b");
      const count = 500;
      for (let n = 0; n < count; n++) transport.deliver(message(n % 2 ? "a" : "b", "e", String(n)));
      await socket.settled();
      for (const [channel, parity] of [
        ["a", 1],
        ["b", 0],
      ] as const) {
        const got = socket.received.filter((each) => each.channel === channel);
        const expected = Array.from({ length: count / 2 }, (_, n) => String(2 * n + parity));
        expect(got.map((each) => each.data)).toEqual(expected);
      }
    });

    it("keeps it for each of many sockets, while others leave", async () => {
      const { transport, connect } = await begin();
      const sockets = await Promise.all(Array.from({ length: 300 }, () => connect()));
      await Promise.all(sockets.flatMap((socket) => [socket.join("a"), socket.join("b")]));
      const sent: Received[] = [];
      const deliver = (count: number): void => {
        for (let n = 0; n < count; n++) {
          const one = { channel: n % 3 === 0 ? "b" : "a", event: "e", data: `${sent.length}` };
          sent.push(one);
          expect(transport.deliver(message(one.channel, one.event, one.data))).toBe(300);
        }
      };
      deliver(10);
      // A turn later others may have got them and some not yet.
      await new Promise((resolve) => setImmediate(resolve));
      deliver(10);
      const leaving = sockets.filter((_, index) => index % 50 === 0);
      await Promise.all(leaving.map((socket) => socket.leave("a")));
      expect(transport.deliver(message("a", "late"))).toBe(300 - leaving.length);
      await Promise.all(sockets.map((socket) => socket.settled()));
      for (const socket of sockets) {
        const { received } = socket;
        // What is under way to a client that leaves may be lost with it, as over SSE.
        if (leaving.includes(socket)) expect(received).toEqual(sent.slice(0, received.length));
        else expect(received).toEqual([...sent, { channel: "a", event: "late", data: "null" }]);
      }
    });

    it("delivers nothing after a leave, and again after another join", async () => {
      const { transport, connect } = await begin();
      const socket = await connect();
      await socket.join("a");
      await socket.leave("a");
      expect(transport.deliver(message("a", "lost"))).toBe(0);
      await socket.join("a");
      expect(transport.deliver(message("a", "kept"))).toBe(1);
      await socket.settled();
      expect(socket.received.map((each) => each.event)).toEqual(["kept"]);
    });

    it("counts sockets, subscriptions and subscribers as they come and go", async () => {
      const { transport, connect } = await begin();
      const [first, second] = [await connect(), await connect()];
      await Promise.all([first.join("a"), first.join("b"), second.join("a")]);
      expect(transport.counts()).toEqual({ sockets: 2, subscriptions: 3 });
      expect([transport.subscribers("a"), transport.subscribers("b")]).toEqual([2, 1]);
      await first.leave("b");
      expect(transport.counts()).toEqual({ sockets: 2, subscriptions: 2 });
      await first.close();
      expect(transport.counts()).toEqual({ sockets: 1, subscriptions: 1 });
      expect(transport.deliver(message("a"))).toBe(1);
      await second.close();
      expect(transport.counts()).toEqual({ sockets: 0, subscriptions: 0 });
    });

    it("closes all sockets of one socket id, and no other", async () => {
      const { transport, connect } = await begin();
      const mine = [await connect("me"), await connect("me")];
      const others = [await connect("you"), await connect()];
      expect(transport.closeSockets("me")).toBe(2);
      await Promise.all(mine.map((socket) => socket.closed));
      expect(transport.counts().sockets).toBe(others.length);
      expect(transport.closeSockets("me")).toBe(0);
      expect(transport.closeSockets("nobody")).toBe(0);
    });

    it("shows its channels and who is joined, and closes by identity, where it can", async () => {
      const { transport, connect } = await begin();
      if (!hasDirectory(transport)) return;
      const [mine, yours, leaving] = [await connect("me"), await connect("you"), await connect()];
      await Promise.all([mine.join("a"), mine.join("b"), yours.join("a"), leaving.join("c")]);
      await leaving.leave("c");
      expect([...transport.channels()].sort()).toEqual(["a", "b"]);
      const ids = (channel: string) => [...transport.joined(channel)].map((each) => each.socketId);
      expect(ids("a").sort()).toEqual(["me", "you"]);
      expect([ids("b"), ids("c")]).toEqual([["me"], []]);
      expect(transport.closeWhere(({ socketId }) => socketId === "me", "token revoked")).toBe(1);
      await mine.closed;
      expect([...transport.channels()]).toEqual(["a"]);
      expect(transport.closeWhere(() => true, "token revoked")).toBe(2);
      await Promise.all([yours.closed, leaving.closed]);
      expect([...transport.channels()]).toEqual([]);
      expect(transport.counts()).toEqual({ sockets: 0, subscriptions: 0 });
    });

    it("carries any channel, event and data unchanged", async () => {
      const { transport, connect } = await begin();
      const socket = await connect();
      let seen = 0;
      await fc.assert(
        fc.asyncProperty(channelName, name(), jsonText, async (channel, event, data) => {
          await socket.join(channel);
          expect(transport.deliver(message(channel, event, data))).toBe(1);
          await socket.settled();
          expect(socket.received.slice(seen)).toEqual([{ channel, event, data }]);
          seen = socket.received.length;
          await socket.leave(channel);
        }),
        { numRuns: 60 },
      );
    });
  });
}
