/*
 * JSON without loss, to compare texts by: numbers as they are written, object members in their
 * order with every duplicate, strings with their escapes undone. Any depth, so nothing recurses.
 */

const TOKEN = /[ \t\n\r]*("(?:[^"\\]|\\.)*"|[{}[\],:]|[^ \t\n\r"{}[\],:]+)/y;

/**
 * The text as it would be with no blanks and each string written in the one usual way.
 *
 * @throws {SyntaxError} where `text` is not one JSON value.
 */
export function exactText(text: string): string {
  return normalized(tokensOf(text));
}

/** The same value with these blanks between its tokens, over and over. */
export function withBlanks(text: string, blanks: readonly string[]): string {
  return tokensOf(text)
    .map((token, at) => token + (blanks[at % blanks.length] ?? ""))
    .join("");
}

/**
 * `exactText` of the value at a path, for instance `exactMember(text, "payload", 0)`.
 *
 * @throws where there is none.
 */
export function exactMember(text: string, ...path: readonly (string | number)[]): string {
  let tokens = tokensOf(text);
  for (const step of path) {
    const children = childrenOf(tokens);
    const found =
      typeof step === "number"
        ? children[step]
        : children.find(({ key }) => key !== undefined && JSON.parse(key) === step);
    if (found === undefined) throw new Error(`no ${JSON.stringify(path)} in ${text}`);
    tokens = found.value;
  }
  return normalized(tokens);
}

function normalized(tokens: readonly string[]): string {
  return tokens
    .map((token) => (token.startsWith('"') ? JSON.stringify(JSON.parse(token)) : token))
    .join("");
}

function tokensOf(text: string): string[] {
  JSON.parse(text);
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    tokens.push(match[1] as string);
  }
  return tokens;
}

interface Child {
  /** Of an object's member, as it is written. */
  readonly key: string | undefined;
  readonly value: string[];
}

/** An array's elements or an object's members. */
function childrenOf(tokens: readonly string[]): Child[] {
  const isObject = tokens[0] === "{";
  const children: Child[] = [];
  let at = 1;
  while (at < tokens.length - 1) {
    const start = isObject ? at + 2 : at;
    const end = endOfValue(tokens, start);
    children.push({ key: isObject ? tokens[at] : undefined, value: tokens.slice(start, end) });
    at = end + 1; // behind the comma
  }
  return children;
}

function endOfValue(tokens: readonly string[], start: number): number {
  let depth = 0;
  for (let at = start; ; at++) {
    const token = tokens[at];
    if (token === "{" || token === "[") depth++;
    else if (token === "}" || token === "]") depth--;
    if (depth === 0) return at + 1;
  }
}
