import { describe, expect, it } from "vitest";
import { MemoryBroker } from "../../src/adapters/memory/broker.js";
import { BrokerUnavailable } from "../../src/domain/broker.js";
import { brokerContract } from "../contract/broker.contract.js";
import { aPush } from "../contract/broker-station.js";
import { AsyncBroker, type AsyncBrokerOptions } from "./async-broker.js";

describe.each([1, 2, 3])("an asynchronous broker (seed %d)", (seed) => {
  brokerContract({
    site: (setup) => ({
      open: () =>
        new AsyncBroker(new MemoryBroker({ ...setup, memoryBytesMax: 100_000_000 }), { seed }),
    }),
    features: {
      historySurvivesRestart: false,
      keysSurviveRestart: false,
      severalNodes: false,
      takesTheClock: true,
    },
  });
});

async function begin(options: Partial<AsyncBrokerOptions> = {}) {
  const inner = new MemoryBroker({
    historyLimits: () => ({ size: 100, ttl: 60 }),
    memoryBytesMax: 1e9,
    idempotencyKeysMax: 0,
    now: () => 0,
    newEpoch: () => "e",
  });
  const broker = new AsyncBroker(inner, { seed: 1, ...options });
  const log: string[] = [];
  await broker.start(({ channel, event }) => void log.push(`${channel} ${event}`));
  const publish = (channel: string, event: string) =>
    broker.publish({ pushId: event, push: aPush({ channel, event }) });
  return { broker, log, publish };
}

describe("AsyncBroker", () => {
  it("delivers messages before an answer arrives that does not contain them", async () => {
    const stale = await Promise.all(
      Array.from({ length: 20 }, async (_, seed) => {
        const { broker, log, publish } = await begin({ seed, turnsMax: 10 });
        await broker.subscribe("a");
        const published = publish("a", "1");
        const { messages } = await broker.history("a", {});
        const isStale = messages.length < log.length;
        await published;
        return isStale;
      }),
    );
    expect(stale).toContain(true);
    expect(stale).toContain(false);
  });

  it("does the same again with the same seed", async () => {
    const run = async () => {
      const { broker, log, publish } = await begin({ seed: 7, failureRate: 0.5 });
      await Promise.all([
        broker.subscribe("a").then(() => log.push("subscribed")),
        publish("a", "1").then(() => log.push("published 1")),
        publish("a", "2").then(() => log.push("published 2")),
        ...[1, 2, 3, 4].map((n) =>
          broker.position("a").then(
            (position) => log.push(`position ${n} ${position}`),
            () => log.push(`no position ${n}`),
          ),
        ),
      ]);
      return log;
    };
    const first = await run();
    expect(first.length).toBeGreaterThanOrEqual(7);
    expect(await run()).toEqual(first);
  });

  it("delivers only what is subscribed, unless told otherwise", async () => {
    const only = await begin();
    await only.publish("a", "1");
    await only.broker.subscribe("a");
    await only.publish("a", "2");
    await only.broker.unsubscribe("a");
    await only.publish("a", "3");
    expect(only.log).toEqual(["a 2"]);
    const all = await begin({ onlySubscribed: false });
    await all.publish("a", "1");
    expect(all.log).toEqual(["a 1"]);
  });

  it("takes the last of several changes of a channel", async () => {
    for (let seed = 0; seed < 20; seed++) {
      const { broker } = await begin({ seed });
      const changes = [broker.subscribe("a"), broker.unsubscribe("a"), broker.subscribe("a")];
      await Promise.all(changes);
      expect([...broker.subscribed]).toEqual(["a"]);
    }
  });

  it("fails as often as it is told", async () => {
    const { broker } = await begin({ failureRate: 0.3 });
    const told = await Promise.allSettled(
      Array.from({ length: 200 }, (_, n) =>
        n % 2 ? broker.position("a") : broker.history("a", {}),
      ),
    );
    const failed = told.filter(({ status }) => status === "rejected");
    for (const each of failed)
      expect(each).toMatchObject({ reason: expect.any(BrokerUnavailable) });
    expect(failed.length).toBeGreaterThan(30);
    expect(failed.length).toBeLessThan(90);
    broker.failureRate = 0;
    expect(await broker.position("a")).toBe("e-0");
  });
});
