import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChannelPattern, ChannelPatterns } from "../../src/domain/channel-pattern.js";
import { cpuTimeMs } from "../support/cpu-time.js";

// Few characters, so that names meet patterns; the halves of a pair stand alone and together.
const unit = fc.constantFrom("a", "b", ".", ":", "\ud83d", "\ude00");
const name = fc.string({ unit: fc.oneof(unit, fc.constant("*")), maxLength: 8 });
const pattern = fc.string({
  unit: fc.oneof({ weight: 2, arbitrary: unit }, fc.constant("*")),
  maxLength: 8,
});

/** A pattern, and a name that was made by filling its stars. */
const filled = fc
  .array(fc.tuple(fc.string({ unit, maxLength: 3 }), name), { minLength: 1, maxLength: 5 })
  .map((pieces) => ({
    text: pieces.map(([literal]) => literal).join("*"),
    channel: pieces.map(([literal, fill], at) => (at === 0 ? literal : fill + literal)).join(""),
  }));

/** The grammar as it is said: a star stands for nothing, or for one unit and a star. */
function oracle(text: string, channel: string): boolean {
  if (text === "") return channel === "";
  if (text[0] !== "*") return channel[0] === text[0] && oracle(text.slice(1), channel.slice(1));
  return oracle(text.slice(1), channel) || (channel !== "" && oracle(text, channel.slice(1)));
}

describe("ChannelPattern", () => {
  it("matches what the grammar says, and nothing else", () => {
    let matched = 0;
    fc.assert(
      fc.property(pattern, name, (text, channel) => {
        const expected = oracle(text, channel);
        if (expected) matched++;
        expect(new ChannelPattern(text).matches(channel)).toBe(expected);
      }),
      { numRuns: 3000 },
    );
    expect(matched).toBeGreaterThan(50);
  });

  it("matches a name in which each star is filled with anything", () => {
    fc.assert(
      fc.property(filled, ({ text, channel }) => {
        expect(new ChannelPattern(text).matches(channel)).toBe(true);
      }),
    );
  });

  it("agrees with a regular expression, also one unit beside a match", () => {
    const change = fc.tuple(fc.nat(), fc.oneof(unit, fc.constant("")));
    fc.assert(
      fc.property(filled, change, ({ text, channel }, [place, put]) => {
        const at = place % (channel.length + 1);
        const changed = channel.slice(0, at) + put + channel.slice(at + 1);
        const parts = text.split("*").map((part) => part.replaceAll(/[.*]/g, "\\$&"));
        const expected = new RegExp(`^${parts.join("[^]*")}$`).test(changed);
        expect(new ChannelPattern(text).matches(changed)).toBe(expected);
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ["news", "news", true],
    ["news", "news2", false],
    ["news", "NEWS", false],
    ["orders.*", "orders.17.items", true],
    ["orders.*", "orders.", true],
    ["orders.*", "orders", false],
    ["orders.*", "ordersx17", false],
    ["*", "", true],
    ["", "", true],
    ["", "a", false],
    ["ab*ba", "aba", false],
    ["a*b*c", "acb", false],
    ["*b*b*", "ab", false],
    ["a*b", "a\nb", true],
    ["[a-c]+", "a", false],
    ["*.log", "a*b.log", true],
  ])("%j and %j: %j", (text, channel, expected) => {
    expect(new ChannelPattern(text).matches(channel)).toBe(expected);
  });

  it("takes no longer than the two lengths allow, whatever is sent", () => {
    // From small to large: a matcher that goes back to try again is found before it takes for ever.
    for (const size of [100, 1000, 3000, 30_000]) {
      const channel = "a".repeat(size);
      const hostile = [
        `${"a*".repeat(3)}b`,
        `${"*a".repeat(Math.min(size, 200))}*b*`,
        `${"a*".repeat(Math.min(size, 200))}b`,
        `*${"a".repeat(Math.min(size, 200))}b*`,
        `${"*".repeat(size)}b`,
      ];
      const begun = cpuTimeMs();
      for (const text of hostile) expect(new ChannelPattern(text).matches(channel)).toBe(false);
      expect(cpuTimeMs() - begun).toBeLessThan(1000);
    }
  });

  it("is everything where it matches every name, and only there", () => {
    fc.assert(
      fc.property(pattern, (text) => {
        const matchesAll = ["", "a", "b", "a.b:", "\u0000"].every((channel) =>
          oracle(text, channel),
        );
        expect(new ChannelPattern(text).isEverything).toBe(matchesAll);
      }),
    );
  });
});

describe("ChannelPatterns", () => {
  it("matches the union of its patterns", () => {
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 4 }), name, (texts, channel) => {
        const patterns = new ChannelPatterns(texts);
        expect(patterns.match(channel)).toBe(texts.some((text) => oracle(text, channel)));
        expect(patterns.isEverything).toBe(texts.some((text) => /^\*+$/.test(text)));
      }),
      { numRuns: 1000 },
    );
  });

  it("matches an input where each of its names is matched", () => {
    const names = fc.array(fc.oneof(name, pattern), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 4 }), names, (texts, channels) => {
        const patterns = new ChannelPatterns(texts);
        expect(patterns.matchInput(channels)).toBe(channels.every((each) => patterns.match(each)));
        expect(patterns.matchInput(channels[0])).toBe(patterns.match(channels[0] as string));
      }),
    );
  });

  it("matches no input that is no name, holds one, or is empty, not even with the pattern *", () => {
    const noName = fc.oneof(
      fc.anything().filter((value) => typeof value !== "string" && !Array.isArray(value)),
      fc.constantFrom(new String("a"), { toString: () => "a" }, ["a"]),
    );
    const everything = new ChannelPatterns(["*"]);
    fc.assert(
      fc.property(noName, fc.array(name, { maxLength: 3 }), fc.nat(), (value, names, place) => {
        if (!Array.isArray(value)) expect(everything.matchInput(value)).toBe(false);
        const channels: unknown[] = names.toSpliced(place % (names.length + 1), 0, value as string);
        expect(everything.matchInput(channels)).toBe(false);
      }),
    );
    expect(everything.matchInput([])).toBe(false);
    expect(everything.matchInput(new Array(2))).toBe(false);
    const sparse = ["a", "b", "c"];
    delete sparse[1];
    expect(everything.matchInput(sparse)).toBe(false);
    expect(everything.matchInput(["a", "b"])).toBe(true);
  });

  it("looks at the names that a push is made of, whatever the array says when it is iterated", () => {
    const channels = Object.assign(["secret"], { [Symbol.iterator]: () => ["news"].values() });
    expect(new ChannelPatterns(["news"]).matchInput(channels)).toBe(false);
  });

  it("matches nothing without a pattern", () => {
    fc.assert(
      fc.property(name, (channel) => {
        expect(new ChannelPatterns([]).match(channel)).toBe(false);
      }),
    );
  });
});
