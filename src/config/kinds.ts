import * as z from "zod";
import type { ChannelRule } from "../application/channel-rules.js";

export interface ApiKeySetting {
  readonly key: string;
  /** The name of the key in the trace of a push. */
  readonly name?: string | undefined;
  /** Patterns of the channels that it may push to and read. @defaultValue all channels */
  readonly channels?: readonly string[] | undefined;
  /** What it may do. @defaultValue ["push"] */
  readonly scopes?: readonly ("push" | "read" | "operate")[] | undefined;
}

/** Reads values of one kind from environment variables, and checks values from any source. */
export interface Kind<T> {
  /** Converts the text of a variable. Returns invalid text unchanged, so that `check` refuses it. */
  read(text: string): unknown;
  check(value: unknown): Checked<T>;
}

export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  /** `problem` follows the setting's name: "must be a path". */
  | { readonly ok: false; readonly problem: string };

/** Hides the schema, so that the package does not export zod's types. */
function kind<T>(schema: z.ZodType<T>, read: Kind<T>["read"] = (text) => text): Kind<T> {
  return {
    read,
    check(value) {
      const { success, data, error } = schema.safeParse(value);
      return success
        ? { ok: true, value: data }
        : { ok: false, problem: problemOf(error.issues[0]) };
    },
  };
}

/** For a setting with parts, it names the part: "is wrong at [0].join: …". */
function problemOf(issue: z.core.$ZodIssue | undefined): string {
  if (issue === undefined) return "is wrong";
  // The message is about the whole of a plain list.
  if (issue.path.every((part) => typeof part === "number")) return issue.message;
  const place = issue.path.map((part) =>
    typeof part === "number" ? `[${part}]` : `.${String(part)}`,
  );
  return `is wrong at ${place.join("")}: ${issue.message}`;
}

export function text(): Kind<string> {
  return kind(z.string({ error: "must be a text" }));
}

export function matching(pattern: RegExp, message: string): Kind<string> {
  return kind(z.string({ error: message }).regex(pattern, message));
}

export function oneOf<const T extends string>(values: readonly T[]): Kind<T> {
  return kind(z.enum(values, { error: `must be one of ${values.join(", ")}` }) as z.ZodType<T>);
}

export function wholeNumber(min: number, max: number): Kind<number> {
  const message = `must be a whole number from ${min} to ${max}`;
  return kind(
    z.number({ error: message }).int(message).min(min, message).max(max, message),
    (text) => (/^\d{1,12}$/.test(text.trim()) ? Number(text) : text),
  );
}

export function seconds(max: number, min = 0): Kind<number> {
  const message = `must be a number of seconds from ${min} to ${max}`;
  return kind(z.number({ error: message }).min(min, message).max(max, message), (text) =>
    /^\d{1,9}(\.\d{1,9})?$/.test(text.trim()) ? Number(text) : text,
  );
}

export function list(entries: string): Kind<readonly string[]> {
  const message = listMessage(entries);
  const entry = z.string({ error: message }).min(1, message);
  return kind(z.array(entry, { error: message }).min(1, message), readList);
}

export function boolean(): Kind<boolean> {
  return kind(
    z.boolean({ error: "must be true or false" }),
    (text) => ({ true: true, false: false })[text.trim()] ?? text,
  );
}

export function path(): Kind<string> {
  return kind(z.string({ error: "must be a path" }).min(1, "must be a path"));
}

export function url(): Kind<string> {
  return kind(z.url({ protocol: /^https?$/, error: "must be an http or https URL" }));
}

export function apiKeys(): Kind<readonly (string | ApiKeySetting)[]> {
  const message = `${listMessage("keys")}; a blank and scopes=push+read+operate may follow a key`;
  const scopes = z.array(z.enum(["push", "read", "operate"])).min(1);
  const key = z.union(
    [
      z.string().min(1, message),
      z.strictObject({
        key: z.string().min(1),
        name: z.string().min(1).optional(),
        channels: z.array(z.string().min(1)).min(1).optional(),
        scopes: scopes.optional(),
      }),
    ],
    { error: `${message}; in the file also objects with key, name, channels, scopes` },
  );
  return kind(z.array(key, { error: message }).min(1, message), readApiKeys);
}

/** `KEY,KEY scopes=push+read`. No key contains a blank, so every list of plain keys stays valid. */
function readApiKeys(text: string): (string | { key: string; scopes: string[] })[] {
  return readList(text).map((entry) => {
    const [, key, scopes] = /^(\S+)\s+scopes=(\S*)$/.exec(entry) ?? [];
    return key === undefined || scopes === undefined ? entry : { key, scopes: scopes.split("+") };
  });
}

export function channelRules(): Kind<readonly ChannelRule[]> {
  const rule = z.strictObject({
    pattern: z.string().min(1),
    join: z.enum(["policy", "anyone", "authenticated", "nobody"]).optional(),
    history: z.strictObject({ size: z.int().min(0), ttl: z.number().min(0) }).optional(),
    subscribersMax: z.int().min(0).optional(),
    dataBytesMax: z.int().min(1).optional(),
  });
  return kind(z.array(rule, { error: "must be a list of rules" }));
}

function listMessage(entries: string): string {
  return `must be one or more ${entries}, separated by commas`;
}

function readList(text: string): string[] {
  return text.split(",").map((entry) => entry.trim());
}
