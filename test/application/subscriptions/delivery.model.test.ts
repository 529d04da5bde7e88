import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Channels } from "../../../src/application/subscriptions/channels.js";
import { Delivery } from "../../../src/application/subscriptions/delivery.js";
import {
  type Channel,
  type Share,
  Socket,
  type SocketGroup,
  type SocketProtocol,
  type SocketWriter,
} from "../../../src/application/subscriptions/socket.js";
import { Json } from "../../../src/domain/json.js";
import type { Message } from "../../../src/domain/message.js";
import { turn } from "../../support/manual-broker.js";

/*
 * Any order of connects, joins, catching up, leaves, closes, deliveries, other frames and turns of
 * the event loop, over small groups of two writers, against a model in which each delivery arrives at
 * once.
 */

/** As many channels as sockets are in two. */
const CHANNELS = ["a", "b", "c"];

/** Encodes, and counts how often. */
class TestProtocol implements SocketProtocol {
  readonly transport = "test";
  readonly hasIdleTimeout = false;
  readonly isOneStream = false;
  encoded = 0;

  constructor(readonly name: string) {}

  joined(): void {}
  denied(): void {}

  encode({ channel, data }: Message): string {
    this.encoded++;
    return `${this.name} ${channel} ${data.text}`;
  }

  encodeReplayed(message: Message): string {
    return this.encode(message);
  }
}

/** Publishes by topics, as uWebSockets.js does, but at once. */
class TestWriter implements SocketWriter<TestSocket> {
  readonly protocol: TestProtocol;
  readonly #topics = new Map<string, Set<TestSocket>>();

  constructor(name: string) {
    this.protocol = new TestProtocol(name);
  }

  send(handle: TestSocket, frame: string): void {
    handle.take(frame);
  }

  batch(_handle: TestSocket, work: () => void): void {
    work();
  }

  bufferedBytes(): number {
    return 0;
  }

  close(): void {}

  share(group: SocketGroup, topic: string): Share<TestSocket> {
    const topics = this.#topics;
    return {
      group,
      sockets: 0,
      add: ({ handle }) => {
        if (handle === undefined) throw new Error("a closed socket must not be subscribed");
        const handles = topics.get(topic) ?? new Set();
        expect(handles.has(handle)).toBe(false);
        topics.set(topic, handles.add(handle));
      },
      remove: ({ handle }) => {
        // The library has dropped it already.
        if (handle === undefined) return;
        expect(topics.get(topic)?.delete(handle)).toBe(true);
      },
      write: (frame) => {
        for (const handle of topics.get(topic) ?? []) handle.take(frame);
      },
    };
  }

  /** The library's own socket is closed. */
  drop(handle: TestSocket): void {
    for (const handles of this.#topics.values()) handles.delete(handle);
  }
}

class TestSocket {
  readonly socket: Socket<TestSocket>;
  readonly got: string[] = [];
  /** What it must have got once all turns are over; for a closed one, the most. */
  readonly expected: string[] = [];
  /** Its channels, and whether it gets their messages. */
  readonly channels = new Map<string, boolean>();
  take = (frame: string): void => void this.got.push(frame);

  constructor(readonly writer: TestWriter) {
    this.socket = new Socket<TestSocket>(writer, {});
    this.socket.handle = this;
  }

  get group(): SocketGroup | undefined {
    return this.socket.group;
  }
}

/** Delivery with its channels, by the names of the calls that lead to it. */
class World {
  readonly writers = [new TestWriter("v1"), new TestWriter("v2")] as const;
  readonly channels = new Channels(undefined, () => {});
  readonly delivery: Delivery;

  constructor(groupSize: number) {
    this.delivery = new Delivery(groupSize);
  }

  get(name: string): Channel {
    const channel = this.channels.get(name);
    if (channel === undefined) throw new Error(`nobody has joined ${name}`);
    return channel;
  }

  join({ socket }: TestSocket, name: string): void {
    const channel = this.channels.acquire(name);
    channel.joined++;
    this.delivery.begin(socket, channel);
  }

  goLive({ socket }: TestSocket, name: string): void {
    this.delivery.goLive(socket, this.get(name));
  }

  leave({ socket }: TestSocket, name: string, wasLive: boolean): void {
    const channel = this.get(name);
    channel.joined--;
    if (wasLive) this.delivery.left(socket, channel);
    this.channels.release(channel);
  }

  close(handle: TestSocket): void {
    handle.writer.drop(handle);
    handle.socket.handle = undefined;
    for (const [name, wasLive] of handle.channels) this.leave(handle, name, wasLive);
    handle.channels.clear();
    this.delivery.closed(handle.socket);
  }

  deliver(message: Message): number {
    const channel = this.channels.get(message.channel);
    return channel === undefined ? 0 : this.delivery.deliver(channel, message);
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

async function run(groupSize: number, sequence: readonly Step[]): Promise<void> {
  const world = new World(groupSize);
  const all: TestSocket[] = [];
  const open: TestSocket[] = [];
  let sent = 0;

  const leave = (each: TestSocket, channel: string): void => {
    const wasLive = each.channels.get(channel);
    if (wasLive === undefined) return;
    each.channels.delete(channel);
    world.leave(each, channel, wasLive);
  };

  for (const step of sequence) {
    const chosen = "socket" in step ? open[step.socket % open.length] : undefined;
    const channel = CHANNELS["at" in step ? step.at : 0] as string;
    switch (step.kind) {
      case "connect": {
        const each = new TestSocket(world.writers[step.isV1 ? 0 : 1]);
        all.push(each);
        open.push(each);
        break;
      }
      case "join":
      case "catchUp":
        if (chosen === undefined || chosen.channels.get(channel) === true) break;
        if (!chosen.channels.has(channel)) world.join(chosen, channel);
        chosen.channels.set(channel, step.kind === "join");
        if (step.kind === "join") world.goLive(chosen, channel);
        break;
      case "leave":
        if (chosen !== undefined) leave(chosen, channel);
        break;
      case "close":
        if (chosen === undefined) break;
        open.splice(open.indexOf(chosen), 1);
        world.close(chosen);
        break;
      case "send": {
        if (chosen === undefined) break;
        const text = `reply ${sent++}`;
        world.delivery.send(chosen.socket, text);
        chosen.expected.push(text);
        break;
      }
      case "deliver": {
        const live = open.filter((each) => each.channels.get(channel) === true);
        const data = Json.of(sent++);
        const before = world.writers.map(({ protocol }) => protocol.encoded);
        for (const each of live) {
          each.expected.push(`${each.writer.protocol.name} ${channel} ${data.text}`);
        }
        expect(world.deliver({ channel, event: "e", data })).toBe(live.length);
        // Once for each writer that has a live socket.
        const encoded = world.writers.map(
          ({ protocol }, index) => protocol.encoded - (before[index] ?? 0),
        );
        const has = world.writers.map((writer) => live.some((each) => each.writer === writer));
        expect(encoded).toEqual(has.map(Number));
        break;
      }
      case "turn":
        await turn();
    }
    for (const name of CHANNELS) {
      const joined = open.filter((each) => each.channels.has(name));
      const live = joined.filter((each) => each.channels.get(name));
      expect(world.channels.get(name)?.joined ?? 0).toBe(joined.length);
      expect(world.channels.get(name)?.live ?? 0).toBe(live.length);
    }
  }
  // One turn for each socket is the most that a round can take.
  for (let i = 0; i <= all.length; i++) await turn();
  for (const each of all) {
    const expected = open.includes(each) ? each.expected : each.expected.slice(0, each.got.length);
    expect(each.got).toEqual(expected);
  }
  for (const each of open) for (const name of [...each.channels.keys()]) leave(each, name);
  expect(CHANNELS.map((name) => world.channels.get(name))).toEqual(CHANNELS.map(() => undefined));
}

describe("Delivery", () => {
  it("brings each message to each subscriber once and in order, whatever comes between", async () => {
    await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 4 }), steps, run), {
      numRuns: 300,
    });
  });

  describe("with groups of four and twelve sockets of one channel", () => {
    const begin = () => {
      const world = new World(4);
      const connect = () => new TestSocket(world.writers[0]);
      const join = (each: TestSocket) => {
        world.join(each, "a");
        each.channels.set("a", true);
        world.goLive(each, "a");
      };
      const sockets = Array.from({ length: 12 }, connect);
      for (const each of sockets) join(each);
      let sequence = 0;
      const deliver = () => world.deliver({ channel: "a", event: "e", data: Json.of(sequence++) });
      const counts = () => sockets.map(({ got }) => got.length);
      return { world, sockets, connect, join, deliver, counts };
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
      const { world, sockets, deliver, counts } = begin();
      const last = sockets[11] as TestSocket;
      world.delivery.send(last.socket, "first");
      expect(last.got).toEqual(["first"]);
      deliver();
      world.delivery.send(last.socket, "second");
      expect(counts().slice(8)).toEqual([0, 0, 0, 1]);
      await turn();
      await turn();
      expect(last.got).toHaveLength(3);
      expect(last.got[2]).toBe("second");
    });

    it("writes nothing twice where a write makes its caller close a socket of the group", async () => {
      const { world, sockets, deliver, counts } = begin();
      const last = sockets[11] as TestSocket;
      const { take } = last;
      last.take = (frame) => {
        take(frame);
        world.delivery.settle(last.socket);
      };
      deliver();
      world.delivery.send(last.socket, "closes");
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
      const { world, sockets, connect, join, deliver } = begin();
      const [left] = sockets.splice(8, 1) as [TestSocket];
      world.close(left);
      const late = connect();
      deliver();
      join(late);
      expect(late.group).toBe(sockets.at(-1)?.group);
      await turn();
      await turn();
      expect([late.got.length, sockets.at(-1)?.got.length]).toEqual([0, 1]);
    });

    it("fills the places of closed sockets, so that channels do not crumble", () => {
      const { world, sockets, connect, join } = begin();
      const leaving = sockets.filter((_, index) => index % 2 === 0);
      for (const each of leaving) world.close(each);
      const fresh = leaving.map(connect);
      for (const each of fresh) join(each);
      const staying = sockets.filter((each) => !leaving.includes(each));
      const groups = new Set([...staying, ...fresh].map(({ group }) => group));
      expect(groups.size).toBe(3);
    });

    it("brings a message to all groups, also if a write closes all sockets of one", async () => {
      const { world, sockets, deliver } = begin();
      const [first, ...others] = sockets.splice(0, 4) as [TestSocket, ...TestSocket[]];
      const { take } = first;
      first.take = (frame) => {
        take(frame);
        for (const each of [first, ...others]) world.close(each);
      };
      deliver();
      await turn();
      await turn();
      expect(sockets.map(({ got }) => got.length)).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
    });

    it("takes no part of a socket that is cut by what waits for it as it goes live", async () => {
      const { world, sockets, join, deliver } = begin();
      const last = sockets[11] as TestSocket;
      world.join(last, "b");
      deliver();
      // What waits on channel a is sent as the socket goes live on b, and cuts it.
      last.take = () => {
        last.channels.set("b", true);
        world.close(last);
      };
      world.goLive(last, "b");
      expect(world.channels.get("b")).toBeUndefined();
      expect(world.get("a").live).toBe(11);
      await turn();
      await turn();
      const fresh = new TestSocket(world.writers[0]);
      join(fresh);
      expect(fresh.group).toBe(sockets[10]?.group);
    });

    it("takes no part of a socket that is cut by what waits for it as it joins", async () => {
      const { world, sockets, deliver } = begin();
      const last = sockets[11] as TestSocket;
      deliver();
      const { group } = last;
      last.take = () => {
        last.channels.set("b", false);
        world.close(last);
      };
      world.join(last, "b");
      expect(last.group).toBeUndefined();
      expect(group?.sockets).toBe(3);
      expect(world.channels.get("b")).toBeUndefined();
    });
  });
});
