import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Cursor, formatCursor, tagOf } from "../../../src/protocol/sse/cursor.js";

const LENGTH_MAX = 2_048;
const epoch = fc.stringMatching(/^[0-9a-z]{1,32}$/);
const id = fc
  .tuple(epoch, fc.nat(999_999_999_999_999))
  .map(([name, sequence]) => `${name}-${sequence}`);
const sharedEpochId = fc.oneof(
  id,
  fc.nat().map((sequence) => `cafe-${sequence}`),
);
const channels = fc.uniqueArray(fc.string({ unit: "binary" }), { minLength: 1, maxLength: 30 });

const entriesOf = (ids: ReadonlyMap<string, string>) =>
  [...ids].map(([channel, each]) => [tagOf(channel), each] as const);

describe("Cursor", () => {
  it("gives back the id of each channel, if it holds all", () => {
    fc.assert(
      fc.property(
        channels,
        fc.array(sharedEpochId, { minLength: 30, maxLength: 30 }),
        (names, all) => {
          const ids = new Map(names.map((name, index) => [name, all[index] as string]));
          const text = formatCursor(entriesOf(ids));
          expect(text.length).toBeLessThanOrEqual(LENGTH_MAX);
          expect(text).toMatch(/^[0-9a-z.-]*$/);
          const cursor = new Cursor(text);
          for (const [name, each] of ids) expect(cursor.idOf(name, false)).toBe(each);
          expect(cursor.idOf(`${names.join("")} and more`, false)).toBeUndefined();
        },
      ),
    );
  });

  it("names the first channels if it cannot hold all, as many as fit", () => {
    const ids = new Map(
      Array.from({ length: 1000 }, (_, at) => [`channel ${at}`, `epoch${at}-${at}`] as const),
    );
    const text = formatCursor(entriesOf(ids));
    expect(text.length).toBeLessThanOrEqual(LENGTH_MAX);
    expect(text.length).toBeGreaterThan(LENGTH_MAX - 50);
    const cursor = new Cursor(text);
    const named = [...ids].map(([name, each]) => cursor.idOf(name, false) === each);
    const count = named.lastIndexOf(true) + 1;
    expect(count).toBeGreaterThan(50);
    expect(named).toEqual(named.map((_, at) => at < count));
    for (const [name] of [...ids].slice(count)) expect(cursor.idOf(name, false)).toBeUndefined();
  });

  it("writes an epoch once if neighbours share it", () => {
    const ids = new Map([
      ["a", "cafe-1"],
      ["b", "cafe-22"],
      ["c", "bee-3"],
    ]);
    const text = formatCursor(entriesOf(ids));
    expect(text).toBe(`${tagOf("a")}-cafe-1.${tagOf("b")}--22.${tagOf("c")}-bee-3`);
  });

  it("takes a message's id for the only channel of a stream, and for no other stream", () => {
    fc.assert(
      fc.property(id, fc.string(), (each, channel) => {
        const cursor = new Cursor(each);
        expect(cursor.idOf(channel, true)).toBe(each);
        expect(cursor.idOf(channel, false)).toBeUndefined();
      }),
    );
  });

  it.each([
    "",
    ".",
    "...",
    "-",
    "--1",
    "nonsense",
    "a-b-c",
    "__proto__-a-1",
    "cafe-1 ",
    "cafe-01",
    "cafe-9999999999999999",
    "CAFE-1",
    "ä-1",
    "\u0000",
    `${"a".repeat(33)}-1`,
    `${"x-y-1.".repeat(400)}`,
  ])("knows no channel by %j", (text) => {
    const cursor = new Cursor(text);
    for (const channel of ["", "a", "cafe", "__proto__", "constructor"]) {
      expect(cursor.idOf(channel, true)).toBeUndefined();
      expect(cursor.idOf(channel, false)).toBeUndefined();
    }
  });

  it("survives any text", () => {
    const pieces = fc.constantFrom("-", "--", ".", "a", "1", "0", "cafe-1", tagOf("a"), "é");
    const hostile = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(pieces, { maxLength: 400 }).map((each) => each.join("")),
    );
    fc.assert(
      fc.property(hostile, (text) => {
        const found = new Cursor(text).idOf("a", false);
        if (found !== undefined) expect(text).toContain(tagOf("a"));
      }),
    );
  });

  it.each([
    ["dashes", "-".repeat(LENGTH_MAX)],
    ["one long entry", `a-${"-1".repeat(1_000)}x`],
    ["a megabyte", "a-1.".repeat(262_144)],
    ["a megabyte of digits", `a-${"1".repeat(1_048_576)}`],
  ])("reads %s fast", (_name, text) => {
    // The fastest of some runs: the machine may be busy.
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now();
      expect(new Cursor(text).idOf("a", true)).toBeUndefined();
      return performance.now() - start;
    });
    expect(Math.min(...times)).toBeLessThan(20);
  });

  it("tells apart the names of channels", () => {
    const names = Array.from({ length: 20_000 }, (_, at) => `orders:${at}`);
    expect(new Set(names.map(tagOf)).size).toBe(names.length);
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (name) => {
        expect(tagOf(name)).toMatch(/^[0-9a-z]{1,11}$/);
      }),
    );
  });
});
