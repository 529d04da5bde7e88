import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CalloutCache, maxAgeOf } from "../../../../src/adapters/auth/callout/cache.js";

const CHARACTERS_MAX = 40;

describe("the cache of answers", () => {
  it("keeps what a plain list of the last used would keep", () => {
    const key = fc.constantFrom("a", "b", "c", "d", "e");
    const step = fc.oneof(
      fc.record({ get: key }),
      fc.record({
        set: key,
        text: fc.option(fc.string({ maxLength: 20 }), { nil: undefined }),
        age: fc.integer({ min: 0, max: 5 }),
      }),
      fc.record({ wait: fc.integer({ min: 1, max: 3000 }) }),
    );
    fc.assert(
      fc.property(fc.nat(4), fc.array(step, { maxLength: 50 }), (entriesMax, steps) => {
        let now = 0;
        const cache = new CalloutCache({
          entriesMax,
          charactersMax: CHARACTERS_MAX,
          now: () => now,
        });
        let kept: { key: string; text: string | undefined; until: number }[] = [];
        const weight = () => kept.reduce((sum, { text }) => sum + (text?.length ?? 0), 0);
        for (const each of steps) {
          if ("wait" in each) {
            now += each.wait;
          } else if ("get" in each) {
            const found = kept.find((entry) => entry.key === each.get);
            kept = kept.filter((entry) => entry !== found);
            const isFresh = found !== undefined && now < found.until;
            if (isFresh) kept.push(found);
            const got = cache.get(each.get);
            expect(got !== undefined).toBe(isFresh);
            expect(got?.text).toBe(isFresh ? found.text : undefined);
          } else {
            kept = kept.filter((entry) => entry.key !== each.set);
            if (each.age > 0) {
              kept.push({ key: each.set, text: each.text, until: now + each.age * 1000 });
            }
            while (kept.length > entriesMax || weight() > CHARACTERS_MAX) kept.shift();
            cache.set(each.set, each.text, now, each.age);
          }
          expect(cache.size).toBe(kept.length);
        }
      }),
    );
  });

  it("gives an answer no longer life where the clock is set back", () => {
    let now = 10_000;
    const cache = new CalloutCache({ entriesMax: 9, charactersMax: 99, now: () => now });
    cache.set("a", "x", now, 5);
    now = 9_999;
    expect(cache.get("a")).toBeUndefined();
    now = 10_001;
    expect(cache.get("a")).toBeUndefined();
  });

  it.each([
    [undefined, 0],
    ["", 0],
    ["max-age=5", 5],
    ["private, Max-Age=5, must-revalidate", 5],
    ['max-age="7"', 7],
    ["max-age=0", 0],
    ["max-age=86400", 3600],
    ["max-age=999999999999999", 3600],
    ["max-age=60, max-age=5", 5],
    ["max-age=60, no-store", 0],
    ["no-cache, max-age=60", 0],
    ['no-cache="set-cookie", max-age=60', 0],
    ["s-maxage=60", 0],
    ["x-max-age=60", 0],
    ["max-age", 0],
    ["max-age=", 0],
    ["max-age=-1", 0],
    ["max-age=1.5", 0],
    ["max-age=5s", 0],
    ["max-age=1e3", 0],
    ["max-age=60, max-age=x", 0],
  ])("reads %j as %d seconds", (field, seconds) => {
    expect(maxAgeOf(field)).toBe(seconds);
  });
});
