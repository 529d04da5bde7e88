/**
 * JSON kept as text.
 *
 * A push's `data` must reach the answer and every client exactly as it was sent: a 64-bit id or
 * a long decimal would lose digits in a JavaScript number, and a `__proto__` key would be lost in
 * a JavaScript object. So the text itself is the value, and it is parsed only for who asks.
 */
export class Json {
  private constructor(
    /** One valid JSON value without insignificant white space. */
    readonly text: string,
  ) {}

  static readonly null = new Json("null");
  static readonly emptyObject = new Json("{}");

  /** @throws {SyntaxError} where `text` is not one JSON value (RFC 8259). */
  static parse(text: string): Json {
    JSON.parse(text);
    return new Json(compact(text));
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

  /** Parsed afresh at each call; numbers beyond 2^53 lose digits here, and only here. */
  value(): unknown {
    return JSON.parse(this.text);
  }

  toString(): string {
    return this.text;
  }

  toJSON(): unknown {
    return this.value();
  }

  /**
   * The members of a JSON object, each as text; undefined where `text` is another JSON value.
   * Of duplicate keys the first counts, as with PushEx.
   *
   * @throws {SyntaxError} where `text` is not JSON.
   */
  static members(text: string): Map<string, Json> | undefined {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return undefined;
    const members = new Map<string, Json>();
    let at = skipBlank(text, skipBlank(text, 0) + 1);
    while (text.charCodeAt(at) !== CLOSE_BRACE) {
      const keyEnd = skipString(text, at);
      const key: string = JSON.parse(text.slice(at, keyEnd));
      const valueStart = skipBlank(text, skipBlank(text, keyEnd) + 1);
      const valueEnd = skipValue(text, valueStart);
      if (!members.has(key)) members.set(key, new Json(compact(text.slice(valueStart, valueEnd))));
      at = skipBlank(text, valueEnd);
      if (text.charCodeAt(at) === COMMA) at = skipBlank(text, at + 1);
    }
    return members;
  }

  /**
   * The elements of a JSON array, each as text; undefined where `text` is another JSON value.
   *
   * @throws {SyntaxError} where `text` is not JSON.
   */
  static elements(text: string): Json[] | undefined {
    if (!Array.isArray(JSON.parse(text))) return undefined;
    const elements: Json[] = [];
    let at = skipBlank(text, skipBlank(text, 0) + 1);
    while (text.charCodeAt(at) !== CLOSE_BRACKET) {
      const end = skipValue(text, at);
      elements.push(new Json(compact(text.slice(at, end))));
      at = skipBlank(text, end);
      if (text.charCodeAt(at) === COMMA) at = skipBlank(text, at + 1);
    }
    return elements;
  }
}

/*
 * The scanner below runs on text that JSON.parse has accepted, so it looks for the ends of values
 * and checks nothing.
 */

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** JSON knows four blanks (RFC 8259, section 2): space, tab, line feed, carriage return. */
function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

function skipBlank(text: string, from: number): number {
  let at = from;
  while (isBlank(text.charCodeAt(at))) at++;
  return at;
}

/** From a string's opening quote to behind its closing one. */
function skipString(text: string, from: number): number {
  let at = from;
  for (;;) {
    at = text.indexOf('"', at + 1);
    let escapes = at - 1;
    while (text.charCodeAt(escapes) === BACKSLASH) escapes--;
    if ((at - escapes) % 2 === 1) return at + 1;
  }
}

function skipValue(text: string, from: number): number {
  const first = text.charCodeAt(from);
  if (first === QUOTE) return skipString(text, from);
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) return skipLiteral(text, from);
  let depth = 0;
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = skipString(text, at);
      continue;
    }
    at++;
    if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++;
    else if ((code === CLOSE_BRACE || code === CLOSE_BRACKET) && --depth === 0) return at;
  }
}

/** A number, true, false or null ends at a blank, a comma, a closing bracket or the text's end. */
function skipLiteral(text: string, from: number): number {
  let at = from;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || isBlank(code)) break;
    at++;
  }
  return at;
}

/** Without the blanks between tokens; the text itself where there are none. */
function compact(text: string): string {
  let result = "";
  let kept = 0;
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = skipString(text, at);
    } else if (isBlank(code)) {
      result += text.slice(kept, at);
      at = skipBlank(text, at);
      kept = at;
    } else {
      at++;
    }
  }
  return kept === 0 ? text : result + text.slice(kept);
}
