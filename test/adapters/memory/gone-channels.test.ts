import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GoneChannels } from "../../../src/adapters/memory/gone-channels.js";

/** Epochs e1, e2, … */
function epochs(): () => string {
  let count = 0;
  return () => `e${++count}`;
}

describe("channels whose log is gone", () => {
  it("keep their position, up to a number of channels; then all unknown ones get a new epoch", () => {
    const gone = new GoneChannels(epochs(), 1e9, 2);
    const positions = (...channels: string[]) =>
      channels.map((channel) => Object.values(gone.position(channel)).join("-"));
    gone.add("a", { epoch: "e1", newest: 7 });
    gone.add("b", { epoch: "e1", newest: 3 });
    expect(positions("a", "b", "c")).toEqual(["e1-7", "e1-3", "e1-0"]);
    // Forgets "a": it must not get a sequence of e1 again.
    gone.add("c", { epoch: "e1", newest: 9 });
    expect(positions("a", "b", "c", "d")).toEqual(["e2-0", "e1-3", "e1-9", "e2-0"]);
    expect(gone.take("c")).toEqual({ epoch: "e1", newest: 9 });
    expect(positions("c")).toEqual(["e2-0"]);
  });

  it("are forgotten oldest epoch first, so that the epoch changes rarely", () => {
    const gone = new GoneChannels(epochs(), 1e9, 100);
    for (let n = 0; n < 10_000; n++) gone.add(`${n}`, { epoch: gone.epoch, newest: 1 });
    expect(Number(gone.epoch.slice(1))).toBeGreaterThan(50);
    expect(Number(gone.epoch.slice(1))).toBeLessThan(105);
  });

  it("never get an id again, and stay within their memory", () => {
    const channel = fc.constantFrom("a", "b", "c", "a channel with a long name", "é");
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 500 }),
        fc.nat(4),
        fc.array(fc.tuple(channel, fc.boolean()), { maxLength: 60 }),
        (bytesMax, channelsMax, steps) => {
          const gone = new GoneChannels(epochs(), bytesMax, channelsMax);
          const open = new Map<string, { epoch: string; newest: number }>();
          const given = new Set<string>();
          for (const [name, ends] of steps) {
            const { epoch, newest } = open.get(name) ?? gone.take(name);
            const id = `${name} ${epoch}-${newest + 1}`;
            expect(given).not.toContain(id);
            // A client with an id of this epoch must have seen all up to the newest one.
            for (let n = 1; n <= newest; n++) expect(given).toContain(`${name} ${epoch}-${n}`);
            given.add(id);
            open.set(name, { epoch, newest: newest + 1 });
            if (!ends) continue;
            gone.add(name, { epoch, newest: newest + 1 });
            open.delete(name);
            expect(gone.bytes).toBeLessThanOrEqual(bytesMax);
            // Whatever is unknown starts in an epoch in which the channel never had a message.
            const now = gone.position(name);
            if (now.newest === 0) expect(given).not.toContain(`${name} ${now.epoch}-1`);
          }
          for (const name of ["a", "b", "c", "a channel with a long name", "é"]) gone.take(name);
          expect(gone.bytes).toBe(0);
        },
      ),
    );
  });
});
