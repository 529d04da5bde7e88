import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BrokerUnavailable, type PublishResult } from "../../src/domain/broker.js";
import { channelName, jsonText, name } from "../support/arbitraries.js";
import type { Bench } from "./broker.contract.js";
import { aPush, plain } from "./broker-station.js";

/** One order, each message once, a push wholly or not at all. */
export function deliveryContract({ begin, another, features }: Bench): void {
  describe("delivers", () => {
    it("each message once, a push's in the order of its channels, pushes as they were accepted", async () => {
      const node = await begin();
      await node.listen("a", "b", "none");
      await node.publish({ channel: ["b", "none", "a"], event: "1" });
      await node.publish({ channel: "a", event: "2" });
      await node.publish({ channel: ["a", "b"], event: "3" });
      await node.settled();
      expect(node.order()).toEqual(["b 1", "none 1", "a 1", "a 2", "a 3", "b 3"]);
    });

    it("with the name of the push, on the node that took it", async () => {
      const node = await begin();
      await node.listen("a", "b");
      await node.publish({ channel: ["a", "b"], pushId: "mine" });
      await node.settled();
      expect(node.delivered.map(({ pushId }) => pushId)).toEqual(["mine", "mine"]);
    });

    it("no push in the middle of another one, however many come at once", async () => {
      const node = await begin();
      const channels = ["a", "b", "c", "none"];
      await node.listen(...channels);
      const pushes = Array.from({ length: 60 }, (_, n) => ({
        channel: channels.slice(n % 3, 1 + (n % 3) + (n % 4)),
        pushId: `push ${n}`,
      }));
      const results = await Promise.all(pushes.map((push) => node.publish(push)));
      await node.settled();
      expect(results.every(({ kind }) => kind === "accepted")).toBe(true);
      const blocks: { pushId: string | undefined; channel: string[] }[] = [];
      for (const { message, pushId } of node.delivered) {
        const last = blocks.at(-1);
        if (last?.pushId === pushId) last?.channel.push(message.channel);
        else blocks.push({ pushId, channel: [message.channel] });
      }
      const number = ({ pushId = "" }) => Number(pushId.slice("push ".length));
      expect(blocks.sort((one, other) => number(one) - number(other))).toEqual(
        pushes.map(({ channel, pushId }) => ({ pushId, channel })),
      );
    });

    it("what is published from within a delivery after the push that is under way", async () => {
      const node = await begin();
      await node.listen("a", "b");
      const nested: (PublishResult | Promise<PublishResult>)[] = [];
      node.onDeliver = ({ channel, event }) => {
        if (channel !== "a" || event === "nested") return;
        nested.push(node.publish({ channel: ["b", "a"], event: "nested" }));
      };
      await node.publish({ channel: ["a", "b"], event: "outer" });
      const results = await Promise.all(nested);
      await node.settled();
      expect(results.map(({ kind }) => kind)).toEqual(["accepted"]);
      expect(node.order()).toEqual(["a outer", "b outer", "b nested", "a nested"]);
      const { events } = await node.history("a");
      expect(events).toEqual(["outer", "nested"]);
    });

    it("a push of a thousand channels", async () => {
      const node = await begin();
      const channels = Array.from({ length: 1000 }, (_, n) => `${n % 2 ? "none" : "kept"} ${n}`);
      await node.listen(...channels);
      await node.publish({ channel: channels, data: "[1]" });
      await node.settled();
      expect(node.delivered.map(({ message }) => message.channel)).toEqual(channels);
      const { messages } = await node.broker.history("kept 998", {});
      expect(messages.map(plain)).toEqual(node.messages("kept 998").map(plain));
    });

    it("and keeps any channel, event and data unchanged", async () => {
      const node = await begin();
      await fc.assert(
        fc.asyncProperty(channelName, name(), jsonText, async (channel, event, data) => {
          await node.listen(channel);
          const before = node.delivered.length;
          await node.publish({ channel, event, data });
          await node.settled();
          const got = node.delivered.slice(before).map(({ message }) => plain(message));
          expect(got).toEqual([{ channel, event, data, id: got[0]?.id }]);
          const { messages } = await node.broker.history(channel, {});
          expect(messages.slice(-1).map(plain)).toEqual(got);
        }),
        { numRuns: 60 },
      );
    });

    it("the rest of a push, and later pushes, even if `deliver` throws against its promise", async () => {
      const node = await begin();
      await node.listen("a", "b");
      node.onDeliver = ({ channel, event }) => {
        if (channel === "a" && event === "bad") throw new Error("broken");
      };
      const publish = async (event: string) => node.publish({ channel: ["a", "b"], event });
      const told = await Promise.allSettled(["good", "bad", "next"].map(publish));
      await node.settled();
      expect(told[0]).toEqual({ status: "fulfilled", value: { kind: "accepted" } });
      expect(told[2]).toEqual({ status: "fulfilled", value: { kind: "accepted" } });
      // A broker that delivers within `publish` tells the caller, who must know; others cannot.
      if (told[1]?.status === "rejected") expect(told[1].reason).toEqual(new Error("broken"));
      expect(node.order()).toEqual(["a good", "b good", "a bad", "b bad", "a next", "b next"]);
      expect((await node.history("a")).events).toEqual(["good", "bad", "next"]);
    });
  });

  describe("that stops", () => {
    it("accepts no push", async () => {
      const node = await begin();
      await node.listen("a");
      await node.broker.stop();
      const refused = async () => node.publish({ channel: "a" });
      await expect(refused()).rejects.toBeInstanceOf(BrokerUnavailable);
      const key = { key: "k", fingerprint: "f" };
      const refusedWithKey = async () => node.publish({ channel: "a", idempotency: key });
      await expect(refusedWithKey()).rejects.toBeInstanceOf(BrokerUnavailable);
      expect(node.delivered).toEqual([]);
    });

    it("may be started again, and then delivers to whom it was started for", async () => {
      const node = await begin();
      await node.listen("a");
      await node.publish({ channel: "a", event: "before" });
      await node.settled();
      await node.broker.stop();
      const events: string[] = [];
      await node.broker.start(({ event }) => void events.push(event));
      await node.broker.subscribe("a");
      await node.publish({ channel: "a", event: "after" });
      await expect.poll(() => events).toEqual(["after"]);
      expect(node.events("a")).toEqual(["before"]);
      const kept = features.historySurvivesRestart ? ["before", "after"] : ["after"];
      expect((await node.history("a")).events).toEqual(kept);
    });

    it("may be stopped again", async () => {
      const node = await begin();
      await node.broker.stop();
      await node.broker.stop();
    });

    it("settles what is under way: each push wholly delivered, or refused and not delivered at all", async () => {
      const node = await begin();
      await node.listen("a", "b");
      const asked = Array.from({ length: 50 }, async (_, n) => {
        const pushId = `push ${n}`;
        try {
          return { pushId, result: await node.publish({ channel: ["a", "b"], pushId }) };
        } catch (error) {
          return { pushId, error };
        }
      });
      await node.broker.stop();
      for (const told of await Promise.all(asked)) {
        const got = node.delivered.filter(({ pushId }) => pushId === told.pushId);
        if ("error" in told) expect(told.error).toBeInstanceOf(BrokerUnavailable);
        expect(got.map(({ message }) => message.channel)).toEqual(
          "error" in told ? [] : ["a", "b"],
        );
      }
    });

    it("from within a delivery still delivers the rest of the push", async () => {
      const node = await begin();
      await node.listen("a", "b");
      const stopped: (void | Promise<void>)[] = [];
      node.onDeliver = ({ channel }) => {
        if (channel === "a") stopped.push(node.broker.stop());
      };
      await node.publish({ channel: ["a", "b"] });
      await Promise.all(stopped);
      expect(node.order()).toEqual(["a e", "b e"]);
    });
  });

  describe.skipIf(!features.severalNodes)("of several nodes", () => {
    it("delivers on each in one order for each channel, and names the push where it was taken", async () => {
      const [one, other] = [await begin(), await another()];
      await Promise.all([one.listen("a", "b"), other.listen("a", "b")]);
      const pushes = Array.from({ length: 100 }, (_, n) =>
        (n % 2 ? one : other).publish({ channel: ["a", "b"], event: `${n}`, pushId: `p${n}` }),
      );
      await Promise.all(pushes);
      await until(() => one.delivered.length >= 200 && other.delivered.length >= 200);
      for (const channel of ["a", "b"]) {
        expect(other.messages(channel).map(plain)).toEqual(one.messages(channel).map(plain));
        expect(other.events(channel).sort()).toEqual(pushes.map((_, n) => `${n}`).sort());
        expect((await other.history(channel)).events).toEqual(one.events(channel));
      }
      for (const { message, pushId } of one.delivered) {
        expect(pushId).toBe(Number(message.event) % 2 ? `p${message.event}` : undefined);
      }
    });

    it("brings a node nothing of a channel that it has left", async () => {
      const [one, other] = [await begin(), await another()];
      await Promise.all([one.listen("a", "b"), other.listen("a", "b")]);
      await other.broker.unsubscribe("a");
      await other.settled();
      await one.publish({ channel: ["a", "b"], event: "1" });
      await until(() => other.events("b").length > 0);
      expect(other.order()).toEqual(["b 1"]);
      await other.listen("a");
      await one.publish({ channel: "a", event: "2" });
      await until(() => other.events("a").length > 0);
      expect(other.events("a")).toEqual(["2"]);
    });

    it("accepts a repeat on another node no second time", async () => {
      const [one, other] = [await begin(), await another()];
      await one.listen("a");
      const idempotency = { key: "k", fingerprint: "f" };
      const results = await Promise.all([
        one.publish({ channel: "a", idempotency, pushId: "one" }),
        other.publish({ channel: "a", idempotency, pushId: "other" }),
      ]);
      expect(results.map(({ kind }) => kind).sort()).toEqual(["accepted", "repeated"]);
      await one.settled();
      expect(one.delivered).toHaveLength(1);
    });
  });

  it("checks nothing of a push that it was given: a push is valid of itself", async () => {
    const node = await begin();
    await node.listen("\u0000");
    const push = aPush({ channel: "\u0000", event: "\u0001\u007f\n" });
    await node.broker.publish({ pushId: "1", push });
    await node.settled();
    expect(node.order()).toEqual(["\u0000 \u0001\u007f\n"]);
  });
}

/** Waits for another node's work, which no event of this one tells. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}
