import { compactJson, JsonScanner, OPEN_BRACE, OPEN_BRACKET } from "./json-scanner.js";

/**
 * JSON kept as text.
 *
 * A push's `data` must reach the answer and every client exactly as it was sent: a 64-bit id or
 * a long decimal would lose digits in a JavaScript number, and a `__proto__` key would be lost in
 * a JavaScript object. So the text itself is the value, and it is parsed only for who asks.
 */
export class Json {
  /** No part of the value: equal JSON is equal wherever its text comes from. */
  readonly #isOwn: boolean;

  private constructor(
    /** One valid JSON value without insignificant white space. */
    readonly text: string,
    isOwn = false,
  ) {
    this.#isOwn = isOwn;
  }

  /** Whether the text is known to hold no other text in memory, as a part of one does. */
  get isOwn(): boolean {
    return this.#isOwn;
  }

  static readonly null = new Json("null");
  static readonly emptyObject = new Json("{}");

  /** @throws {SyntaxError} where `text` is not one JSON value (RFC 8259). */
  static parse(text: string): Json {
    const scanner = new JsonScanner(text);
    scanner.skipBlanks();
    const json = Json.read(scanner);
    scanner.end();
    return json;
  }

  /**
   * The JSON of a JavaScript value, as `JSON.stringify` has it.
   *
   * @throws {TypeError} where the value has none: undefined, a function, a cycle, a BigInt.
   */
  static of(value: unknown): Json {
    const text: string | undefined = JSON.stringify(value);
    if (text === undefined) throw new TypeError(`${typeof value} has no JSON form`);
    return new Json(text);
  }

  /**
   * The same JSON over a string of the caller's own, for who keeps it long: `text` may be a part of
   * a request's body, and would keep all of that in memory.
   *
   * @throws {RangeError} where the string is not the same text.
   */
  over(text: string): Json {
    if (text !== this.text) throw new RangeError("the text is another one");
    return Json.again(text);
  }

  /**
   * The JSON of a text that was a Json's, for who kept no more than that of it. It is not looked at:
   * any other text would go out to clients as it is.
   */
  static again(text: string): Json {
    return new Json(text, true);
  }

  /** Parsed afresh at each call; numbers beyond 2^53 lose digits here, and only here. */
  value(): unknown {
    return JSON.parse(this.text);
  }

  /** As `value`, but an array or an object stays Json: to build what a stranger nests can take seconds. */
  shallowValue(): unknown {
    return /^[[{]/.test(this.text) ? this : this.value();
  }

  /**
   * The elements of an array; undefined of another value.
   *
   * @param max no more are looked at: a stranger's array can have millions
   */
  elements(max = Number.POSITIVE_INFINITY): Json[] | undefined {
    const scanner = new JsonScanner(this.text);
    if (scanner.next !== OPEN_BRACKET) return undefined;
    const elements: Json[] = [];
    if (max === 0) return elements;
    scanner.each(() => elements.push(Json.read(scanner)) < max);
    return elements;
  }

  toString(): string {
    return this.text;
  }

  toJSON(): unknown {
    return this.value();
  }

  /**
   * Those members of a JSON object that are `wanted`, each as text; undefined where `text` is
   * another JSON value. Of duplicate keys the first counts, as with PushEx.
   *
   * @throws {SyntaxError} where `text` is not JSON.
   */
  static members<K extends string>(text: string, wanted: readonly K[]): Map<K, Json> | undefined {
    const scanner = new JsonScanner(text);
    scanner.skipBlanks();
    if (scanner.next !== OPEN_BRACE) return Json.#noneIn(scanner);
    const members = new Map<K, Json>();
    scanner.each(() => {
      const key = scanner.key() as K;
      if (!wanted.includes(key) || members.has(key)) scanner.value();
      else members.set(key, Json.read(scanner));
    });
    scanner.end();
    return members;
  }

  /**
   * The first of the `wanted` names that a JSON object has twice; undefined where it has none, and
   * where `text` is another JSON value.
   *
   * @throws {SyntaxError} where `text` is not JSON.
   */
  static repeatedMember(text: string, wanted: readonly string[]): string | undefined {
    const scanner = new JsonScanner(text);
    scanner.skipBlanks();
    if (scanner.next !== OPEN_BRACE) return Json.#noneIn(scanner);
    const seen = new Set<string>();
    let repeated: string | undefined;
    scanner.each(() => {
      const key = scanner.key();
      if (seen.has(key)) repeated ??= key;
      else if (wanted.includes(key)) seen.add(key);
      scanner.value();
    });
    scanner.end();
    return repeated;
  }

  /**
   * The elements of a JSON array, each as text; undefined where `text` is another JSON value.
   *
   * @throws {SyntaxError} where `text` is not JSON.
   */
  static elements(text: string): Json[] | undefined {
    const scanner = new JsonScanner(text);
    scanner.skipBlanks();
    if (scanner.next !== OPEN_BRACKET) return Json.#noneIn(scanner);
    const elements: Json[] = [];
    scanner.each(() => elements.push(Json.read(scanner)));
    scanner.end();
    return elements;
  }

  static #noneIn(scanner: JsonScanner): undefined {
    scanner.value();
    scanner.end();
  }

  /** The value that comes next. @throws {SyntaxError} where none does. */
  static read(scanner: JsonScanner): Json {
    const { at, blanks } = scanner;
    scanner.value();
    const text = scanner.cut(at, scanner.at);
    const isCompact = scanner.blanks === blanks;
    return new Json(isCompact ? text : compactJson(text), isCompact && scanner.cutsOwn);
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what JSON.stringify escapes.
const NEEDS_ESCAPE = /["\\\0-\x1f\ud800-\udfff]/;

/** Whether the JSON of the text is other than itself between quotes. */
export function needsEscape(text: string): boolean {
  return NEEDS_ESCAPE.test(text);
}

/** The JSON of a text, as `JSON.stringify` has it: most names are it between quotes. */
export function quoted(text: string): string {
  return needsEscape(text) ? JSON.stringify(text) : `"${text}"`;
}
