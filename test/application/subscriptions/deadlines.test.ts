import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Deadlines } from "../../../src/application/subscriptions/deadlines.js";

describe("Deadlines", () => {
  it("ends a thing at its second and not before", () => {
    let now = 100;
    const ended: string[] = [];
    const deadlines = new Deadlines<string>(
      (item) => ended.push(item),
      () => now,
    );
    deadlines.add("a", 100.5);
    deadlines.sweep();
    expect(ended).toEqual([]);
    now = 101;
    deadlines.sweep();
    deadlines.sweep();
    expect(ended).toEqual(["a"]);
  });

  it("never ends what was given no time that can come", () => {
    const ended: number[] = [];
    const deadlines = new Deadlines<number>(
      (item) => ended.push(item),
      () => 4_000_000_000,
    );
    [Number.NaN, Number.POSITIVE_INFINITY].forEach((at, index) => {
      deadlines.add(index, at);
    });
    deadlines.sweep();
    expect(ended).toEqual([]);
  });

  it("ends what a slow search would end, whatever is added and removed when", () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant("add" as const),
        in: fc.double({ min: -5, max: 50, noNaN: true }),
      }),
      fc.record({ kind: fc.constant("remove" as const), index: fc.nat(20) }),
      fc.record({ kind: fc.constant("wait" as const), for: fc.integer({ min: 0, max: 20 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let now = 1_000;
        const ended = new Set<number>();
        const deadlines = new Deadlines<number>(
          (item) => ended.add(item),
          () => now,
        );
        const model: { at: number; removed: boolean }[] = [];
        for (const each of steps) {
          if (each.kind === "add") {
            deadlines.add(model.length, now + each.in);
            model.push({ at: now + each.in, removed: false });
          } else if (each.kind === "remove") {
            const found = model[each.index];
            if (found === undefined) continue;
            deadlines.remove(each.index, found.at);
            if (!ended.has(each.index)) found.removed = true;
          } else {
            now += each.for;
            deadlines.sweep();
            const due = model.flatMap(({ at, removed }, index) =>
              !removed && at <= now ? [index] : [],
            );
            expect([...ended].sort((a, b) => a - b)).toEqual(due);
          }
        }
      }),
    );
  });
});
