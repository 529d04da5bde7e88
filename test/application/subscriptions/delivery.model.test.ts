import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FanOut, type Subscriber } from "../../../src/adapters/uws/fan-out.js";
import { codecV1 } from "../../../src/adapters/uws/phoenix/codec-v1.js";
import { codecV2 } from "../../../src/adapters/uws/phoenix/codec-v2.js";
import type { SocketGroup } from "../../../src/adapters/uws/socket-groups.js";
import { Json } from "../../../src/domain/json.js";

/*
 * Any order of connects, joins, catching up, leaves, closes, deliveries, other frames and turns of
 * the event loop, over small groups, against a model in which each delivery arrives at once.
 */

/** As many channels as sockets are in two. */
const CHANNELS = ["a", "b", "c"];

/** What uWebSockets.js's topics do, but at once. */
class Topics {
  readonly #sockets = new Map<string, Set<TestSocket>>();

  publish(topic: string, text: string): void {
    for (const socket of this.#sockets.get(topic) ?? []) socket.got.push(text);
  }

  subscribe(socket: TestSocket, topic: string): void {
    const sockets = this.#sockets.get(topic) ?? new Set();
    expect(sockets.has(socket)).toBe(false);
    this.#sockets.set(topic, sockets.add(socket));
  }

  unsubscribe(socket: TestSocket, topic: string): void {
    expect(this.#sockets.get(topic)?.delete(socket)).toBe(true);
  }

  drop(socket: TestSocket): void {
    for (const sockets of this.#sockets.values()) sockets.delete(socket);
  }
}

class TestSocket implements Subscriber {
  group: SocketGroup | undefined;
  readonly codec;
  ws: Subscriber["ws"];
  readonly got: string[] = [];
  /** What it must have got once all turns are over; for a closed one, the most. */
  readonly expected: string[] = [];
  /** Its channels, and whether it gets their messages. */
  readonly channels = new Map<string, boolean>();

  constructor(topics: Topics, isV1: boolean) {
    this.codec = isV1 ? codecV1 : codecV2;
    this.ws = {
      send: (text) => this.got.push(text),
      subscribe: (topic) => topics.subscribe(this, topic),
      unsubscribe: (topic) => topics.unsubscribe(this, topic),
    };
  }
}

type Step =
  | { readonly kind: "connect"; readonly isV1: boolean }
  | { readonly kind: "join" | "catchUp" | "leave"; readonly socket: number; readonly at: number }
  | { readonly kind: "close" | "send"; readonly socket: number }
  | { readonly kind: "deliver"; readonly at: number }
  | { readonly kind: "turn" };

const at = fc.nat(CHANNELS.length - 1);
const socket = fc.nat(1000);
const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("connect"), isV1: fc.boolean() }) },
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constantFrom("join", "join", "catchUp"), socket, at }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("leave"), socket, at }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("close", "send"), socket }) },
    { weight: 10, arbitrary: fc.record({ kind: fc.constant("deliver"), at }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("turn") }) },
  ) as fc.Arbitrary<Step>,
  { maxLength: 120, size: "max" },
);

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function run(groupSize: number, sequence: readonly Step[]): Promise<void> {
  const topics = new Topics();
  const fanOut = new FanOut(groupSize);
  fanOut.attach(topics);
  const all: TestSocket[] = [];
  const open: TestSocket[] = [];
  let sent = 0;

  const leave = (each: TestSocket, channel: string): void => {
    const wasLive = each.channels.get(channel);
    if (wasLive === undefined) return;
    each.channels.delete(channel);
    fanOut.left(each, channel, wasLive);
  };

  for (const step of sequence) {
    const chosen = "socket" in step ? open[step.socket % open.length] : undefined;
    const channel = CHANNELS["at" in step ? step.at : 0] as string;
    switch (step.kind) {
      case "connect": {
        const each = new TestSocket(topics, step.isV1);
        all.push(each);
        open.push(each);
        break;
      }
      case "join":
      case "catchUp":
        if (chosen === undefined || chosen.channels.get(channel) === true) break;
        if (!chosen.channels.has(channel)) fanOut.joined(chosen, channel);
        chosen.channels.set(channel, step.kind === "join");
        if (step.kind === "join") fanOut.goLive(chosen, channel);
        break;
      case "leave":
        if (chosen !== undefined) leave(chosen, channel);
        break;
      case "close":
        if (chosen === undefined) break;
        open.splice(open.indexOf(chosen), 1);
        topics.drop(chosen);
        chosen.ws = undefined;
        for (const name of [...chosen.channels.keys()]) leave(chosen, name);
        fanOut.closed(chosen);
        break;
      case "send": {
        if (chosen === undefined) break;
        const text = `reply ${sent++}`;
        fanOut.send(chosen, text);
        chosen.expected.push(text);
        break;
      }
      case "deliver": {
        const live = open.filter((each) => each.channels.get(channel) === true);
        const message = { channel, event: "e", data: Json.of(sent++) };
        for (const each of live) each.expected.push(each.codec.encodeMessage(message));
        expect(fanOut.deliver(message)).toBe(live.length);
        break;
      }
      case "turn":
        await turn();
    }
    for (const name of CHANNELS) {
      const joined = open.filter((each) => each.channels.has(name)).length;
      expect(fanOut.subscribers(name)).toBe(joined);
    }
    const counts = open.map((each) => each.channels.size).reduce((sum, size) => sum + size, 0);
    expect(fanOut.subscriptions()).toBe(counts);
  }
  // One turn for each socket is the most that a round can take.
  for (let i = 0; i <= all.length; i++) await turn();
  for (const each of all) {
    const expected = open.includes(each) ? each.expected : each.expected.slice(0, each.got.length);
    expect(each.got).toEqual(expected);
  }
  for (const each of open) for (const name of [...each.channels.keys()]) leave(each, name);
  expect([...fanOut.channels()]).toEqual([]);
}

describe("FanOut", () => {
  it("brings each message to each subscriber once and in order, whatever comes between", async () => {
    await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 4 }), steps, run), {
      numRuns: 300,
    });
  });

  describe("with groups of four and twelve sockets of one channel", () => {
    const begin = () => {
      const topics = new Topics();
      const fanOut = new FanOut(4);
      fanOut.attach(topics);
      const sockets = Array.from({ length: 12 }, () => new TestSocket(topics, false));
      for (const each of sockets) {
        fanOut.joined(each, "a");
        fanOut.goLive(each, "a");
      }
      let sequence = 0;
      const deliver = () => fanOut.deliver({ channel: "a", event: "e", data: Json.of(sequence++) });
      const counts = () => sockets.map(({ got }) => got.length);
      return { topics, fanOut, sockets, deliver, counts };
    };
    const each = (a: number, b: number, c: number) => [a, b, c].flatMap((n) => [n, n, n, n]);

    it("writes to the first group at once and to one more in each turn", async () => {
      const { deliver, counts } = begin();
      deliver();
      expect(counts()).toEqual(each(1, 0, 0));
      await turn();
      expect(counts()).toEqual(each(1, 1, 0));
      await turn();
      expect(counts()).toEqual(each(1, 1, 1));
    });

    it("merges what comes meanwhile, and starves nobody", async () => {
      const { deliver, counts } = begin();
      deliver();
      deliver();
      await turn();
      deliver();
      expect(counts()).toEqual(each(1, 2, 0));
      await turn();
      expect(counts()).toEqual(each(1, 2, 3));
      await turn();
      expect(counts()).toEqual(each(3, 2, 3));
      await turn();
      expect(counts()).toEqual(each(3, 3, 3));
    });

    it("lets no more than 32 messages wait for a group, however fast they come", async () => {
      const { deliver, counts } = begin();
      for (let n = 0; n < 40; n++) deliver();
      expect(counts()).toEqual(each(1, 0, 0));
      await turn();
      expect(counts()).toEqual(each(40, 40, 40));
    });

    it("sends one socket's frame behind what waits for it, without writing to its group", async () => {
      const { fanOut, sockets, deliver, counts } = begin();
      const last = sockets[11] as TestSocket;
      fanOut.send(last, "first");
      expect(last.got).toEqual(["first"]);
      deliver();
      fanOut.send(last, "second");
      expect(counts().slice(8)).toEqual([0, 0, 0, 1]);
      await turn();
      await turn();
      expect(last.got).toHaveLength(3);
      expect(last.got[2]).toBe("second");
    });

    it("writes nothing twice where a write makes its caller close a socket of the group", async () => {
      const { fanOut, sockets, deliver, counts } = begin();
      const last = sockets[11] as TestSocket;
      const { ws } = last;
      last.ws = {
        subscribe: () => {},
        unsubscribe: () => {},
        send: (text) => {
          ws?.send(text);
          fanOut.settle(last);
        },
      };
      deliver();
      fanOut.send(last, "closes");
      await turn();
      await turn();
      expect(counts().slice(8)).toEqual([1, 1, 1, 2]);
    });

    it("writes at once again once nothing waits", async () => {
      const { deliver, counts } = begin();
      deliver();
      await turn();
      await turn();
      deliver();
      expect(counts()).toEqual(each(2, 1, 1));
    });

    it("brings nothing to a socket that came before it joined, also where that still waits", async () => {
      const { topics, fanOut, sockets, deliver } = begin();
      const [left] = sockets.splice(8, 1) as [TestSocket];
      fanOut.left(left, "a", true);
      topics.drop(left);
      fanOut.closed(left);
      const late = new TestSocket(topics, false);
      deliver();
      fanOut.joined(late, "a");
      fanOut.goLive(late, "a");
      expect(late.group).toBe(sockets.at(-1)?.group);
      await turn();
      await turn();
      expect([late.got.length, sockets.at(-1)?.got.length]).toEqual([0, 1]);
    });

    it("fills the places of closed sockets, so that channels do not crumble", () => {
      const { fanOut, sockets, topics } = begin();
      const leaving = sockets.filter((_, index) => index % 2 === 0);
      for (const socket of leaving) {
        topics.drop(socket);
        socket.ws = undefined;
        fanOut.left(socket, "a", true);
        fanOut.closed(socket);
      }
      const fresh = leaving.map(() => new TestSocket(topics, false));
      for (const socket of fresh) {
        fanOut.joined(socket, "a");
        fanOut.goLive(socket, "a");
      }
      const staying = sockets.filter((socket) => !leaving.includes(socket));
      const groups = new Set([...staying, ...fresh].map(({ group }) => group));
      expect(groups.size).toBe(3);
    });
  });
});
