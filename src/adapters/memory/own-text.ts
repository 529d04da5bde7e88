/** The header of a string and what its length is rounded up to. */
const STRING_BYTES = 24;
/** V8 copies a slice that is shorter than this; a longer one refers to the string it was cut from. */
const REFERRING_LENGTH_MIN = 13;

/** Copies go through this buffer: a buffer for each copy costs as much again as the copy. */
const scratch = Buffer.allocUnsafeSlow(65_536);
/** UTF-8 takes at most three bytes for a UTF-16 code unit. */
const SCRATCH_LENGTH_MAX = Math.floor(scratch.length / 3);

export interface OwnText {
  readonly text: string;
  /** What it takes in memory; an upper bound for a short text. */
  readonly bytes: number;
}

/**
 * A copy of the text that refers to no other string.
 *
 * A string that was cut from another one keeps that one alive: ten bytes of `data` would keep the
 * body of a whole batch, which no budget would know of.
 */
export function ownText(text: string): OwnText {
  const { length } = text;
  if (length < REFERRING_LENGTH_MIN) return { text, bytes: STRING_BYTES + 2 * length };
  if (length <= SCRATCH_LENGTH_MAX) {
    // One byte per code unit means ASCII only, and ASCII is the same in Latin-1.
    if (scratch.write(text, 0, "utf8") === length) {
      return { text: scratch.toString("latin1", 0, length), bytes: STRING_BYTES + length };
    }
  } else if (Buffer.byteLength(text) === length) {
    return { text: copy(text, "latin1"), bytes: STRING_BYTES + length };
  }
  // Not through UTF-8, which would change lone surrogates.
  return { text: copy(text, "utf16le"), bytes: STRING_BYTES + 2 * length };
}

function copy(text: string, encoding: "latin1" | "utf16le"): string {
  return Buffer.from(text, encoding).toString(encoding);
}

/** Maximum number of names that are remembered, and maximum length of one: about 100 kB. */
const NAMES_MAX = 256;
const NAME_LENGTH_MAX = 200;

/** Makes own texts of names that recur, one copy each. */
export class OwnNames {
  readonly #known = new Map<string, OwnText>();

  of(name: string): OwnText {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const own = ownText(name);
    if (name.length > NAME_LENGTH_MAX) return own;
    if (this.#known.size >= NAMES_MAX) this.#known.clear();
    this.#known.set(own.text, own);
    return own;
  }
}
