/** A string's header, and what its length is rounded up to. */
const STRING_BYTES = 24;

/** V8 makes parts and joins of other strings from this length on; a shorter one is always a copy. */
const PART_LENGTH_MIN = 13;

export interface OwnText {
  readonly text: string;
  /** What it takes in memory; for a short one that is not ASCII at most that. */
  readonly bytes: number;
}

/**
 * The same text in memory of its own.
 *
 * A string that was cut out of another one keeps all of that alive: ten bytes of `data` a whole
 * batch's body, which no budget would know of.
 */
export function ownText(text: string): OwnText {
  if (text.length < PART_LENGTH_MIN) return { text, bytes: STRING_BYTES + 2 * text.length };
  // Not by UTF-8: that would change lone surrogates.
  const isAscii = Buffer.byteLength(text) === text.length;
  const encoding = isAscii ? "latin1" : "utf16le";
  return {
    text: Buffer.from(text, encoding).toString(encoding),
    bytes: STRING_BYTES + (isAscii ? text.length : 2 * text.length),
  };
}
