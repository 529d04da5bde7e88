import { describe, expect, it } from "vitest";
import type { PublishResult } from "../../src/domain/broker.js";
import { type Bench, WINDOW_MS } from "./broker.contract.js";

/** A push with a key is accepted once in the key's window. */
export function idempotencyContract({ begin, another, pass, features }: Bench): void {
  const claim = (key: string, fingerprint = "f") => ({ key, fingerprint });
  const kinds = (results: readonly PublishResult[]) => results.map(({ kind }) => kind);

  describe("of pushes with a key", () => {
    it("accepts a repeat no second time, and names the first", async () => {
      const node = await begin();
      await node.listen("a");
      const push = { channel: "a", idempotency: claim("k") };
      const first = await node.publish({ ...push, pushId: "1" });
      const second = await node.publish({ ...push, pushId: "2" });
      await node.settled();
      expect(first.kind).toBe("accepted");
      expect(second).toEqual({ kind: "repeated", pushId: "1" });
      expect(node.delivered.map(({ pushId }) => pushId)).toEqual(["1"]);
      expect((await node.history("a")).events).toHaveLength(1);
    });

    it("accepts one of those that come at once", async () => {
      const node = await begin();
      await node.listen("a", "none");
      const asked = Array.from({ length: 10 }, (_, n) =>
        node.publish({ channel: ["a", "none"], pushId: `${n}`, idempotency: claim("k") }),
      );
      const [first, ...others] = await Promise.all(asked);
      await node.settled();
      expect(first?.kind).toBe("accepted");
      expect(others).toEqual(others.map(() => ({ kind: "repeated", pushId: "0" })));
      expect(node.delivered.map(({ pushId }) => pushId)).toEqual(["0", "0"]);
    });

    it("accepts no repeat that comes while the first is being delivered", async () => {
      const node = await begin();
      await node.listen("a");
      const nested: (PublishResult | Promise<PublishResult>)[] = [];
      const push = { channel: "a", idempotency: claim("k") };
      node.onDeliver = () => {
        if (nested.length < 3) nested.push(node.publish({ ...push, pushId: "2" }));
      };
      await node.publish({ ...push, pushId: "1" });
      await node.settled();
      expect(await Promise.all(nested)).toEqual([{ kind: "repeated", pushId: "1" }]);
      expect(node.delivered).toHaveLength(1);
    });

    it("refuses another push with the same key", async () => {
      const node = await begin();
      await node.listen("a");
      await node.publish({ channel: "a", event: "1", idempotency: claim("k", "f") });
      const other = { channel: "a", event: "2", idempotency: claim("k", "g") };
      expect(await node.publish(other)).toEqual({ kind: "mismatch" });
      await node.settled();
      expect(node.events("a")).toEqual(["1"]);
      expect((await node.history("a")).events).toEqual(["1"]);
    });

    it("keeps keys apart, and pushes without one", async () => {
      const node = await begin();
      await node.listen("a");
      const keys = ["k", "K", "k ", "__proto__", "", "k\u0000", "😀"];
      const results = [];
      for (const key of keys) {
        results.push(await node.publish({ channel: "a", idempotency: claim(key) }));
      }
      for (let n = 0; n < 2; n++) results.push(await node.publish({ channel: "a" }));
      await node.settled();
      expect(new Set(kinds(results))).toEqual(new Set(["accepted"]));
      expect(node.delivered).toHaveLength(keys.length + 2);
    });

    it.skipIf(!features.takesTheClock)("forgets a key when its window is over", async () => {
      const node = await begin();
      await node.listen("a");
      const push = { channel: "a", idempotency: claim("k") };
      await node.publish({ ...push, pushId: "1" });
      pass(WINDOW_MS - 1);
      expect(await node.publish({ ...push, pushId: "2" })).toEqual({
        kind: "repeated",
        pushId: "1",
      });
      pass(1);
      expect((await node.publish({ ...push, pushId: "3" })).kind).toBe("accepted");
      expect(await node.publish({ ...push, pushId: "4" })).toEqual({
        kind: "repeated",
        pushId: "3",
      });
    });

    it.skipIf(!features.takesTheClock)("refuses a new key where there is no room", async () => {
      const node = await begin({ idempotencyKeysMax: 2 });
      await node.listen("a");
      const publish = async (key: string) =>
        node.publish({ channel: "a", idempotency: claim(key) });
      await publish("1");
      pass(1000);
      await publish("2");
      expect(await publish("3")).toEqual({ kind: "full", retryAfterMs: WINDOW_MS - 1000 });
      expect((await publish("1")).kind).toBe("repeated");
      await node.settled();
      expect(node.delivered).toHaveLength(2);
      pass(WINDOW_MS - 1000);
      expect((await publish("3")).kind).toBe("accepted");
      expect((await publish("2")).kind).toBe("repeated");
    });

    it.skipIf(!features.keysSurviveRestart)("knows the keys from before a restart", async () => {
      const before = await begin();
      const push = { channel: "a", idempotency: claim("k") };
      await before.publish({ ...push, pushId: "1" });
      await before.broker.stop();
      const after = await another();
      await after.listen("a");
      expect(await after.publish({ ...push, pushId: "2" })).toEqual({
        kind: "repeated",
        pushId: "1",
      });
      await after.settled();
      expect(after.delivered).toEqual([]);
    });
  });
}
