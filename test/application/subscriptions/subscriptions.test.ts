import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type {
  AcceptedJoin,
  SocketProtocol,
  Subscription,
} from "../../../src/application/subscriptions/socket.js";
import {
  Subscriptions,
  type SubscriptionsOptions,
} from "../../../src/application/subscriptions/subscriptions.js";
import type { JoinDecision } from "../../../src/domain/auth-policy.js";
import { Json } from "../../../src/domain/json.js";
import type { Message } from "../../../src/domain/message.js";
import type { SocketInfo } from "../../../src/domain/push-listener.js";
import { ManualBroker, turn } from "../../support/manual-broker.js";
import { type MemorySocket, MemoryWriter } from "../../support/memory-writer.js";

const LIMITS = {
  channelNameBytesMax: 16,
  channelsPerSocketMax: 100,
  sendBufferBytesMax: 10_000,
  idleTimeoutMs: 45_000,
};

/** Says in plain words what it is told, and begins each join at once. */
class PlainProtocol implements SocketProtocol {
  readonly transport = "plain";
  readonly hasIdleTimeout = false;
  readonly isOneStream = false;
  subscriptions!: Subscriptions;
  /** Called after a denial. */
  afterDenial: (subscription: Subscription) => void = () => {};

  joined(subscription: Subscription, { position, recovered }: AcceptedJoin): void {
    const { socket, channel } = subscription;
    this.subscriptions.send(socket, `joined ${channel} at ${position} ${recovered ?? ""}`.trim());
    this.subscriptions.joins.begin(subscription);
  }

  denied(subscription: Subscription, reason: string, isTemporary: boolean): void {
    const { socket, channel } = subscription;
    this.subscriptions.send(socket, `denied ${channel}${isTemporary ? " for now" : ""}: ${reason}`);
    this.afterDenial(subscription);
  }

  encode({ channel, data }: Message): string {
    return `${channel} ${data.text}`;
  }

  encodeReplayed(message: Message): string {
    return this.encode(message);
  }
}

function start({
  broker = new ManualBroker(true),
  ...given
}: Partial<Omit<SubscriptionsOptions, "broker">> & { broker?: ManualBroker } = {}) {
  const logged: string[] = [];
  const write = (_fields: object, text: string) => void logged.push(text);
  const subscriptions = new Subscriptions({
    policy: { authorizeJoin: () => ({ allow: true }) },
    limits: LIMITS,
    now: () => 0,
    log: { info: write, warn: write },
    broker,
    ...given,
  });
  broker.deliver = (message) => subscriptions.deliver(message);
  const protocol = new PlainProtocol();
  protocol.subscriptions = subscriptions;
  const writer = new MemoryWriter(protocol, subscriptions);
  const other = new MemoryWriter(protocol, subscriptions);
  const join = ({ socket }: MemorySocket, channel: string, since?: string) =>
    subscriptions.joins.join(socket, channel, Json.emptyObject, since, undefined);
  const leave = ({ socket }: MemorySocket, channel: string) => {
    const subscription = socket.subscription(channel);
    if (subscription !== undefined) subscriptions.joins.leave(subscription);
  };
  return { subscriptions, protocol, writer, other, broker, join, leave, logged };
}

/** A policy whose joins a test decides. */
function decideLater() {
  const undecided: ((decision: JoinDecision) => void)[] = [];
  const policy = {
    authorizeJoin: () => new Promise<JoinDecision>((decide) => void undecided.push(decide)),
  };
  return { policy, undecided };
}

describe("Subscriptions over a broker that answers later", () => {
  it("answers the first join once the broker has subscribed, and reads the position after that", async () => {
    const { writer, broker, join } = start();
    const socket = writer.open();
    join(socket, "a");
    expect(broker.calls).toEqual(["subscribe a"]);
    await turn();
    expect(broker.pending.map(({ method }) => method)).toEqual(["subscribe"]);
    broker.publish("a", 1);
    broker.next("subscribe").answer();
    await turn();
    expect(socket.frames).toEqual([]);
    broker.publish("a", 2);
    broker.next("position").answer();
    await turn();
    expect(socket.frames).toEqual(["joined a at epocha-2"]);
    broker.publish("a", 3);
    expect(socket.frames.slice(1)).toEqual(["a 3"]);
  });

  it("sends what comes while the position is read, and nothing twice", async () => {
    const { writer, broker, join } = start();
    const socket = writer.open();
    join(socket, "a");
    broker.next("subscribe").answer();
    await turn();
    const position = broker.next("position");
    broker.publish("a", 1);
    position.snapshot();
    broker.publish("a", 2);
    position.answer();
    await turn();
    expect(socket.frames).toEqual(["joined a at epocha-1", "a 2"]);
  });

  it("resumes from the client's id into the live messages", async () => {
    const { writer, broker, join } = start();
    for (const data of [1, 2, 3]) broker.publish("a", data);
    const socket = writer.open();
    join(socket, "a", "epocha-1");
    broker.next("subscribe").answer();
    await turn();
    broker.next("history").answer();
    await turn();
    const page = broker.next("history");
    broker.publish("a", 4);
    page.answer();
    broker.publish("a", 5);
    await turn();
    broker.publish("a", 6);
    expect(socket.frames).toEqual(["joined a at epocha-3 true", "a 2", "a 3", "a 4", "a 5", "a 6"]);
    expect(broker.pending).toEqual([]);
  });

  it("tells a client that cannot resume, and goes on from the position that it has told", async () => {
    const { writer, broker, join } = start({ broker: new ManualBroker(true, () => 1) });
    for (const data of [1, 2, 3]) broker.publish("a", data);
    const socket = writer.open();
    join(socket, "a", "epocha-1");
    await broker.settle();
    broker.publish("a", 4);
    expect(socket.frames).toEqual(["joined a at epocha-3 false", "a 4"]);
  });

  it("subscribes once for a channel, over all sockets of all writers, and to the last leave", async () => {
    const { writer, other, broker, join, leave } = start();
    const sockets = [writer.open(), writer.open(), other.open()] as const;
    for (const socket of sockets) join(socket, "a");
    await broker.settle();
    expect(sockets.map(({ frames }) => frames)).toEqual(
      sockets.map(() => ["joined a at epocha-0"]),
    );
    leave(sockets[0], "a");
    writer.drop(sockets[1]);
    expect(broker.calls).toEqual(["subscribe a"]);
    broker.publish("a", 1);
    expect(sockets[2].frames).toContain("a 1");
    leave(sockets[2], "a");
    expect(broker.calls).toEqual(["subscribe a", "unsubscribe a"]);
  });

  it("has no interest in a channel whose join the policy denies", async () => {
    const { policy, undecided } = decideLater();
    const { writer, broker, join } = start({ policy });
    const socket = writer.open();
    join(socket, "a");
    undecided[0]?.({ allow: false, reason: "no" });
    await turn();
    expect(socket.frames).toEqual(["denied a: no"]);
    expect(broker.calls).toEqual([]);
  });

  it.each(["leave", "close"] as const)("ends with a %s in each state of the join", async (end) => {
    const states = ["policy", "subscribe", "position", "history", "resume", "live"] as const;
    for (const state of states) {
      const { policy, undecided } = decideLater();
      const { subscriptions, writer, broker, join, leave } = start({ policy });
      broker.publish("a", 1);
      const socket = writer.open();
      join(socket, "a", state === "history" || state === "resume" ? "epocha-0" : undefined);
      const pending = async () => {
        if (state === "policy") return undecided[0]?.({ allow: true });
        undecided[0]?.({ allow: true });
        await turn();
        if (state === "subscribe") return broker.next("subscribe");
        broker.next("subscribe").answer();
        await turn();
        if (state === "position" || state === "history") return broker.next(state);
        broker.next().answer();
        await turn();
        return state === "resume" ? broker.next("history") : undefined;
      };
      const call = state === "policy" ? undefined : await pending();
      const before = socket.frames.length;
      if (end === "leave") leave(socket, "a");
      else writer.drop(socket);
      if (state === "policy") await pending();
      else call?.answer();
      await broker.settle();
      broker.publish("a", 2);
      expect(socket.frames, state).toHaveLength(before);
      expect(broker.interest.size, state).toBe(0);
      const asked = state === "policy" ? [] : ["subscribe a", "unsubscribe a"];
      expect(broker.calls, state).toEqual(asked);
      expect(subscriptions.counts().subscriptions, state).toBe(0);
      expect(subscriptions.deliver({ channel: "a", event: "e", data: Json.of(1) })).toBe(0);
    }
  });

  it.each(["subscribe", "position", "history"] as const)(
    "denies a join for now if %s fails, and the next join asks again",
    async (method) => {
      const { subscriptions, writer, broker, join, logged } = start();
      const socket = writer.open();
      const since = method === "history" ? "epocha-0" : undefined;
      join(socket, "a", since);
      if (method !== "subscribe") {
        broker.next("subscribe").answer();
        await turn();
      }
      broker.next(method).fail(new Error("no broker"));
      await turn();
      const reason = method === "subscribe" ? "the channel" : "the history";
      expect(socket.frames).toEqual([`denied a for now: ${reason} is not available`]);
      expect(logged).toEqual([`join denied: ${reason} is not available`]);
      expect(subscriptions.counts().subscriptions).toBe(0);
      expect(broker.interest.size).toBe(0);
      join(socket, "a", since);
      await broker.settle();
      broker.publish("a", 1);
      expect(socket.frames.slice(1)).toEqual([
        `joined a at epocha-0${since === undefined ? "" : " true"}`,
        "a 1",
      ]);
    },
  );

  it("keeps the interest of a join that follows a failed subscribe before all are denied", async () => {
    const { protocol, writer, broker, join } = start();
    const [first, second] = [writer.open(), writer.open()];
    join(first, "a");
    join(second, "a");
    // A client's next frame may be another join, and waits for the denial alone.
    protocol.afterDenial = ({ socket }) => {
      if (socket === first.socket) join(first, "a");
    };
    broker.next("subscribe").fail(new Error("no broker"));
    await turn();
    expect(second.frames).toEqual(["denied a for now: the channel is not available"]);
    await broker.settle();
    expect(first.frames.at(-1)).toBe("joined a at epocha-0");
    expect(broker.interest.get("a")).toEqual({ isActive: true });
    broker.publish("a", 1);
    expect(first.frames.at(-1)).toBe("a 1");
  });

  it("asks again for a channel that is left and joined while it subscribes", async () => {
    const { writer, broker, join, leave } = start();
    const socket = writer.open();
    join(socket, "a");
    leave(socket, "a");
    join(socket, "a");
    expect(broker.calls).toEqual(["subscribe a", "unsubscribe a", "subscribe a"]);
    broker.next("subscribe").answer();
    await turn();
    expect(broker.pending.map(({ method }) => method)).toEqual(["subscribe"]);
    await broker.settle();
    expect(socket.frames).toEqual(["joined a at epocha-0"]);
    expect(broker.faults).toEqual([]);
  });

  it("closes a socket whose history fails after it was promised what it has missed", async () => {
    const { writer, broker, join, logged } = start();
    broker.publish("a", 1);
    const socket = writer.open();
    join(socket, "a", "epocha-0");
    broker.next("subscribe").answer();
    await turn();
    broker.next("history").answer();
    await turn();
    broker.next("history").fail(new Error("no broker"));
    await turn();
    expect(socket.closed).toEqual({ kind: "replay lost", text: "the history is not available" });
    expect(logged).toEqual(["replay ended: the history is not available"]);
    expect(broker.interest.size).toBe(0);
  });

  it("never has more subscribers than the limit, whatever joins at the same time", async () => {
    const { subscriptions, writer, broker, join, leave } = start({
      rejection: (_channel, subscribers) => (subscribers >= 2 ? "full" : undefined),
    });
    const sockets = Array.from({ length: 5 }, () => writer.open());
    for (const socket of sockets) join(socket, "a");
    await broker.settle();
    const joined = sockets.filter(({ frames }) => frames[0] === "joined a at epocha-0");
    expect(joined).toHaveLength(2);
    expect(sockets.filter(({ frames }) => frames[0] === "denied a: full")).toHaveLength(3);
    expect(subscriptions.subscribers("a")).toBe(2);
    leave(joined[0] as MemorySocket, "a");
    const late = writer.open();
    join(late, "a");
    await broker.settle();
    expect(late.frames).toEqual(["joined a at epocha-0"]);
    expect(subscriptions.subscribers("a")).toBe(2);
  });

  it("closes sockets by identity while their joins are undecided", async () => {
    const { policy, undecided } = decideLater();
    const { subscriptions, writer, broker, join } = start({ policy });
    const deciding = writer.open({ socketId: "ann" });
    join(deciding, "a");
    join(deciding, "b");
    undecided[0]?.({ allow: true });
    await turn();
    const other = writer.open({ socketId: "bob" });
    expect(subscriptions.closeWhere(({ socketId }) => socketId === "ann", "token revoked")).toBe(1);
    expect(deciding.closed).toEqual({ kind: "policy", text: "token revoked" });
    undecided[1]?.({ allow: true });
    await broker.settle();
    expect(deciding.frames).toEqual([]);
    expect(broker.interest.size).toBe(0);
    join(other, "a");
    expect(subscriptions.closeSockets("bob")).toBe(1);
    expect(other.closed).toEqual({ kind: "disconnected" });
    expect(subscriptions.counts()).toEqual({ sockets: 0, subscriptions: 0 });
  });

  it.each([false, true])(
    "does not cut a client that resumes many channels at once (asynchronous: %s)",
    async (isAsynchronous) => {
      const { writer, broker, join } = start({ broker: new ManualBroker(isAsynchronous) });
      const channels = Array.from({ length: 50 }, (_, at) => `c${at}`);
      for (const channel of channels) broker.publish(channel, "x".repeat(1000));
      const socket = writer.open();
      socket.isReading = false;
      for (const channel of channels) join(socket, channel, `epoch${channel}-0`);
      await broker.settle();
      expect(socket.isCut).toBe(false);
      for (; socket.bufferedBytes > 0; await broker.settle()) writer.read(socket);
      for (const channel of channels) {
        expect(socket.frames.filter((frame) => frame.startsWith(`${channel} `))).toHaveLength(1);
      }
    },
  );
});

describe("Subscriptions, in any order of events", () => {
  const CHANNELS = ["a", "b"];
  const step = fc.record({
    kind: fc.constantFrom("open", "join", "join", "resume", "leave", "drop", "push", "push"),
    socket: fc.nat(100),
    channel: fc.constantFrom(...CHANNELS),
    /** Calls of the broker that are answered after it, and whether the first of them fails. */
    answers: fc.nat(3),
    call: fc.nat(100),
    fails: fc.boolean(),
  });

  it("keeps the broker's interest, the limit and the order of messages", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        const { subscriptions, protocol, writer, other, broker, join, leave } = start({
          rejection: (_channel, subscribers) => (subscribers >= 3 ? "full" : undefined),
        });
        const open: MemorySocket[] = [];
        const all: MemorySocket[] = [];
        protocol.afterDenial = ({ socket, channel, tag }) => {
          // As a client whose next join waits for the denial; once for each socket.
          if (tag !== undefined || socket.handle === undefined) return;
          subscriptions.joins.join(socket, channel, Json.emptyObject, undefined, "again");
        };
        for (const { kind, socket: at, channel, answers, call, fails } of steps) {
          const socket = open[at % open.length];
          const isFree = socket !== undefined && socket.socket.subscription(channel) === undefined;
          if (kind === "open") {
            const opened = (at % 2 === 0 ? writer : other).open();
            all.push(opened);
            open.push(opened);
          } else if (kind === "push") broker.publish(channel, broker.positionNow(channel));
          else if (socket === undefined) continue;
          else if (kind === "join" && isFree) join(socket, channel);
          else if (kind === "resume" && isFree) join(socket, channel, `epoch${channel}-0`);
          else if (kind === "leave") leave(socket, channel);
          else if (kind === "drop") writer.drop(socket);
          for (let answer = 0; answer < answers && broker.pending.length > 0; answer++) {
            const [pending] = broker.pending.splice(call % broker.pending.length, 1);
            if (fails && answer === 0 && call % 5 === 0) pending?.fail(new Error("no broker"));
            else pending?.answer();
            await turn();
          }
          for (const each of [...open]) {
            if (each.socket.handle === undefined) open.splice(open.indexOf(each), 1);
          }
          for (const name of CHANNELS) {
            const joined = open.filter((each) => each.socket.channels().includes(name));
            expect(subscriptions.subscribers(name)).toBe(joined.length);
            expect(joined.length).toBeLessThanOrEqual(3);
            if (joined.length > 0) expect(broker.interest.get(name)).toEqual({ isActive: true });
          }
        }
        await broker.settle();
        expect(broker.faults).toEqual([]);
        const wanted = CHANNELS.filter((name) => subscriptions.subscribers(name) > 0);
        expect([...broker.interest.keys()].sort()).toEqual(wanted);
        for (const name of CHANNELS) broker.publish(name, broker.positionNow(name));
        for (const { frames, socket } of all) {
          for (const name of CHANNELS) {
            const last = expectInOrder(frames, name);
            if (socket.channels().includes(name)) expect(last).toBe(broker.positionNow(name));
          }
        }
        for (const each of all) if (each.socket.handle !== undefined) writer.drop(each);
        expect(broker.interest.size).toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  /** Each message says the position before it. @returns the position after the last frame. */
  function expectInOrder(frames: readonly string[], channel: string): string | undefined {
    let position: string | undefined;
    for (const frame of frames) {
      const joined = /^joined (.) at (\S+)( true)?$/.exec(frame);
      if (joined?.[1] === channel) {
        position = joined[3] === undefined ? joined[2] : `epoch${channel}-0`;
      }
      if (!frame.startsWith(`${channel} `)) continue;
      expect(frame).toBe(`${channel} ${JSON.stringify(position)}`);
      position = `epoch${channel}-${Number(position?.split("-")[1]) + 1}`;
    }
    return position;
  }
});

describe("Subscriptions and listeners", () => {
  it("tells listeners of a socket by the same plain object, without its identity", async () => {
    const events: [string, SocketInfo][] = [];
    const { subscriptions, writer, broker, join } = start({
      broker: new ManualBroker(false),
      listener: {
        socketConnected: (socket) => events.push(["connected", socket]),
        socketClosed: (socket) => events.push(["closed", socket]),
        channelJoined: ({ socket }) => events.push(["joined", socket]),
        channelLeft: ({ socket }) => events.push(["left", socket]),
        consumerCut: ({ socket }) => events.push(["cut", socket]),
      },
    });
    const identity = { socketId: "ann", presenceId: "p", claims: { token: "SECRET" } };
    const socket = writer.open(identity);
    join(socket, "a");
    expect([...subscriptions.joined("a")]).toEqual([events[0]?.[1]]);
    socket.isReading = false;
    broker.publish("a", "x".repeat(LIMITS.sendBufferBytesMax));
    expect(events.map(([name]) => name)).toEqual(["connected", "joined", "cut", "left", "closed"]);
    const [info] = events.map(([, each]) => each);
    for (const [, each] of events) expect(each).toBe(info);
    expect(Object.isFrozen(info)).toBe(true);
    expect(Object.getPrototypeOf(info)).toBe(Object.prototype);
    expect(info).toEqual({ transport: "plain", socketId: "ann", presenceId: "p" });
  });

  it("tells of a left channel only if it has told of the join", async () => {
    const events: string[] = [];
    const { writer, broker, join, leave } = start({
      listener: {
        channelJoined: ({ channel }) => events.push(`joined ${channel}`),
        channelLeft: ({ channel }) => events.push(`left ${channel}`),
      },
    });
    const socket = writer.open();
    join(socket, "a");
    leave(socket, "a");
    join(socket, "b");
    await broker.settle();
    writer.drop(socket);
    expect(events).toEqual(["joined b", "left b"]);
  });
});

describe("Subscriptions and time", () => {
  it("closes a socket whose identity has expired, also while its join is undecided", async () => {
    let now = 100;
    const { subscriptions, writer, broker, join } = start({ now: () => now });
    const expired = writer.open({ expiresAt: 101 });
    const other = writer.open({ expiresAt: 1000 });
    join(expired, "a");
    const sweep = new Promise<void>((resolve) => {
      const { close } = writer;
      writer.close = (handle, reason) => {
        close.call(writer, handle, reason);
        resolve();
      };
    });
    now = 102;
    subscriptions.start();
    await sweep;
    subscriptions.stop();
    expect(expired.closed).toEqual({ kind: "expired" });
    expect(other.closed).toBeUndefined();
    await broker.settle();
    expect(expired.frames).toEqual([]);
    expect(broker.interest.size).toBe(0);
  });
});
