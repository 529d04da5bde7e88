import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GoneChannels } from "../../../src/adapters/memory/gone-channels.js";

describe("channels whose log is gone", () => {
  it("are each known with their newest message, up to a number of them", () => {
    const gone = new GoneChannels(1e9, 2);
    gone.add("a", 7);
    gone.add("b", 3);
    expect(["a", "b", "c"].map((channel) => gone.newest(channel))).toEqual([7, 3, 0]);
    gone.add("c", 9);
    // "a" is known no more by itself: whatever is not known may have lost as much.
    expect(["a", "b", "c", "d"].map((channel) => gone.newest(channel))).toEqual([7, 3, 9, 7]);
    expect(gone.take("c")).toBe(9);
    expect(gone.newest("c")).toBe(7);
  });

  it("never lose less than they have lost, and stay within their memory", () => {
    const channel = fc.constantFrom("a", "b", "c", "a channel with a long name", "é");
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 500 }),
        fc.nat(4),
        fc.array(fc.tuple(channel, fc.boolean()), { maxLength: 60 }),
        (bytesMax, channelsMax, steps) => {
          const gone = new GoneChannels(bytesMax, channelsMax);
          const lost = new Map<string, number>();
          for (const [sequence, [name, isRead]] of steps.entries()) {
            const least = lost.get(name) ?? 0;
            expect(gone.newest(name)).toBeGreaterThanOrEqual(least);
            if (isRead) continue;
            expect(gone.take(name)).toBeGreaterThanOrEqual(least);
            gone.add(name, sequence + 1);
            lost.set(name, sequence + 1);
            expect(gone.bytes).toBeLessThanOrEqual(bytesMax);
          }
          for (const name of lost.keys()) gone.take(name);
          expect(gone.bytes).toBe(0);
        },
      ),
    );
  });
});
