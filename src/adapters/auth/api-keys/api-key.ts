import { hash } from "node:crypto";
import type { OperatorRight } from "../../../domain/auth-policy.js";
import { ChannelPatterns } from "../../../domain/channel-pattern.js";

/** A key as itself or as `sha256:` and the hexadecimal SHA-256 of its UTF-8 bytes. */
export type ApiKey = string | LimitedApiKey;

export interface LimitedApiKey {
  readonly key: string;
  /**
   * The name of its user in traces and logs; 1 to 100 characters, no control characters.
   * @defaultValue "key " and the first 8 hexadecimal digits of its SHA-256
   */
  readonly name?: string | undefined;
  /**
   * Patterns (see `ChannelPattern`) of the channels that it may push to and read.
   * @defaultValue all
   */
  readonly channels?: readonly string[] | undefined;
  /** What it may do. "operate" cannot be limited to channels. @defaultValue ["push"] */
  readonly scopes?: readonly ApiKeyScope[] | undefined;
}

/** "push" sends; "read" and "operate" are the rights of an operator (see `OperatorRight`). */
export type ApiKeyScope = "push" | OperatorRight;

/** A checked key. */
export interface KnownApiKey {
  /** The key in ASCII; undefined if it was given as its SHA-256. */
  readonly text: Buffer | undefined;
  /** Its SHA-256: the hexadecimal digits as ASCII, in lower case. */
  readonly digest: Buffer;
  /** One object for everything that the key is allowed. */
  readonly decision: { readonly allow: true; readonly by: string };
  /** Undefined if the key is not limited to channels. */
  readonly channels: ChannelPatterns | undefined;
  readonly scopes: ReadonlySet<ApiKeyScope>;
}

const HASHED = /^sha256:([0-9a-f]{64})$/i;
const MEMBERS: ReadonlySet<string> = new Set(["key", "name", "channels", "scopes"]);
const SCOPES: readonly unknown[] = ["push", "read", "operate"] satisfies ApiKeyScope[];
/** A key may be held by every backend, so it gives nothing but the right to push. */
const DEFAULT_SCOPES: readonly ApiKeyScope[] = ["push"];
const NAME_LENGTH_MAX = 100;

/** 64 digits. As text and in one call: a hash object or bytes would cost more than the rest of the policy. */
export function sha256Hex(text: string): string {
  return hash("sha256", text, "hex");
}

/**
 * @param place names the entry at an index in messages
 * @throws {TypeError} with one line about the first invalid entry; it quotes no part of a key.
 */
export function checkApiKeys(
  keys: readonly ApiKey[],
  place: (index: number) => string = (index) => `key ${index + 1}`,
): KnownApiKey[] {
  if (keys.length === 0) throw new TypeError("needs at least one API key");
  const seen = { key: new Map<string, number>(), name: new Map<string, number>() };

  return keys.map((entry, index) => {
    const fail = (what: string): never => {
      throw new TypeError(`${place(index)}: ${what}`);
    };
    const once = (what: "key" | "name", value: string): void => {
      const before = seen[what].get(value);
      if (before !== undefined) fail(`has the same ${what} as ${place(before)}`);
      seen[what].set(value, index);
    };

    const { key, name, channels, scopes } = membersOf(entry, fail);
    const hex = digestOf(key, fail);
    once("key", hex);
    const by = nameOf(name, fail) ?? `key ${hex.slice(0, 8)}`;
    once("name", by);
    const limit = limitOf(channels, fail);
    const scopeSet = scopesOf(scopes, fail);
    if (limit !== undefined && scopeSet.has("operate")) {
      fail('the scope "operate" concerns the whole server, so the key must not have channels');
    }
    const isText = typeof key === "string" && !HASHED.test(key);
    return {
      text: isText ? Buffer.from(key, "latin1") : undefined,
      digest: Buffer.from(hex, "latin1"),
      decision: Object.freeze({ allow: true as const, by }),
      channels: limit,
      scopes: scopeSet,
    };
  });
}

type Fail = (what: string) => never;

/** Keys from a file can have any form. */
function membersOf(entry: unknown, fail: Fail): { [K in keyof LimitedApiKey]?: unknown } {
  if (typeof entry === "string") return { key: entry };
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) {
    return fail("must be a string or an object");
  }
  // The message does not quote the member: it may be a key in the wrong place.
  if (!Object.keys(entry).every((member) => MEMBERS.has(member))) {
    return fail("has a member other than key, name, channels and scopes");
  }
  return entry;
}

function digestOf(key: unknown, fail: Fail): string {
  if (typeof key !== "string") return fail("the key must be a string");
  const hashed = HASHED.exec(key);
  if (hashed?.[1] !== undefined) return hashed[1].toLowerCase();
  if (/^sha256:/i.test(key)) return fail('"sha256:" must be followed by 64 hexadecimal digits');
  if (!/^[\x21-\x7e]+$/.test(key)) {
    return fail("must be one or more printable ASCII characters, no blanks");
  }
  return sha256Hex(key);
}

function nameOf(name: unknown, fail: Fail): string | undefined {
  if (name === undefined) return undefined;
  const isName =
    typeof name === "string" &&
    name.length > 0 &&
    name.length <= NAME_LENGTH_MAX &&
    name.isWellFormed() &&
    !/\p{Cc}/u.test(name);
  return isName
    ? name
    : fail(`the name must be 1 to ${NAME_LENGTH_MAX} characters, no control characters`);
}

/** An empty list is rejected: it could be taken for no limit or for no channel. */
function limitOf(channels: unknown, fail: Fail): ChannelPatterns | undefined {
  if (channels === undefined) return undefined;
  const isList =
    Array.isArray(channels) &&
    channels.length > 0 &&
    Array.from(channels).every((pattern) => typeof pattern === "string" && pattern !== "");
  if (!isList) return fail("the channels must be a list of one or more patterns, none empty");
  const patterns = new ChannelPatterns(channels);
  return patterns.isEverything ? undefined : patterns;
}

function scopesOf(scopes: unknown, fail: Fail): ReadonlySet<ApiKeyScope> {
  if (scopes === undefined) return new Set(DEFAULT_SCOPES);
  const isList =
    Array.isArray(scopes) &&
    scopes.length > 0 &&
    Array.from(scopes).every((scope) => SCOPES.includes(scope));
  return isList ? new Set(scopes) : fail("the scopes must be one or more of push, read, operate");
}
