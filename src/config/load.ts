import { readFileSync } from "node:fs";
import type * as z from "zod";
import { type Config, ConfigError } from "./config.js";
import { SETTINGS } from "./settings.js";

const KEYS = Object.keys(SETTINGS) as (keyof Config)[];
const SECRET: ReadonlySet<keyof Config> = new Set(["apiKeys", "authSecret", "jwtSecret"]);

/**
 * Environment over file over defaults, checked; frozen.
 *
 * @param file path of a JSON file with the names of `Config` as keys
 * @throws {ConfigError} for the first setting that is wrong.
 */
export function loadConfig(env: NodeJS.ProcessEnv, file?: string): Config {
  const fromFile = file === undefined ? {} : readConfigFile(file);
  refuseUnknownVariables(env);
  const config: Record<string, unknown> = {};
  for (const key of KEYS) {
    const name = SETTINGS[key].env.find((variable) => env[variable] !== undefined);
    const value = name === undefined ? undefined : env[name];
    if (name !== undefined && value !== undefined) config[key] = fromVariable(key, name, value);
    else config[key] = check(key, `"${key}" in ${file}`, fromFile[key]);
  }
  return Object.freeze(config) as unknown as Config;
}

/** For hosts: the given values over the defaults. @throws {ConfigError} for the first wrong one. */
export function createConfig(given: Partial<Config> = {}): Config {
  const config: Record<string, unknown> = {};
  for (const key of KEYS) config[key] = check(key, key, given[key]);
  return Object.freeze(config) as unknown as Config;
}

function fromVariable(key: keyof Config, name: string, value: string): unknown {
  // Most often a variable of the shell that expanded to nothing; to take it for unset could open a door.
  if (value.trim() === "") throw new ConfigError(`${name} is empty: unset it, or give it a value`);
  return check(key, name, SETTINGS[key].read(value), value);
}

function check(key: keyof Config, where: string, value: unknown, shown: unknown = value): unknown {
  if (value === undefined) return SETTINGS[key].fallback;
  const result = SETTINGS[key].schema.safeParse(value);
  if (result.success) return result.data;
  const problem = describeIssue(result.error.issues[0]);
  const got = SECRET.has(key) ? "" : `, not ${JSON.stringify(shown)}`;
  throw new ConfigError(`${where} ${problem}${got}`);
}

/** Of a setting with parts, which one: "is wrong at [0].join: …". */
function describeIssue(issue: z.core.$ZodIssue | undefined): string {
  if (issue === undefined) return "is wrong";
  // Of a plain list there is nothing to tell apart.
  if (issue.path.every((part) => typeof part === "number")) return issue.message;
  const where = issue.path.map((part) =>
    typeof part === "number" ? `[${part}]` : `.${String(part)}`,
  );
  return `is wrong at ${where.join("")}: ${issue.message}`;
}

function readConfigFile(file: string): Record<string, unknown> {
  let content: string;
  try {
    content = readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError(`cannot read ${file}: ${(error as Error).message}`);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
  } catch {
    throw new ConfigError(`${file} is not valid JSON`);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw new ConfigError(`${file} must hold a JSON object`);
  }
  for (const key of Object.keys(parsed)) {
    if (!Object.hasOwn(SETTINGS, key)) throw new ConfigError(`"${key}" in ${file} is no setting`);
  }
  return parsed as Record<string, unknown>;
}

/** A misspelt HEXPUSH_API_KEYS must not leave the door open. */
function refuseUnknownVariables(env: NodeJS.ProcessEnv): void {
  const known = new Set(KEYS.flatMap((key) => SETTINGS[key].env));
  for (const name of Object.keys(env)) {
    // HEXPUSH_TEST_… are the test run's own, and it starts servers.
    if (!name.startsWith("HEXPUSH_") || name.startsWith("HEXPUSH_TEST_") || known.has(name))
      continue;
    throw new ConfigError(`${name} is no setting of this version; see hexpush --help`);
  }
}
