import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChannelLog, type LogEntry } from "../../../src/adapters/memory/channel-log.js";

describe("a channel's log", () => {
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.constant("append" as const) },
    { weight: 1, arbitrary: fc.constant("drop" as const) },
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 6000 }) },
  );

  it("is a list that loses its oldest entries, whatever comes when", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }),
        fc.constantFrom(2, 10, 1000),
        fc.array(step, { maxLength: 120 }),
        (size, ttl, steps) => {
          const log = new ChannelLog("a", { size, ttl }, { epoch: "e", newest: 5 });
          const empty = log.bytes;
          let list: LogEntry[] = [];
          let [now, sequence, trimmedTo, most] = [0, 5, 5, 0];
          const drop = (count: number) => {
            for (const gone of list.splice(0, count)) trimmedTo = gone.sequence;
          };
          for (const each of steps) {
            if (each === "append") {
              sequence++;
              const bytes = 100 + (sequence % 7);
              const entry = { at: now, event: `${sequence}`, data: `${-sequence}`, bytes };
              if (list.length === size) drop(1);
              list = [...list, { sequence, ...entry }];
              expect(log.append(entry)).toBe(sequence);
            } else if (each === "drop") {
              drop(1);
              log.dropOldest();
            } else {
              now += each;
              drop(list.filter(({ at }) => now - at >= ttl * 1000).length);
              log.expire(now);
            }
            most = Math.max(most, list.length);
            expect([log.length, log.trimmedTo]).toEqual([list.length, trimmedTo]);
            expect(log.newest).toBe(sequence);
            for (const from of [0, trimmedTo, sequence - 2, sequence - 1, sequence]) {
              const after = list.filter((entry) => entry.sequence > from);
              expect(log.after(from, Number.POSITIVE_INFINITY)).toEqual(after);
              expect(log.after(from, 2)).toEqual(after.slice(0, 2));
            }
            const bytes = list.reduce((sum, entry) => sum + entry.bytes, 0);
            const slots = (log.bytes - empty - bytes) / 32;
            expect(slots).toBeGreaterThanOrEqual(most);
            expect(slots).toBeLessThanOrEqual(Math.min(size, 2 * most));
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});
