import { readFileSync } from "node:fs";
import { z } from "zod";

/**
 * Everything that can be set, with its bounds. Durations are in seconds and sizes in bytes, both
 * plain numbers.
 */
export interface Config {
  /** The address to listen on. @defaultValue "127.0.0.1" */
  readonly host: string;
  /** 0 takes any free port. @defaultValue 4004 */
  readonly port: number;
  /** Keys that may push: each as itself or as `sha256:HEX`. */
  readonly apiKeys: readonly string[] | undefined;
  /** Web origins that may connect and use the API; see `allowedOrigins` in docs/guides/configuration.md. */
  readonly allowedOrigins: readonly string[] | undefined;
  /** How long a stop may take to answer what is in flight and to close the sockets. @defaultValue 10 */
  readonly drainTimeout: number;
  /** @defaultValue "info" */
  readonly logLevel: LogLevel;
  /** Largest request body. @defaultValue 8000000 */
  readonly bodyLimit: number;
  /** Largest frame from a client. @defaultValue 65536 */
  readonly frameLimit: number;
  /** Longest channel name, in UTF-8. @defaultValue 1024 */
  readonly channelNameLimit: number;
  /** Longest event name, in UTF-8. @defaultValue 255 */
  readonly eventNameLimit: number;
  /** Most channels in one push. @defaultValue 1000 */
  readonly channelsPerPush: number;
  /** Most channels that one socket may be joined to. @defaultValue 1000 */
  readonly channelsPerSocket: number;
  /** Most bytes that wait for one socket; above it the socket is cut. @defaultValue 1048576 */
  readonly sendBufferLimit: number;
}

export type LogLevel = "silent" | "fatal" | "error" | "warn" | "info" | "debug" | "trace";

/** A setting is wrong; `message` is one line for the operator that names it, without its value if secret. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

interface Setting {
  /** Environment variables, the first one that is set counts. */
  readonly env: readonly string[];
  readonly schema: z.ZodType;
  readonly fallback: unknown;
  /** How the text of an environment variable becomes the value that the schema checks. */
  readonly read: (text: string) => unknown;
  readonly help: string;
}

const GIB = 1_073_741_824;

function text(schema: z.ZodType) {
  return { schema, read: (value: string) => value };
}

function wholeNumber(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}`;
  return {
    schema: z.number({ error: message }).int(message).min(min, message).max(max, message),
    read: (value: string) => (/^\d{1,12}$/.test(value.trim()) ? Number(value) : value),
  };
}

function seconds(max: number) {
  const message = `must be a number of seconds from 0 to ${max}`;
  return {
    schema: z.number({ error: message }).min(0, message).max(max, message),
    read: (value: string) => (/^\d{1,9}(\.\d{1,9})?$/.test(value.trim()) ? Number(value) : value),
  };
}

function list(what: string) {
  const message = `must be one or more ${what}, separated by commas`;
  return {
    schema: z
      .array(z.string({ error: message }).min(1, message), { error: message })
      .min(1, message),
    read: (value: string) => value.split(",").map((entry) => entry.trim()),
  };
}

const LOG_LEVELS = ["silent", "fatal", "error", "warn", "info", "debug", "trace"] as const;

/** The one table of settings: environment, file, defaults, checks and help are made from it. */
export const SETTINGS: { readonly [K in keyof Config]: Setting } = {
  host: {
    env: ["HEXPUSH_HOST"],
    ...text(z.string().regex(/^[\w.:%-]+$/, "must be an address or a host name")),
    fallback: "127.0.0.1",
    help: "address to listen on",
  },
  port: {
    env: ["HEXPUSH_PORT", "PORT"],
    ...wholeNumber(0, 65_535),
    fallback: 4004,
    help: "port to listen on; 0 takes a free one",
  },
  apiKeys: {
    env: ["HEXPUSH_API_KEYS"],
    ...list("keys"),
    fallback: undefined,
    help: "keys that may push, comma separated; sha256:HEX in place of a key",
  },
  allowedOrigins: {
    env: ["HEXPUSH_ALLOWED_ORIGINS"],
    ...list("origins"),
    fallback: undefined,
    help: "web origins that may use the server, comma separated; unset: any on loopback, else the same host",
  },
  drainTimeout: {
    env: ["HEXPUSH_DRAIN_TIMEOUT"],
    ...seconds(3600),
    fallback: 10,
    help: "seconds that a stop may take",
  },
  logLevel: {
    env: ["HEXPUSH_LOG_LEVEL"],
    ...text(z.enum(LOG_LEVELS, { error: `must be one of ${LOG_LEVELS.join(", ")}` })),
    fallback: "info",
    help: LOG_LEVELS.join(", "),
  },
  bodyLimit: {
    env: ["HEXPUSH_BODY_LIMIT"],
    ...wholeNumber(1, GIB),
    fallback: 8_000_000,
    help: "largest request body, in bytes",
  },
  frameLimit: {
    env: ["HEXPUSH_FRAME_LIMIT"],
    ...wholeNumber(1, 16_777_216),
    fallback: 65_536,
    help: "largest frame from a client, in bytes",
  },
  channelNameLimit: {
    env: ["HEXPUSH_CHANNEL_NAME_LIMIT"],
    ...wholeNumber(1, 65_536),
    fallback: 1024,
    help: "longest channel name, in bytes of UTF-8",
  },
  eventNameLimit: {
    env: ["HEXPUSH_EVENT_NAME_LIMIT"],
    ...wholeNumber(1, 65_536),
    fallback: 255,
    help: "longest event name, in bytes of UTF-8",
  },
  channelsPerPush: {
    env: ["HEXPUSH_CHANNELS_PER_PUSH"],
    ...wholeNumber(1, 1_000_000),
    fallback: 1000,
    help: "most channels in one push",
  },
  channelsPerSocket: {
    env: ["HEXPUSH_CHANNELS_PER_SOCKET"],
    ...wholeNumber(1, 1_000_000),
    fallback: 1000,
    help: "most channels that one socket may be joined to",
  },
  sendBufferLimit: {
    env: ["HEXPUSH_SEND_BUFFER_LIMIT"],
    ...wholeNumber(1024, GIB),
    fallback: 1_048_576,
    help: "most bytes that wait for one socket; above it the socket is cut",
  },
};

const KEYS = Object.keys(SETTINGS) as (keyof Config)[];
const SECRET: ReadonlySet<keyof Config> = new Set(["apiKeys"]);

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
  const problem = result.error.issues[0]?.message ?? "is wrong";
  const got = SECRET.has(key) ? "" : `, not ${JSON.stringify(shown)}`;
  throw new ConfigError(`${where} ${problem}${got}`);
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
