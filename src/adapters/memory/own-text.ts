import { PART_LENGTH_MIN } from "../../domain/json-scanner.js";

/** A string's header, and what its length is rounded up to. */
const STRING_BYTES = 24;

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
  const encoding = isAscii(text) ? "latin1" : "utf16le";
  return { text: Buffer.from(text, encoding).toString(encoding), bytes: ownBytes(text) };
}

/** What the text takes in memory that is its own, by the same estimate. */
export function ownBytes(text: string): number {
  return STRING_BYTES + (isAscii(text) ? text.length : 2 * text.length);
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length;
}

/** Most names that are remembered at a time, and the most characters of one: some 100 kB. */
const NAMES_MAX = 256;
const NAME_LENGTH_MAX = 200;

/** Own texts for names of which the same few come again and again, each made once. */
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
