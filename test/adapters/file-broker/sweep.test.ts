import { describe, expect, it } from "vitest";
import type {
  FileBroker,
  FileBrokerOptions,
} from "../../../src/adapters/file-broker/file-broker.js";
import { Store } from "../../../src/adapters/file-broker/store.js";
import { parseMessageId } from "../../../src/domain/message-id.js";
import { testDirectory } from "./directory.js";
import { startNode } from "./node.js";

/** How many records each table has, of a broker that has stopped. */
async function stored(directory: string) {
  const store = await Store.open(directory);
  const count = (table: { getCount(): number }) => table.getCount();
  const { messages, channels, empty, due, claims, claimEnds } = store;
  const counts = [messages, channels, empty, due, claims, claimEnds].map(count);
  await store.close();
  const [m, ch, em, d, c, e] = counts;
  return { messages: m, channels: ch, empty: em, due: d, claims: c, claimEnds: e };
}

/** Lets a broker sweep until it finds nothing more to do. */
async function swept(directory: string, options: Partial<FileBrokerOptions>) {
  const { broker } = await startNode(directory, options);
  await (broker as FileBroker).sweep();
  await broker.stop();
  return stored(directory);
}

describe("what is above a channel's size", () => {
  it("goes together, before it is much", async () => {
    const directory = testDirectory();
    const node = await startNode(directory, { historyLimits: () => ({ size: 20, ttl: 60 }) });
    for (let count = 0; count < 70; count++)
      await node.publish({ channel: "a", event: `${count}` });
    const { events } = await node.history("a");
    expect(events).toEqual(Array.from({ length: 20 }, (_, index) => `${50 + index}`));
    await node.broker.stop();
    const { messages } = await stored(directory);
    expect(messages).toBeGreaterThanOrEqual(20);
    expect(messages).toBeLessThanOrEqual(26);
  });
});

describe("the file broker's work in the background", () => {
  it("removes what is too old, and keeps the positions of channels without messages", async () => {
    const directory = testDirectory();
    let now = 0;
    const options = {
      now: () => now,
      historyLimits: () => ({ size: 1000, ttl: 60 }),
      idempotencyKeysMax: 2000,
      idempotencyWindowMs: 60_000,
      sweepEveryMs: 1_000_000,
    };
    const before = await startNode(directory, options);
    const start = await before.broker.position("a");
    const unused = await before.broker.position("unused");
    const channels = Array.from({ length: 700 }, (_, n) => `${n}`);
    await before.publish({ channel: channels, idempotency: { key: "many", fingerprint: "f" } });
    await Promise.all(
      Array.from({ length: 900 }, (_, n) =>
        before.publish({ channel: "a", idempotency: { key: `${n}`, fingerprint: "f" } }),
      ),
    );
    now = 30_000;
    await before.publish({ channel: "a", event: "last" });
    await before.publish({ channel: "b", event: "only" });
    await before.broker.stop();
    const all = { messages: 1602, channels: 702, empty: 0, due: 702, claims: 901, claimEnds: 901 };
    expect(await stored(directory)).toEqual(all);

    now = 60_000;
    const some = { messages: 2, channels: 702, empty: 700, due: 2, claims: 0, claimEnds: 0 };
    expect(await swept(directory, options)).toEqual(some);

    const again = await startNode(directory, options);
    const gone = { recovered: false, events: [] };
    expect(await again.history("a", { since: start })).toMatchObject(gone);
    expect(await again.history("0", { since: start })).toMatchObject(gone);
    const [lastOld] = before.messages("a").slice(-2);
    expect(await again.history("a", { since: lastOld?.id })).toMatchObject({
      recovered: true,
      events: ["last"],
    });
    const only = before.messages("0")[0]?.id;
    expect(await again.history("0", { since: only })).toMatchObject({ recovered: true });
    expect(await again.history("unused", { since: unused })).toMatchObject({ recovered: true });
    await again.publish({ channel: "0", event: "next" });
    const next = parseMessageId(again.messages("0")[0]?.id ?? "");
    expect(next).toEqual({ epoch: parseMessageId(only ?? "")?.epoch, sequence: 2 });
    expect(await again.history("0", { since: only })).toMatchObject({ events: ["next"] });
    await again.broker.stop();

    now = 120_000;
    const none = { messages: 0, channels: 702, empty: 702, due: 0, claims: 0, claimEnds: 0 };
    expect(await swept(directory, options)).toEqual(none);
    const end = await startNode(directory, options);
    expect(await end.history("a", { since: lastOld?.id })).toMatchObject(gone);
    const position = await end.broker.position("a");
    expect(await end.history("a", { since: position })).toMatchObject({ recovered: true });
  });

  it("forgets the channels that have been empty longest, and gives no id of theirs again", async () => {
    const directory = testDirectory();
    let now = 0;
    const options = {
      now: () => now,
      historyLimits: () => ({ size: 10, ttl: 60 }),
      sweepEveryMs: 1_000_000,
      emptyChannelsMax: 10,
    };
    const before = await startNode(directory, options);
    const channels = Array.from({ length: 900 }, (_, n) => `${n}`);
    await before.publish({ channel: channels });
    const unused = await before.broker.position("unused");
    now = 1000;
    await before.publish({ channel: ["old", "old too"] });
    await before.broker.stop();

    now = 61_000;
    const left = { messages: 0, channels: 10, empty: 10, due: 0, claims: 0, claimEnds: 0 };
    expect(await swept(directory, options)).toEqual(left);
    const after = await startNode(directory, options);
    const gone = { recovered: false, events: [] };
    const ids = new Set(before.delivered.map(({ message }) => `${message.channel} ${message.id}`));
    for (const channel of ["unused", ...channels]) {
      const since = before.messages(channel)[0]?.id ?? unused;
      const told = await after.history(channel, { since });
      // Of those that are still known, everything that came is known.
      if (told.position !== since) expect(told).toMatchObject(gone);
    }
    await after.publish({ channel: channels });
    expect(
      after.delivered.filter(({ message }) => ids.has(`${message.channel} ${message.id}`)),
    ).toEqual([]);
    const epochs = after.delivered.map(({ message }) => parseMessageId(message.id ?? "")?.epoch);
    expect(new Set(epochs).size).toBe(2);
  });

  it("lets pushes come between, and keeps what they add to a channel that is being forgotten", async () => {
    const directory = testDirectory();
    let now = 0;
    const options = { now: () => now, historyLimits: () => ({ size: 5000, ttl: 60 }) };
    const node = await startNode(directory, { ...options, sweepEveryMs: 1_000_000 });
    await Promise.all(Array.from({ length: 3000 }, () => node.publish({ channel: "a" })));
    now = 60_000;
    const sweeping = (node.broker as FileBroker).sweep();
    const events = Array.from({ length: 50 }, (_, n) => `${n}`);
    for (const event of events) {
      await node.publish({ channel: "a", event });
      expect((await node.history("a")).events).toEqual(events.slice(0, Number(event) + 1));
    }
    await sweeping;
    await node.broker.stop();
    expect(await stored(directory)).toMatchObject({ messages: 50, channels: 1, empty: 0, due: 1 });
  });
});
