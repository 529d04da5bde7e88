import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { andThen } from "../../src/domain/maybe-promise.js";
import type { Message } from "../../src/domain/message.js";
import { formatMessageId, parseMessageId } from "../../src/domain/message-id.js";
import { character } from "../support/arbitraries.js";
import type { Bench } from "./broker.contract.js";
import { plain, type Station } from "./broker-station.js";

/** A client that reads the history and listens from then on. */
interface Reader {
  readonly channel: string;
  readonly skipped: number;
  caughtUp: readonly Message[];
  readonly live: Message[];
}

/** What a channel keeps, and what a client that comes back is told. */
export function historyContract({ begin, another, pass, features }: Bench): void {
  const publishEach = async (node: Station, channel: string, events: readonly string[]) => {
    await node.listen(channel);
    for (const event of events) await node.publish({ channel, event });
    await node.settled();
  };
  const idsOf = (node: Station, channel: string) =>
    node.messages(channel).map(({ id }) => id as string);

  describe("where a channel keeps a history", () => {
    it("gives each message an id that counts the messages of its channel from 1", async () => {
      const node = await begin();
      await node.listen("a", "b", "three");
      for (let n = 0; n < 12; n++) {
        await node.publish({ channel: n % 3 ? ["a", "b", "three", "none"] : "b" });
      }
      await node.settled();
      for (const [channel, count] of Object.entries({ a: 8, b: 12, three: 8 })) {
        const ids = idsOf(node, channel).map((id) => parseMessageId(id));
        expect(new Set(ids.map((id) => id?.epoch)).size).toBe(1);
        expect(ids.map((id) => id?.sequence)).toEqual(
          Array.from({ length: count }, (_, n) => n + 1),
        );
      }
    });

    it("reveals nothing about other channels in ids and positions", async () => {
      const node = await begin();
      await node.listen("a", "b", "never used");
      await node.publish({ channel: "a" });
      const positions = () =>
        Promise.all(["a", "never used"].map((each) => node.broker.position(each)));
      const before = await positions();
      for (let n = 0; n < 37; n++) await node.publish({ channel: ["b", "none"] });
      expect(await positions()).toEqual(before);
      await node.publish({ channel: "a" });
      await node.settled();
      const [first, second] = idsOf(node, "a").map((id) => parseMessageId(id));
      expect(second).toEqual({ epoch: first?.epoch, sequence: 2 });
    });

    it("lets a client resume from the position of a channel without messages", async () => {
      const node = await begin();
      await node.listen("a");
      await node.publish({ channel: "b" });
      const since = await node.broker.position("a");
      expect(parseMessageId(since ?? "")?.sequence).toBe(0);
      await publishEach(node, "a", ["1", "2"]);
      expect(await node.history("a", { since })).toMatchObject({
        recovered: true,
        events: ["1", "2"],
      });
    });

    it("gives back what it delivered", async () => {
      const node = await begin();
      await node.listen("a");
      for (let n = 0; n < 5; n++) {
        await node.publish({ channel: ["a", "b"], event: `${n}`, data: `{"n":${n}}` });
      }
      await node.settled();
      const { messages, recovered } = await node.broker.history("a", {});
      expect(messages.map(plain)).toEqual(node.messages("a").map(plain));
      expect(recovered).toBe(true);
    });

    it("gives what came behind each message, and behind each position", async () => {
      const node = await begin();
      const events = ["1", "2", "3", "4", "5"];
      await node.listen("a", "b");
      const positions = [await node.broker.position("a")];
      for (const event of events) {
        await node.publish({ channel: "a", event });
        await node.publish({ channel: ["b", "none"] });
        await node.settled();
        positions.push(await node.broker.position("a"));
      }
      const ids = idsOf(node, "a");
      for (const [at, since] of positions.entries()) {
        expect(await node.history("a", { since })).toMatchObject({
          recovered: true,
          events: events.slice(at),
        });
        if (at === 0) continue;
        expect(await node.history("a", { since: ids[at - 1] })).toMatchObject({
          recovered: true,
          events: events.slice(at),
        });
      }
    });

    it("says where the channel stands, with the history and without it", async () => {
      const node = await begin();
      await publishEach(node, "a", ["1", "2"]);
      for (const channel of ["a", "never used"]) {
        const position = await node.broker.position(channel);
        expect(parseMessageId(position ?? "")).toBeDefined();
        expect((await node.history(channel)).position).toBe(position);
        expect((await node.history(channel, { limit: 1 })).position).toBe(position);
        expect((await node.history(channel, { since: "x" })).position).toBe(position);
        expect(await node.history(channel, { since: position })).toEqual({
          position,
          recovered: true,
          events: [],
        });
      }
    });

    it("of a channel without a message gives none, and nothing is missing", async () => {
      const node = await begin();
      await publishEach(node, "a", ["1"]);
      expect(await node.history("never used")).toMatchObject({ recovered: true, events: [] });
    });

    it("gives the oldest ones up to a limit, so that a client can go on behind them", async () => {
      const node = await begin();
      const events = Array.from({ length: 10 }, (_, n) => `${n}`);
      await publishEach(node, "a", events);
      const got: string[] = [];
      let since: string | undefined;
      for (let page = 0; page < 5; page++) {
        const { messages, recovered } = await node.broker.history("a", { since, limit: 3 });
        expect(recovered).toBe(true);
        expect(messages).toHaveLength([3, 3, 3, 1, 0][page] as number);
        got.push(...messages.map(({ event }) => event));
        since = messages.at(-1)?.id ?? since;
      }
      expect(got).toEqual(events);
      const none = await node.history("a", { limit: 0 });
      expect(none).toMatchObject({ recovered: true, events: [] });
    });

    it("lets the oldest go above its size, and says so to who missed one of them", async () => {
      const node = await begin();
      await publishEach(node, "three", ["1", "2", "3", "4", "5"]);
      const [first, second, third] = idsOf(node, "three");
      expect(await node.history("three")).toMatchObject({
        recovered: true,
        events: ["3", "4", "5"],
      });
      const gone = await node.history("three", { since: first });
      expect(gone).toMatchObject({ recovered: false, events: [] });
      expect(gone.position).toBe(await node.broker.position("three"));
      expect(await node.history("three", { since: second })).toMatchObject({
        recovered: true,
        events: ["3", "4", "5"],
      });
      expect(await node.history("three", { since: third, limit: 1 })).toMatchObject({
        recovered: true,
        events: ["4"],
      });
    });

    it.skipIf(!features.takesTheClock)("lets go of what is too old, and says so", async () => {
      const node = await begin();
      const atStart = await node.broker.position("a");
      await publishEach(node, "a", ["1"]);
      pass(30_000);
      await publishEach(node, "a", ["2"]);
      pass(29_999);
      const all = { recovered: true, events: ["1", "2"] };
      expect(await node.history("a", { since: atStart })).toMatchObject(all);
      pass(1);
      const [first, second] = idsOf(node, "a");
      expect(await node.history("a")).toMatchObject({ recovered: true, events: ["2"] });
      const gone = { recovered: false, events: [] };
      expect(await node.history("a", { since: atStart })).toMatchObject(gone);
      const last = { recovered: true, events: ["2"] };
      expect(await node.history("a", { since: first })).toMatchObject(last);
      pass(30_000);
      expect(await node.history("a")).toMatchObject({ recovered: true, events: [] });
      expect(await node.history("a", { since: first })).toMatchObject(gone);
      const none = { recovered: true, events: [] };
      expect(await node.history("a", { since: second })).toMatchObject(none);
      const position = await node.broker.position("a");
      expect(await node.history("a", { since: position })).toMatchObject(none);
    });

    it("has a message from the moment in which it is handed over, and none before", async () => {
      const node = await begin();
      await node.listen("a", "b");
      const checks: unknown[] = [];
      node.onDeliver = () => {
        for (const channel of ["a", "b"]) {
          const least = node.events(channel).length;
          const check = (told: "history" | "position", sequence: number) => {
            const most = node.events(channel).length;
            // If the answer comes at once, the two are the same.
            expect([told, channel, sequence >= least && sequence <= most]).toEqual([
              told,
              channel,
              true,
            ]);
          };
          checks.push(
            andThen(node.broker.history(channel, {}), ({ messages }) => {
              const events = messages.map(({ event }) => event);
              expect(events).toEqual(node.events(channel).slice(0, events.length));
              check("history", events.length);
            }),
            andThen(node.broker.position(channel), (position = "") =>
              check("position", parseMessageId(position)?.sequence ?? -1),
            ),
          );
        }
      };
      await Promise.all([
        node.publish({ channel: ["a", "b"], event: "1" }),
        node.publish({ channel: ["b", "a"], event: "2" }),
        node.publish({ channel: ["a"], event: "3" }),
      ]);
      await node.settled();
      await Promise.all(checks);
      expect(checks).toHaveLength(5 * 4);
    });

    it("hands over without a gap to who reads it and listens from then on", async () => {
      const node = await begin();
      let run = 0;
      const step = fc.oneof(
        { weight: 4, arbitrary: fc.subarray(["a", "b", "none"], { minLength: 1 }) },
        {
          weight: 3,
          arbitrary: fc.record({
            channel: fc.constantFrom("a", "b"),
            behind: fc.option(fc.nat(20), { nil: undefined }),
            when: fc.constantFrom("now", "within the next delivery"),
          }),
        },
        { weight: 2, arbitrary: fc.constant("turn" as const) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          const named = (channel: string) => `${channel} of run ${run}`;
          run++;
          await node.listen(...["a", "b", "none"].map(named));
          const readers: Reader[] = [];
          const waiting: (() => void)[] = [];
          const underWay: unknown[] = [];
          node.onDeliver = (message) => {
            for (const each of readers) {
              if (each.channel === message.channel) each.live.push(message);
            }
            for (const read of waiting.splice(0)) read();
          };
          const read = (channel: string, behind: number | undefined) => {
            const sofar = node.messages(channel);
            const at = behind === undefined ? -1 : behind % (sofar.length + 1);
            const since = sofar[at]?.id;
            const skipped = since === undefined ? 0 : at + 1;
            const reader: Reader = { channel, skipped, caughtUp: [], live: [] };
            // What is delivered from the call on is buffered; the answer may contain some of it.
            const asked = node.broker.history(channel, { since });
            readers.push(reader);
            underWay.push(
              andThen(asked, ({ recovered, messages }) => {
                expect(recovered).toBe(true);
                reader.caughtUp = messages;
              }),
            );
          };
          let events = 0;
          for (const each of steps) {
            if (each === "turn") await new Promise((resolve) => setImmediate(resolve));
            else if (Array.isArray(each)) {
              underWay.push(node.publish({ channel: each.map(named), event: `${++events}` }));
            } else if (each.when === "now") read(named(each.channel), each.behind);
            else waiting.push(() => read(named(each.channel), each.behind));
          }
          await node.settled();
          await Promise.all(underWay);
          for (const { channel, skipped, caughtUp, live } of readers) {
            const known = new Set(caughtUp.map(({ id }) => id));
            const got = [...caughtUp, ...live.filter(({ id }) => !known.has(id))];
            expect(got.map(({ event }) => event)).toEqual(node.events(channel).slice(skipped));
          }
        }),
        { numRuns: 100 },
      );
    });
  });

  describe("where a channel keeps none", () => {
    it.each(["none", "no ttl"])("gives no id, no position and no message (%s)", async (channel) => {
      const node = await begin();
      await node.listen(channel, "a");
      await node.publish({ channel: [channel, "a"], event: "1" });
      await node.settled();
      expect(node.messages(channel).map(plain)).toEqual([{ channel, event: "1", data: "null" }]);
      expect(await node.broker.position(channel)).toBeUndefined();
      const nothing = { position: undefined, recovered: true, events: [] };
      expect(await node.history(channel)).toEqual(nothing);
    });

    it.each(["none", "no ttl"])("has not kept what came since anything (%s)", async (channel) => {
      const node = await begin();
      const since = await node.broker.position("a");
      await publishEach(node, channel, ["1"]);
      const gone = { position: undefined, recovered: false, events: [] };
      expect(await node.history(channel, { since })).toEqual(gone);
    });
  });

  describe("asked for what came since", () => {
    it("something that it never gave, says that it cannot tell", async () => {
      const node = await begin();
      await publishEach(node, "a", ["1", "2"]);
      const last = parseMessageId(idsOf(node, "a")[1] as string);
      const { epoch = "", sequence = 0 } = last ?? {};
      const foreign = [
        "",
        "x",
        "-",
        `${sequence}`,
        `${epoch}-`,
        `-${sequence}`,
        `${epoch}-0${sequence}`,
        `${epoch}-+${sequence}`,
        `${epoch}-${sequence}.0`,
        `${epoch}-${sequence} `,
        `${epoch}-${sequence}\n`,
        `${epoch}-1e1`,
        `${epoch}--1`,
        `${epoch}-NaN`,
        `${epoch}-99999999999999999999`,
        formatMessageId(epoch, sequence + 1_000_000),
        formatMessageId(`${epoch}0`.slice(-32), sequence),
        formatMessageId("0", sequence),
        formatMessageId("0", 0),
        `${epoch.toUpperCase()}X-${sequence}`,
      ];
      for (const since of foreign) {
        for (const channel of ["a", "never used"]) {
          expect([since, await node.history(channel, { since })]).toEqual([
            since,
            { position: await node.broker.position(channel), recovered: false, events: [] },
          ]);
        }
      }
    });

    it("any text, says so too", async () => {
      const node = await begin();
      await publishEach(node, "a", ["1"]);
      await fc.assert(
        fc.asyncProperty(fc.string({ unit: character, maxLength: 60 }), async (since) => {
          expect(await node.history("a", { since })).toMatchObject({ recovered: false });
        }),
        { numRuns: 50 },
      );
    });

    it.skipIf(features.historySurvivesRestart)(
      "something from before a restart that lost it, says so, and has another epoch",
      async () => {
        const before = await begin();
        const start = await before.broker.position("a");
        await publishEach(before, "a", ["1", "2"]);
        await before.broker.stop();
        const after = await another();
        await publishEach(after, "a", ["3", "4", "5"]);
        const [id] = idsOf(before, "a");
        const gone = { recovered: false, events: [] };
        for (const since of [id, start]) {
          for (const channel of ["a", "never used"]) {
            expect(await after.history(channel, { since })).toMatchObject(gone);
          }
        }
        const epochs = [id, idsOf(after, "a")[0]].map((each) => parseMessageId(each ?? "")?.epoch);
        expect(epochs[0]).not.toBe(epochs[1]);
        expect(await after.history("a")).toMatchObject({ events: ["3", "4", "5"] });
      },
    );

    it.skipIf(!features.historySurvivesRestart)(
      "something from before a restart that lost nothing, goes on as if there had been none",
      async () => {
        const before = await begin();
        const start = await before.broker.position("a");
        await publishEach(before, "a", ["1", "2"]);
        await publishEach(before, "three", ["1", "2", "3", "4"]);
        const end = await before.broker.position("a");
        await before.broker.stop();
        const after = await another();
        expect(await after.history("a", { since: end })).toMatchObject({
          recovered: true,
          events: [],
        });
        await publishEach(after, "a", ["3"]);
        const ids = [...idsOf(before, "a"), ...idsOf(after, "a")];
        for (const [at, since] of [start, ...ids].entries()) {
          expect(await after.history("a", { since })).toMatchObject({
            recovered: true,
            events: ["1", "2", "3"].slice(at),
          });
        }
        const sequences = ids.map((each) => parseMessageId(each)?.sequence ?? 0);
        expect(sequences).toEqual([...new Set(sequences)].sort((one, other) => one - other));
        const [first] = idsOf(before, "three");
        expect(await after.history("three", { since: start })).toMatchObject({ recovered: false });
        expect(await after.history("three", { since: first })).toMatchObject({
          recovered: true,
          events: ["2", "3", "4"],
        });
        expect(after.events("a")).toEqual(["3"]);
      },
    );
  });
}
