import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Json } from "../../src/domain/json.js";
import { blank, character, jsonText } from "../support/arbitraries.js";

/** Puts blanks around every token outside strings; an independent reading of RFC 8259. */
function spread(text: string, gap: string): string {
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^{}[\],:"]+/g) ?? [];
  return tokens.map((token) => `${gap}${token}`).join("") + gap;
}

describe("Json", () => {
  it("keeps the text of any value as it came", () => {
    fc.assert(
      fc.property(jsonText, (text) => {
        expect(Json.parse(text).text).toBe(text);
      }),
    );
  });

  it("drops only the blanks between tokens", () => {
    fc.assert(
      fc.property(jsonText, blank, (text, gap) => {
        expect(Json.parse(spread(text, gap)).text).toBe(text);
      }),
    );
  });

  it("accepts what JSON.parse accepts and refuses the rest with a SyntaxError", () => {
    const alphabet = [...'[]{}",:\\u0e1-+. \n', "true", "null", "\\u00e9", "\u0001", "\ufeff", "é"];
    const noise = fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 12 });
    // Valid JSON with a piece cut out or put in is where a reader's mistakes hide.
    const mutated = fc
      .tuple(jsonText, blank, fc.nat(), fc.nat({ max: 3 }), noise)
      .map(([text, gap, at, cut, piece]) => {
        const spreadText = spread(text, gap);
        const place = at % (spreadText.length + 1);
        return spreadText.slice(0, place) + piece + spreadText.slice(place + cut);
      });
    fc.assert(
      fc.property(fc.oneof(noise, mutated), (text) => {
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = false;
        }
        if (valid) {
          expect(Json.parse(text).value()).toEqual(JSON.parse(text));
        } else {
          expect(() => Json.parse(text)).toThrow(SyntaxError);
          expect(() => Json.members(text, ["a"])).toThrow(SyntaxError);
          expect(() => Json.elements(text)).toThrow(SyntaxError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("slices the wanted members out of an object, the first of equal keys counting", () => {
    const key = fc.oneof(
      fc.constantFrom("a", "b", "__proto__", '"'),
      fc.string({ unit: character }),
    );
    const members = fc.array(fc.tuple(key, jsonText), { maxLength: 6 });
    const wanted = ["a", "__proto__", '"', "absent"];
    fc.assert(
      fc.property(members, blank, (pairs, gap) => {
        const text = `{${pairs.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(",")}}`;
        const expected = new Map<string, string>();
        for (const [key, value] of pairs) {
          if (wanted.includes(key) && !expected.has(key)) expected.set(key, value);
        }
        const sliced = Json.members(spread(text, gap), wanted);
        expect([...(sliced ?? [])].map(([key, json]) => [key, json.text])).toEqual([...expected]);
      }),
    );
  });

  it("slices an array into its elements", () => {
    fc.assert(
      fc.property(fc.array(jsonText, { maxLength: 6 }), blank, (values, gap) => {
        const elements = Json.elements(spread(`[${values.join(",")}]`, gap));
        expect(elements?.map((json) => json.text)).toEqual(values);
      }),
    );
  });

  it("has members only for objects and elements only for arrays", () => {
    for (const text of ["null", "1", '"a"', "[]"])
      expect(Json.members(text, ["a"])).toBeUndefined();
    for (const text of ["null", "1", '"[]"', "{}"]) expect(Json.elements(text)).toBeUndefined();
  });

  it("takes what JavaScript values have a JSON form", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(Json.of(value).text).toBe(JSON.stringify(value));
      }),
    );
    for (const value of [undefined, () => 1, Symbol("s"), 1n]) {
      expect(() => Json.of(value)).toThrow(TypeError);
    }
  });

  it("reads a value nested a million times deep", () => {
    const depth = 1_000_000;
    const text = "[".repeat(depth) + "]".repeat(depth);
    expect(Json.members(`{"data":${text}}`, ["data"])?.get("data")?.text).toBe(text);
  });

  it("gives the elements of its own array, up to as many as are wanted", () => {
    fc.assert(
      fc.property(fc.array(jsonText, { maxLength: 6 }), fc.nat(8), (texts, max) => {
        const json = Json.parse(`[${texts.join(" , ")}]`);
        const all = Json.elements(json.text)?.map(({ text }) => text);
        expect(json.elements()?.map(({ text }) => text)).toEqual(all);
        expect(json.elements(max)?.map(({ text }) => text)).toEqual(all?.slice(0, max));
      }),
    );
    expect(Json.parse("{}").elements()).toBeUndefined();
  });

  it("finds the first wanted name that an object has twice, however it is written", () => {
    const repeated = (text: string) => Json.repeatedMember(text, ["a", "b"]);
    expect(repeated('{"a":1,"c":2,"c":3,"b":{"a":4}}')).toBeUndefined();
    expect(repeated('{ "b":1, "a":2, "\\u0061":3, "b":4 }')).toBe("a");
    expect([repeated("{}"), repeated("[1]")]).toEqual([undefined, undefined]);
    expect(() => repeated('{"a":1,"a":2')).toThrow(SyntaxError);
  });
});
