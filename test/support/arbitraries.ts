import fc from "fast-check";
import { utf8Length } from "../../src/domain/name.js";

/** Any character, the plain ones often. (fast-check's own "binary" takes seconds to set up.) */
export const character = fc
  .oneof(
    fc.integer({ min: 0, max: 0x7f }),
    fc.integer({ min: 0, max: 0xd7ff }),
    fc.integer({ min: 0xe000, max: 0x10ffff }),
  )
  .map((point) => String.fromCodePoint(point));

/** Well-formed text of any characters, short enough for a name. */
export const name = (bytesMax = 255) =>
  fc
    .string({ unit: character, minLength: 1, maxLength: 40 })
    .filter((text) => utf8Length(text) <= bytesMax);

/** Names that libraries and languages use inside, and that are channels like any other here. */
export const awkwardName = fc.constantFrom(
  "phoenix",
  "*",
  "__proto__",
  "constructor",
  "hasOwnProperty",
  "phx_reply",
  "1",
  "2",
  " ",
  "a/b",
  "a\u0000b",
  "\u2028",
  "😀",
  "#",
  "+",
);

export const channelName = fc.oneof({ weight: 3, arbitrary: name() }, awkwardName);

/** A number as JSON writes it, with more digits than a double holds. */
export const jsonNumberText = fc.oneof(
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String),
  fc
    .tuple(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.integer({ min: 0, max: 10 ** 9 }))
    .map(([whole, fraction]) => `${whole}.${fraction}00`),
  fc.constantFrom("-0", "-0.0", "1e400", "1E-7", "1.10", "0.1", "1e+3"),
);

/** A JSON string as text, with escapes that a parser would change. */
export const jsonStringText = fc.oneof(
  fc.string({ unit: character }).map((text) => JSON.stringify(text)),
  fc.constantFrom(
    '"\\u00e9"',
    '"\\/"',
    '"\\ud800"',
    '"\\"\\\\"',
    '"\\\\\\""',
    '"\u2028"',
    '"{[,:]}"',
  ),
);

/** Any JSON value as its text, without blanks between tokens. */
export const jsonText: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom("null", "true", "false"),
    jsonNumberText,
    jsonStringText,
    fc.array(tie("value"), { maxLength: 4 }).map((values) => `[${values.join(",")}]`),
    fc
      .array(fc.tuple(fc.oneof(jsonStringText, fc.constant('"__proto__"')), tie("value")), {
        maxLength: 4,
      })
      .map((members) => `{${members.map(([key, value]) => `${key}:${value}`).join(",")}}`),
  ),
})).value;

/** The same JSON value with blanks between its tokens. */
export const blank = fc.string({ unit: fc.constantFrom(" ", "\n", "\r", "\t"), maxLength: 3 });
