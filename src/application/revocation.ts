import { nameFault } from "../domain/name.js";

/**
 * Which tokens are revoked. Times are in seconds since 1970.
 *
 * - `tokenId`: the token with this `jti`.
 * - `subject` with `issuedBefore`: the tokens with this `sub`, issued at that time or before.
 * - `issuedBefore` alone: all tokens issued before that time.
 *
 * A token without `iat` counts as issued before any time.
 */
export interface Revocation {
  readonly subject?: string;
  readonly tokenId?: string;
  readonly issuedBefore?: number;
  /** When it is forgotten, because the last token that it covers has expired by then. */
  readonly until?: number;
}

/** A revocation before it is checked. */
export type RevocationInput = { readonly [K in keyof Revocation]?: unknown };

export type RevocationResult =
  | { readonly ok: true; readonly revocation: Revocation }
  | { readonly ok: false; readonly message: string };

/** Maximum length of a subject and a token id, in bytes of UTF-8. */
export const REVOKED_NAME_BYTES_MAX = 1024;

/** Times from here on are refused: they are milliseconds, and would revoke future tokens. */
export const REVOCATION_TIME_END = 100_000_000_000;

/** Names of the members in JSON: in requests, answers and the file. */
const JSON_NAMES = {
  subject: "subject",
  tokenId: "token_id",
  issuedBefore: "issued_before",
  until: "until",
} as const satisfies Record<keyof Revocation, string>;

const MEMBERS = Object.keys(JSON_NAMES) as (keyof Revocation)[];

/**
 * Reads a revocation's members from parsed JSON. An unknown member is an error: a misspelt `subject`
 * must not revoke everybody's tokens.
 */
export function revocationInput(
  json: unknown,
):
  | { readonly ok: true; readonly input: RevocationInput }
  | { readonly ok: false; readonly message: string } {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return invalid("it must be a JSON object");
  }
  const names: readonly string[] = Object.values(JSON_NAMES);
  if (Object.keys(json).some((name) => !names.includes(name))) {
    return invalid(`it may hold ${names.join(", ")}, and nothing else`);
  }
  const given = json as Record<string, unknown>;
  const input: Record<string, unknown> = {};
  for (const member of MEMBERS) {
    if (Object.hasOwn(given, JSON_NAMES[member])) input[member] = given[JSON_NAMES[member]];
  }
  return { ok: true, input };
}

/** The revocation with its members named as in JSON. */
export function revocationJson(revocation: Revocation): Record<string, string | number> {
  const json: Record<string, string | number> = {};
  for (const member of MEMBERS) {
    const value = revocation[member];
    if (value !== undefined) json[JSON_NAMES[member]] = value;
  }
  return json;
}

/** Checks and normalises. The message names members as in JSON and contains no values. */
export function checkRevocation(input: RevocationInput, now: number): RevocationResult {
  const { subject, tokenId, issuedBefore, until } = input;
  const faults = [
    nameValueFault("subject", subject),
    nameValueFault("token_id", tokenId),
    timeFault("issued_before", issuedBefore),
    timeFault("until", until),
  ].filter((fault) => fault !== undefined);
  if (faults.length > 0) return invalid(faults.join("; "));
  const end = until === undefined ? {} : { until: until as number };
  if (tokenId !== undefined) {
    if (subject !== undefined || issuedBefore !== undefined) {
      return invalid("token_id stands alone, without subject and issued_before");
    }
    return { ok: true, revocation: { tokenId: tokenId as string, ...end } };
  }
  if (subject === undefined && issuedBefore === undefined) {
    return invalid("one of subject, token_id, issued_before is required");
  }
  const time = { issuedBefore: (issuedBefore ?? now) as number };
  const whose = subject === undefined ? {} : { subject: subject as string };
  return { ok: true, revocation: { ...whose, ...time, ...end } };
}

/** Why a subject or a token id is invalid, as text that follows its name; undefined is valid. */
export function tokenNameFault(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "string") return "must be a string";
  if (value === "") return "must not be empty";
  return nameFault(value, REVOKED_NAME_BYTES_MAX);
}

function nameValueFault(name: string, value: unknown): string | undefined {
  const fault = tokenNameFault(value);
  return fault === undefined ? undefined : `${name} ${fault}`;
}

function timeFault(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "number" && value >= 0 && value < REVOCATION_TIME_END) return undefined;
  return `${name} must be a number of seconds since 1970`;
}

function invalid(what: string): { readonly ok: false; readonly message: string } {
  return { ok: false, message: `Invalid revocation: ${what}.` };
}
