import { compactJson, JsonScanner, OPEN_BRACE, OPEN_BRACKET } from "./json-scanner.js";

/**
 * JSON kept as text.
 *
 * The `data` of a push must reach the answer and every client exactly as it was sent: a 64-bit id or
 * a long decimal would lose digits in a JavaScript number, and a `__proto__` key would be lost in
 * a JavaScript object. So the text itself is the value. It is parsed only on request.
 */
export class Json {
  private constructor(
    /** One valid JSON value without insignificant white space. */
    readonly text: string,
  ) {}

  static readonly null = new Json("null");
  static readonly emptyObject = new Json("{}");

  /** @throws {SyntaxError} if `text` is not one JSON value (RFC 8259). */
  static parse(text: string): Json {
    const scanner = new JsonScanner(text);
    scanner.skipBlanks();
    const json = Json.read(scanner);
    scanner.end();
    return json;
  }

  /**
   * The JSON of a JavaScript value, as `JSON.stringify` writes it.
   *
   * @throws {TypeError} if the value has none: undefined, a function, a cycle, a BigInt.
   */
  static of(value: unknown): Json {
    const text: string | undefined = JSON.stringify(value);
    if (text === undefined) throw new TypeError(`${typeof value} has no JSON form`);
    return new Json(text);
  }

  /**
   * The JSON whose `text` was taken from another Json and stored. The text is not checked: anything
   * else would reach clients as it is.
   */
  static trusted(text: string): Json {
    return new Json(text);
  }

  /** Parses the text at each call. Numbers beyond 2^53 lose digits here, and only here. */
  value(): unknown {
    return JSON.parse(this.text);
  }

  /** As `value`, but an array or an object stays Json: building what a stranger nests can take seconds. */
  shallowValue(): unknown {
    return /^[[{]/.test(this.text) ? this : this.value();
  }

  /**
   * The elements of an array; undefined for any other value.
   *
   * @param max read no more than that: a stranger's array can have millions
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
   * The `wanted` members of a JSON object, each as text; undefined if `text` is another JSON value.
   * The first of several equal keys counts, as in PushEx.
   *
   * @throws {SyntaxError} if `text` is not JSON.
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
   * The first of the `wanted` names that a JSON object has twice; undefined if there is none, or if
   * `text` is another JSON value.
   *
   * @throws {SyntaxError} if `text` is not JSON.
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
   * The elements of a JSON array, each as text; undefined if `text` is another JSON value.
   *
   * @throws {SyntaxError} if `text` is not JSON.
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

  /** Reads the next value. @throws {SyntaxError} if there is none. */
  static read(scanner: JsonScanner): Json {
    const { at, blanks } = scanner;
    scanner.value();
    const text = scanner.text.slice(at, scanner.at);
    return new Json(scanner.blanks === blanks ? text : compactJson(text));
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what JSON.stringify escapes.
const NEEDS_ESCAPE = /["\\\0-\x1f\ud800-\udfff]/;

/** Whether the JSON of the text is more than the text between quotes. */
export function needsEscape(text: string): boolean {
  return NEEDS_ESCAPE.test(text);
}

/** The JSON of a text, as `JSON.stringify` writes it; faster for most names. */
export function quoted(text: string): string {
  return needsEscape(text) ? JSON.stringify(text) : `"${text}"`;
}
