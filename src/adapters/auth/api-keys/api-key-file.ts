import { readFileSync } from "node:fs";
import { type ApiKey, type ApiKeyScope, checkApiKeys } from "./api-key.js";

/**
 * Reads a file of API keys in UTF-8, one key per line:
 *
 *     # comment
 *     KEY
 *     KEY name=backend channels=orders.*,news scopes=push+read
 *
 * Words are separated by blanks, and patterns by commas. If names or patterns contain those, or a
 * key begins with `#`, the file can hold a JSON array of `ApiKey` instead. It is read as JSON if its
 * first character that is not a blank is `[` or `{`.
 *
 * @throws {TypeError} with one line that names the file, the place in it, and the fault; it quotes
 * no part of a key.
 */
export function readApiKeyFile(path: string): ApiKey[] {
  const text = readText(path);
  const { keys, place } = /^\s*[[{]/.test(text) ? readJson(path, text) : readLines(path, text);
  if (keys.length === 0) throw new TypeError(`${path} holds no key`);
  checkApiKeys(keys, place);
  return keys;
}

interface Entries {
  readonly keys: ApiKey[];
  readonly place: (index: number) => string;
}

function readText(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const { code = "unknown error" } = error as NodeJS.ErrnoException;
    throw new TypeError(`cannot read ${path} (${code})`);
  }
  try {
    // The decoder removes a byte order mark.
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new TypeError(`${path} is not UTF-8`);
  }
}

function readJson(path: string, text: string): Entries {
  let keys: unknown;
  try {
    keys = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text.
    throw new TypeError(`${path} is not valid JSON`);
  }
  if (!Array.isArray(keys)) throw new TypeError(`${path} must hold a JSON array of keys`);
  return { keys, place: (index) => `${path}, entry ${index + 1}` };
}

function readLines(path: string, text: string): Entries {
  const keys: ApiKey[] = [];
  const numbers: number[] = [];
  for (const [index, line] of text.split(/\r\n|\r|\n/).entries()) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    keys.push(readLine(trimmed, `${path}, line ${index + 1}`));
    numbers.push(index + 1);
  }
  return { keys, place: (index) => `${path}, line ${numbers[index]}` };
}

/** No message quotes a word, not even the name of an attribute: it may be a key. */
function readLine(line: string, where: string): ApiKey {
  const [key = "", ...attributes] = line.split(/\s+/);
  if (/^(?:name|channels|scopes)=/.test(key)) {
    throw new TypeError(`${where}: must begin with the key`);
  }
  const entry: { key: string; name?: string; channels?: string[]; scopes?: ApiKeyScope[] } = {
    key,
  };
  for (const attribute of attributes) {
    const [, member, value = ""] = /^(name|channels|scopes)=(.*)$/.exec(attribute) ?? [];
    if (member !== "name" && member !== "channels" && member !== "scopes") {
      throw new TypeError(
        `${where}: only name=NAME, channels=PATTERN,PATTERN and scopes=SCOPE+SCOPE may follow a key`,
      );
    }
    if (entry[member] !== undefined) throw new TypeError(`${where}: has ${member}= twice`);
    if (member === "name") entry.name = value;
    else if (member === "channels") entry.channels = value.split(",");
    // Checked with the rest of the entry.
    else entry.scopes = value.split("+") as ApiKeyScope[];
  }
  return entry;
}
