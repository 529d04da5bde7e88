import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nameFault, utf8Length } from "../../src/domain/name.js";
import { character } from "../support/arbitraries.js";

const anyText = fc.oneof(
  fc.string({ unit: character }),
  // Units of every kind, so that surrogates stand alone and in pairs.
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc.array(fc.integer({ min: 0xd7f0, max: 0xe00f })).map((units) => String.fromCharCode(...units)),
);

describe("names", () => {
  it("are measured in UTF-8 bytes", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(utf8Length(text)).toBe(Buffer.byteLength(text));
      }),
    );
  });

  it("are refused where a surrogate stands alone, and only there", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        // Only what has a UTF-8 form comes back from one.
        const hasUtf8Form = Buffer.from(text).toString() === text;
        expect(nameFault(text, 1_000_000) === undefined).toBe(hasUtf8Form);
      }),
    );
  });

  it("pass at the limit and not one byte above it", () => {
    for (const unit of ["a", "é", "€", "😀"]) {
      const text = unit.repeat(300);
      const bytes = Buffer.byteLength(text);
      expect(nameFault(text, bytes)).toBeUndefined();
      expect(nameFault(text, bytes - 1)).toContain(`${bytes - 1} bytes`);
    }
  });
});
