/**
 * Reads JSON text without building its value: checks that it is JSON (RFC 8259) and finds where its
 * parts end.
 *
 * `JSON.parse` checks too, but builds everything that a stranger sends: 8 MB of nested arrays take
 * it seconds, and this scanner a tenth of a second.
 */
export class JsonScanner {
  /** Where the next character is read. */
  at = 0;
  /** How many blanks between tokens have been passed. */
  blanks = 0;

  /** The closing brackets of a value that are due, the innermost last; empty between two values. */
  readonly #closers: number[] = [];

  constructor(readonly text: string) {}

  /** The code unit at `at`; NaN after the end. */
  get next(): number {
    return this.text.charCodeAt(this.at);
  }

  skipBlanks(): void {
    // Mostly there are none, and one comparison tells.
    while (this.next <= SPACE && isBlank(this.next)) {
      this.at++;
      this.blanks++;
    }
  }

  /** Nothing but blanks is left. @throws {SyntaxError} if something is. */
  end(): void {
    this.skipBlanks();
    if (this.at < this.text.length) this.fail();
  }

  /** @throws {SyntaxError} if another character comes next. */
  expect(code: number): void {
    if (this.next !== code) this.fail();
    this.at++;
  }

  /** Skips a member's name, the colon and the blanks around it. @returns the name. */
  key(): string {
    const start = this.at;
    const escaped = this.string();
    const end = this.at;
    this.skipBlanks();
    this.expect(COLON);
    this.skipBlanks();
    if (escaped) return JSON.parse(this.text.slice(start, end)) as string;
    return this.text.slice(start + 1, end - 1);
  }

  /** Skips one value of any depth, without recursion. @throws {SyntaxError} if there is none. */
  value(): void {
    const code = this.next;
    if (code !== OPEN_BRACE && code !== OPEN_BRACKET) {
      this.#scalar(code);
      return;
    }
    const closers = this.#closers;
    for (;;) {
      if (!this.#open(closers)) this.#close(closers);
      if (closers.length === 0) return;
      if (closers.at(-1) === CLOSE_BRACE) this.#skipKey();
    }
  }

  /**
   * Skips an array or an object, whose opening bracket comes next: calls `read`, which is to pass
   * the element or the member, at each of them, up to the closing bracket or up to one at which it
   * answers false. @returns whether it came to the closing bracket.
   */
  each(read: () => unknown): boolean {
    const closer = this.next === OPEN_BRACE ? CLOSE_BRACE : CLOSE_BRACKET;
    this.at++;
    this.skipBlanks();
    if (this.next !== closer) {
      for (;;) {
        if (read() === false) return false;
        this.skipBlanks();
        if (this.next !== COMMA) break;
        this.at++;
        this.skipBlanks();
      }
    }
    this.expect(closer);
    return true;
  }

  /** Reads a string. */
  stringValue(): string {
    const { text, at: start } = this;
    const escaped = this.string();
    if (escaped || this.at - start > SLICED_LENGTH_MAX) {
      return JSON.parse(text.slice(start, this.at)) as string;
    }
    return text.slice(start + 1, this.at - 1);
  }

  /** Skips a value's first token. @returns whether it opened one that has members still to come. */
  #open(closers: number[]): boolean {
    const code = this.next;
    if (code !== OPEN_BRACE && code !== OPEN_BRACKET) {
      this.#scalar(code);
      return false;
    }
    this.at++;
    this.skipBlanks();
    const closer = code === OPEN_BRACE ? CLOSE_BRACE : CLOSE_BRACKET;
    if (this.next === closer) {
      this.at++;
      return false;
    }
    closers.push(closer);
    return true;
  }

  /** A value is complete: skips the brackets that it completes, and the comma before the next one. */
  #close(closers: number[]): void {
    while (closers.length > 0) {
      this.skipBlanks();
      const code = this.next;
      this.at++;
      if (code === COMMA) {
        this.skipBlanks();
        return;
      }
      if (code !== closers.pop()) this.fail();
    }
  }

  #skipKey(): void {
    this.string();
    this.skipBlanks();
    this.expect(COLON);
    this.skipBlanks();
  }

  #scalar(code: number): void {
    if (code === QUOTE) this.string();
    else if (code === LETTER_T) this.#word("true");
    else if (code === LETTER_F) this.#word("false");
    else if (code === LETTER_N) this.#word("null");
    else this.#number();
  }

  #word(word: string): void {
    if (!this.text.startsWith(word, this.at)) this.fail();
    this.at += word.length;
  }

  /** Skips a string. @returns whether it holds an escape. */
  string(): boolean {
    const { text } = this;
    this.expect(QUOTE);
    let { at } = this;
    let escaped = false;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) break;
      if (code === BACKSLASH) {
        escaped = true;
        this.at = at;
        this.#escape();
        at = this.at;
      } else if (code >= SPACE) {
        at++;
      } else {
        // A control character, or the NaN after the end.
        this.at = at;
        this.fail();
      }
    }
    this.at = at + 1;
    return escaped;
  }

  #escape(): void {
    this.at++;
    const letter = this.text.charAt(this.at);
    this.at++;
    if (letter === "u") {
      for (let digits = 0; digits < 4; digits++) {
        if (!isHexDigit(this.next)) this.fail();
        this.at++;
      }
    } else if (letter === "" || !'"\\/bfnrt'.includes(letter)) {
      this.fail();
    }
  }

  #number(): void {
    if (this.next === MINUS) this.at++;
    if (this.next === DIGIT_0) this.at++;
    else this.#digits();
    if (this.next === DOT) {
      this.at++;
      this.#digits();
    }
    if (isOneOf(this.next, LETTER_E, LETTER_UPPER_E)) {
      this.at++;
      if (isOneOf(this.next, PLUS, MINUS)) this.at++;
      this.#digits();
    }
  }

  /** One or more. */
  #digits(): void {
    const { text } = this;
    let { at } = this;
    if (!isDigit(text.charCodeAt(at))) this.fail();
    while (isDigit(text.charCodeAt(at))) at++;
    this.at = at;
  }

  /** The message names the place only: payloads belong in no log. */
  fail(): never {
    throw new SyntaxError(`not JSON at position ${this.at}`);
  }
}

/** Valid JSON without the blanks between its tokens. */
export function compactJson(text: string): string {
  const scanner = new JsonScanner(text);
  const pieces: string[] = [];
  let kept = 0;
  while (scanner.at < text.length) {
    if (scanner.next === QUOTE) {
      scanner.string();
    } else if (isBlank(scanner.next)) {
      pieces.push(text.slice(kept, scanner.at));
      scanner.skipBlanks();
      kept = scanner.at;
    } else {
      scanner.at++;
    }
  }
  pieces.push(text.slice(kept));
  return pieces.join("");
}

/**
 * A longer string, quotes included, is parsed even if it has no escape: names outlive the request,
 * and a long slice may keep all of its text in memory.
 */
const SLICED_LENGTH_MAX = 14;

const TAB = 0x09;
const LINE_FEED = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
export const QUOTE = 0x22;
const PLUS = 0x2b;
export const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const COLON = 0x3a;
const LETTER_UPPER_E = 0x45;
export const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
export const CLOSE_BRACKET = 0x5d;
const LETTER_E = 0x65;
const LETTER_F = 0x66;
const LETTER_N = 0x6e;
const LETTER_T = 0x74;
export const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** JSON knows four blanks (RFC 8259, section 2). */
function isBlank(code: number): boolean {
  return code === SPACE || code === LINE_FEED || code === RETURN || code === TAB;
}

function isOneOf(code: number, one: number, other: number): boolean {
  return code === one || code === other;
}

function isDigit(code: number): boolean {
  return code >= DIGIT_0 && code <= DIGIT_9;
}

function isHexDigit(code: number): boolean {
  const lower = code | 0x20;
  return isDigit(code) || (lower >= 0x61 && lower <= 0x66);
}
