import { readFileSync } from "node:fs";
import { type Config, ConfigError } from "./config.js";
import { didYouMean } from "./did-you-mean.js";
import { SETTINGS, type Setting } from "./settings.js";

const TABLE = Object.entries(SETTINGS) as [keyof Config, Setting<unknown>][];
const KEYS = TABLE.map(([key]) => key);
const VARIABLES = TABLE.flatMap(([, { variables }]) => variables);

/**
 * Reads the settings and checks every value. The environment takes precedence over the file, and the
 * file over the defaults.
 *
 * @param file path of a JSON file with the names of `Config` as keys
 * @returns a frozen object
 * @throws {ConfigError} for the first setting that is invalid.
 */
export function loadConfig(env: NodeJS.ProcessEnv, file?: string): Config {
  const fromFile = file === undefined ? {} : readConfigFile(file);
  refuseUnknownVariables(env);
  return configOf((key, setting) => {
    const name = setting.variables.find((variable) => env[variable] !== undefined);
    const text = name === undefined ? undefined : env[name];
    if (name === undefined || text === undefined) {
      return checked(setting, `"${key}" in ${file}`, fromFile[key]);
    }
    // Often a shell variable that expanded to nothing. If it counted as unset, the server could be open.
    if (text.trim() === "") throw new ConfigError(`${name} is empty: unset it, or give it a value`);
    return checked(setting, name, setting.kind.read(text), text);
  });
}

/**
 * For hosts: checks the given values and adds the defaults.
 *
 * @throws {ConfigError} for the first setting that is invalid.
 */
export function createConfig(given: Partial<Config> = {}): Config {
  return configOf((key, setting) => checked(setting, key, given[key]));
}

function configOf(resolve: (key: keyof Config, setting: Setting<unknown>) => unknown): Config {
  const entries = TABLE.map(([key, setting]) => [key, resolve(key, setting)]);
  return Object.freeze(Object.fromEntries(entries)) as Config;
}

function checked(
  { kind, defaultValue, secret }: Setting<unknown>,
  name: string,
  value: unknown,
  shown: unknown = value,
): unknown {
  if (value === undefined) return defaultValue;
  const result = kind.check(value);
  if (result.ok) return result.value;
  const got = secret ? "" : `, not ${JSON.stringify(shown)}`;
  throw new ConfigError(`${name} ${result.problem}${got}`);
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
    if (Object.hasOwn(SETTINGS, key)) continue;
    throw new ConfigError(`"${key}" in ${file} is not a setting${didYouMean(key, KEYS)}`);
  }
  return parsed as Record<string, unknown>;
}

/** A misspelt HEXPUSH_API_KEYS must not leave the server open. */
function refuseUnknownVariables(env: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(env)) {
    // The test run, which starts servers, has HEXPUSH_TEST_… variables of its own.
    if (!name.startsWith("HEXPUSH_") || name.startsWith("HEXPUSH_TEST_")) continue;
    if (VARIABLES.includes(name)) continue;
    const meant = didYouMean(name, VARIABLES, "") || "; see hexpush --help";
    throw new ConfigError(`${name} is not a setting of this version${meant}`);
  }
}
