import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ownText } from "../../../src/adapters/memory/own-text.js";

describe("a text of one's own", () => {
  it("is the same text, whatever it is of", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffff), { maxLength: 40 }), (units) => {
        const text = String.fromCharCode(...units);
        expect(ownText(text).text).toBe(text);
        expect(ownText(text).bytes).toBeGreaterThanOrEqual(text.length);
      }),
    );
    for (const text of [
      "",
      "x".repeat(12),
      "x".repeat(13),
      "é".repeat(2000),
      "\ud800".repeat(13),
    ]) {
      expect(ownText(text).text).toBe(text);
    }
  });

  it("counts a byte for each ASCII character, and two for each of a text with any other", () => {
    const bytes = (text: string) => ownText(text).bytes - ownText("").bytes;
    expect([bytes("x".repeat(100)), bytes(`${"x".repeat(99)}é`)]).toEqual([100, 200]);
  });
});
