import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MemoryBroker, type MemoryBrokerOptions } from "../../../src/adapters/memory/broker.js";
import { BrokerError, type PublishResult } from "../../../src/domain/broker.js";
import { isPromise } from "../../../src/domain/maybe-promise.js";
import { brokerContract } from "../../contract/broker.contract.js";
import { aPush } from "../../contract/broker-station.js";

describe("a memory broker", () => {
  brokerContract({
    site: (setup) => ({ open: () => new MemoryBroker({ ...setup, memoryBytesMax: 100_000_000 }) }),
    features: {
      historySurvivesRestart: false,
      keysSurviveRestart: false,
      severalNodes: false,
      takesTheClock: true,
    },
  });
});

let now = 0;
let broker: MemoryBroker;
let delivered: string[] = [];
let epochs = 0;

function begin(options: Partial<MemoryBrokerOptions> = {}): MemoryBroker {
  epochs = 0;
  broker = new MemoryBroker({
    historyLimits: (channel) => ({ size: channel === "none" ? 0 : 100, ttl: 60 }),
    memoryBytesMax: 1e9,
    idempotencyKeysMax: 10,
    now: () => now,
    newEpoch: () => `e${epochs++ || ""}`,
    ...options,
  });
  delivered = [];
  broker.start(({ channel, event, id }) => {
    delivered.push(`${channel} ${event} ${id}`);
    if (event === "throws") throw new Error(`thrown for ${channel}`);
  });
  return broker;
}

/** Settles at once, or fails. */
function publish(channel: string | string[], event = "e", bytes = 0): PublishResult {
  const data = JSON.stringify("x".repeat(bytes));
  const result = broker.publish({ pushId: "1", push: aPush({ channel, event, data }) });
  if (isPromise(result)) throw new Error("the broker does not settle at once");
  return result;
}

const events = (channel: string) => broker.history(channel, {}).messages.map(({ event }) => event);

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }));
afterEach(() => {
  broker?.stop();
  vi.useRealTimers();
});

describe("a push to a memory broker", () => {
  it("is delivered within the call, with a key as without one", () => {
    begin();
    const push = aPush({ channel: ["a", "none"] });
    expect(broker.publish({ pushId: "1", push })).toEqual({ kind: "accepted" });
    const idempotency = { key: "k", fingerprint: "f" };
    const accepted = broker.publish({ pushId: "2", push, idempotency });
    expect(accepted).toEqual({ kind: "accepted" });
    const repeated = broker.publish({ pushId: "3", push, idempotency });
    expect(repeated).toEqual({ kind: "repeated", pushId: "2" });
    const other = broker.publish({ pushId: "4", push, idempotency: { key: "k", fingerprint: "" } });
    expect(other).toEqual({ kind: "mismatch" });
    expect(delivered).toEqual(["a e e-1", "none e undefined", "a e e-2", "none e undefined"]);
  });

  it("reaches its other channels where a delivery throws against its promise", () => {
    begin();
    expect(() => publish(["a", "b"], "throws")).toThrow("thrown for a");
    publish("a", "next");
    expect(delivered).toEqual(["a throws e-1", "b throws e-1", "a next e-2"]);
    expect(events("a")).toEqual(["throws", "next"]);
  });

  it("asks for the limits of a channel that has a log no more", () => {
    const historyLimits = vi.fn(() => ({ size: 2, ttl: 60 }));
    begin({ historyLimits });
    for (let n = 0; n < 5; n++) publish("a");
    broker.history("a", {});
    expect(historyLimits).toHaveBeenCalledTimes(1);
  });
});

describe("the memory of a memory broker", () => {
  it("goes to the channels that were pushed to or read last; those before lose all", () => {
    // Room for three channels with two messages each.
    begin({ memoryBytesMax: 14_000 });
    for (const channel of ["a", "b", "c"]) {
      publish(channel, "1", 2000);
      publish(channel, "2", 1500);
    }
    expect(events("a")).toEqual(["1", "2"]);
    publish("d", "1", 2000);
    expect(["a", "b", "c", "d"].map(events)).toEqual([["1", "2"], [], ["1", "2"], ["1"]]);
    expect(broker.history("b", { since: "e-1" })).toMatchObject({ recovered: false });
    expect(broker.history("b", { since: "e-2" })).toMatchObject({ recovered: true });
    publish("b", "3");
    expect(delivered.at(-1)).toBe("b 3 e-3");
    expect(broker.history("b", { since: "e-1" })).toMatchObject({ recovered: false });
  });

  it("goes to the newest messages of a channel that alone needs more", () => {
    begin({ memoryBytesMax: 10_000 });
    publish("b", "1", 1000);
    for (let n = 1; n <= 9; n++) publish("a", `${n}`, 2000);
    expect(events("a")).toEqual(["6", "7", "8", "9"]);
    expect(events("b")).toEqual([]);
    expect(broker.history("a", { since: "e-5" })).toMatchObject({ recovered: true });
    expect(broker.history("a", { since: "e-4" })).toMatchObject({ recovered: false });
  });

  it("keeps no message that is larger than all of it, and says so", () => {
    begin({ memoryBytesMax: 3000 });
    publish("a", "1", 10);
    publish("a", "2", 5000);
    expect(delivered).toEqual(["a 1 e-1", "a 2 e-2"]);
    expect(events("a")).toEqual([]);
    expect(broker.position("a")).toBe("e-2");
    expect(broker.history("a", { since: "e-1" })).toMatchObject({ recovered: false });
    expect(broker.history("a", { since: "e-2" })).toMatchObject({ recovered: true });
    publish("a", "3", 10);
    expect(events("a")).toEqual(["3"]);
  });

  it("is given back when messages are too old, though nobody reads them", () => {
    begin();
    for (let n = 0; n < 5000; n++) publish(`a${n}`, "e", 1000);
    now += 59_999;
    vi.advanceTimersByTime(60_000);
    expect(broker.memoryBytes).toBeGreaterThan(5000 * 1000);
    now += 1;
    // Not all in one turn.
    vi.advanceTimersByTime(250);
    expect(broker.memoryBytes).toBeGreaterThan(2000 * 1000);
    vi.advanceTimersByTime(2000);
    // The names only.
    expect(broker.memoryBytes).toBeLessThan(5000 * 120);
    expect(broker.history("a7", { since: "e-0" })).toMatchObject({ recovered: false });
    expect(broker.history("a7", { since: "e-1" })).toMatchObject({ recovered: true });
  });

  it("is not used by channels without a history", () => {
    begin();
    for (let n = 0; n < 10; n++) publish("none", "e", 1000);
    expect(broker.memoryBytes).toBe(0);
  });

  it("is given back at the stop", () => {
    begin();
    publish("a");
    broker.stop();
    expect(broker.memoryBytes).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    expect(broker.position("a")).toBeUndefined();
    expect(broker.history("a", { since: "e-1" }).recovered).toBe(false);
  });
});

describe("the epoch of a memory broker", () => {
  it("is another one for each that starts", () => {
    const epochs = [1, 2].map(() => {
      const fresh = new MemoryBroker({
        historyLimits: () => ({ size: 1, ttl: 1 }),
        memoryBytesMax: 1,
        idempotencyKeysMax: 0,
        now: () => 0,
      });
      fresh.start(() => {});
      const position = fresh.position("a");
      fresh.stop();
      return position;
    });
    expect(epochs[0]).toMatch(/^[0-9a-f]{12}-0$/);
    expect(epochs[0]).not.toBe(epochs[1]);
  });

  it.each(["", "E", "a-b", "a".repeat(33)])(
    "must be one that an id can hold, unlike %j",
    (epoch) => {
      expect(() => begin({ newEpoch: () => epoch })).toThrow(BrokerError);
    },
  );
});
