import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KeptId } from "../../src/application/kept-id.js";

const ofTwenty = fc.string({ minLength: 20, maxLength: 20, unit: "grapheme-ascii" });
const any = fc.oneof(
  { weight: 3, arbitrary: ofTwenty },
  fc.string({ unit: "binary", maxLength: 24 }),
  fc.string({ unit: fc.constantFrom("a", "\u00e1", "\u0161", "\0"), minLength: 20, maxLength: 20 }),
);

describe("KeptId", () => {
  it("equals another exactly where their texts do, whatever it held before", () => {
    fc.assert(
      fc.property(any, any, any, (before, one, other) => {
        const kept = new KeptId(before);
        kept.set(one);
        expect(kept.equals(new KeptId(one))).toBe(true);
        expect(kept.equals(new KeptId(other))).toBe(one === other);
      }),
    );
  });

  it("sees each character of an id, and each bit of it", () => {
    const id = "0123456789abcdefghij";
    const kept = new KeptId(id);
    for (let at = 0; at < id.length; at++) {
      for (let bit = 1; bit < 0x1_0000; bit *= 2) {
        const letter = String.fromCharCode(id.charCodeAt(at) ^ bit);
        const other = `${id.slice(0, at)}${letter}${id.slice(at + 1)}`;
        expect(kept.equals(new KeptId(other))).toBe(false);
        expect(new KeptId(other).equals(kept)).toBe(false);
      }
    }
  });
});
