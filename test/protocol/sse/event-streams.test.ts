import { describe, expect, it, onTestFinished } from "vitest";
import type { AuthPolicy, JoinDecision } from "../../../src/domain/auth-policy.js";
import { tagOf } from "../../../src/protocol/sse/cursor.js";
import { ManualBroker, turn } from "../../support/manual-broker.js";
import { memoryStreams } from "../../support/memory-stream.js";

function start(broker: ManualBroker, policy: Partial<AuthPolicy> = {}) {
  const started = memoryStreams(broker, policy);
  onTestFinished(() => started.streams.stop());
  return started;
}

/** A policy that lets everyone in as "ann", and whose joins of `slow` a test decides. */
function slowJoins() {
  const undecided: ((decision: JoinDecision) => void)[] = [];
  const policy: Partial<AuthPolicy> = {
    authorizeConnect: () => ({ allow: true, identity: { socketId: "ann" } }),
    authorizeJoin: ({ channel }) =>
      channel === "slow" ? new Promise((decide) => void undecided.push(decide)) : { allow: true },
  };
  return { policy, undecided };
}

describe("EventStreams while joins are undecided", () => {
  it("does not open a stream whose token was revoked meanwhile", async () => {
    const { policy, undecided } = slowJoins();
    const broker = new ManualBroker(false);
    const { subscriptions, open } = start(broker, policy);
    const { exchange } = open(["fast", "slow"]);
    expect(exchange.fields).toBeUndefined();
    const isAnn = ({ socketId }: { readonly socketId?: string }) => socketId === "ann";
    expect(subscriptions.closeWhere(isAnn, "token revoked")).toBe(1);
    expect(exchange.answered?.status).toBe(403);
    undecided[0]?.({ allow: true });
    await turn();
    broker.publish("fast", 1);
    expect(exchange.text).toBe("");
    expect(subscriptions.counts()).toEqual({ sockets: 0, subscriptions: 0 });
    expect(broker.interest.size).toBe(0);
  });

  it("asks a client to come back if its sockets are disconnected meanwhile", async () => {
    const { policy, undecided } = slowJoins();
    const { subscriptions, open } = start(new ManualBroker(false), policy);
    const { exchange } = open(["fast", "slow"]);
    expect(subscriptions.closeSockets("ann")).toBe(1);
    undecided[0]?.({ allow: true });
    await turn();
    expect(exchange.events("closed").map(({ data }) => data)).toEqual([
      { code: 1001, reason: "disconnected" },
    ]);
    expect(exchange.isEnded).toBe(true);
    expect(subscriptions.counts()).toEqual({ sockets: 0, subscriptions: 0 });
  });

  it("joins nothing for a client that has gone meanwhile", async () => {
    const { policy, undecided } = slowJoins();
    const broker = new ManualBroker(true);
    const { streams, subscriptions, open } = start(broker, policy);
    const { exchange, stream } = open(["fast", "slow"]);
    if (stream !== undefined) streams.gone(stream);
    undecided[0]?.({ allow: true });
    await broker.settle();
    expect(exchange.fields).toBeUndefined();
    expect(subscriptions.counts()).toEqual({ sockets: 0, subscriptions: 0 });
    expect(broker.interest.size).toBe(0);
  });

  it("misses nothing of a channel that was joined before the others", async () => {
    const { policy, undecided } = slowJoins();
    const broker = new ManualBroker(false);
    const { open } = start(broker, policy);
    const { exchange } = open(["fast", "slow"]);
    broker.publish("fast", 1);
    undecided[0]?.({ allow: true });
    await turn();
    broker.publish("slow", 2);
    expect(exchange.events("message").map(({ data }) => data)).toMatchObject([
      { channel: "fast", data: 1 },
      { channel: "slow", data: 2 },
    ]);
  });

  it("names the channels that it denies, in the order in which they were asked for", async () => {
    const { open } = start(new ManualBroker(true), {
      authorizeJoin: async ({ channel }) => {
        if (channel === "a") await turn();
        return { allow: false, reason: `not ${channel}` };
      },
    });
    const { exchange } = open(["a", "b"]);
    await turn();
    await turn();
    expect(exchange.answered?.status).toBe(403);
    expect(JSON.parse(exchange.answered?.body ?? "")).toEqual({
      error: "Access Forbidden",
      denied: [
        { channel: "a", reason: "not a" },
        { channel: "b", reason: "not b" },
      ],
    });
  });

  it("postpones a stream whose broker cannot be reached", async () => {
    const broker = new ManualBroker(true);
    const { subscriptions, open } = start(broker);
    const { exchange } = open(["a", "b"]);
    broker.next("subscribe", "b").fail(new Error("no broker"));
    await broker.settle();
    expect(exchange.events("closed").map(({ data }) => data)).toEqual([
      { code: 1013, reason: "the channel is not available" },
    ]);
    expect(subscriptions.counts()).toEqual({ sockets: 0, subscriptions: 0 });
    expect(broker.interest.size).toBe(0);
  });
});

describe("EventStreams with denied channels", () => {
  it("tells a stream nothing about a channel that it was denied", () => {
    const broker = new ManualBroker(false);
    const { open } = start(broker, {
      authorizeConnect: ({ token }) => ({
        allow: true,
        identity: token === undefined ? {} : { socketId: token },
      }),
      authorizeJoin: ({ channel, identity }) => ({
        allow: channel !== "private" || identity.socketId === "ann",
      }),
    });
    const ann = open(["news", "private"], { authorization: "Bearer ann" });
    const bob = open(["news", "private"], { authorization: "Bearer bob" });
    broker.publish("private", 1);
    broker.publish("news", 2);
    const lastId = ({ exchange }: typeof ann) => exchange.events("message").at(-1)?.id ?? "";
    expect(lastId(ann)).toContain(tagOf("private"));
    expect(lastId(bob)).toContain(tagOf("news"));
    expect(lastId(bob)).not.toContain(tagOf("private"));
  });
});
