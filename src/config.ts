import { readFileSync } from "node:fs";
import { z } from "zod";
import type { ChannelRule } from "./application/channel-rules.js";

/**
 * Everything that can be set, with its bounds. Durations are in seconds and sizes in bytes, both
 * plain numbers.
 */
export interface Config {
  /** The address to listen on. @defaultValue "127.0.0.1" */
  readonly host: string;
  /** 0 takes any free port. @defaultValue 4004 */
  readonly port: number;
  /** Keys that may push: each as itself or as `sha256:HEX`, with a name and channels where given. */
  readonly apiKeys: readonly (string | ApiKeySetting)[] | undefined;
  /** A file of keys, read again on SIGHUP; see docs/guides/authentication.md. */
  readonly apiKeysFile: string | undefined;
  /** What signs the tokens that sockets need: HS256, HS384, HS512. */
  readonly jwtSecret: string | undefined;
  /** A PEM, JWK or JWKS file with what verifies the tokens. */
  readonly jwtPublicKeyFile: string | undefined;
  /** Where the keys that verify the tokens are published. */
  readonly jwksUrl: string | undefined;
  /** Of a token's `aud`, one must be among these. */
  readonly jwtAudience: readonly string[] | undefined;
  /** A token's `iss` must be one of these. */
  readonly jwtIssuer: readonly string[] | undefined;
  /** By how much clocks may differ. @defaultValue 5 */
  readonly jwtLeeway: number;
  /** Whether tokens with a claim `push` may push. @defaultValue false */
  readonly jwtPush: boolean;
  /** The application that is asked who may push, connect and join. */
  readonly authUrl: string | undefined;
  /** Signs what is asked of the application. */
  readonly authSecret: string | undefined;
  /** How long the application may take. @defaultValue 2 */
  readonly authTimeout: number;
  /** Whether all of several policies must allow, or one. @defaultValue "first-deny" */
  readonly authCombine: "first-deny" | "first-allow";
  /** Patterns of channels that anyone may join. */
  readonly publicChannels: readonly string[] | undefined;
  /** What keeps and brings the messages: `memory:`, or `file:DIRECTORY`. @defaultValue "memory:" */
  readonly broker: string;
  /** Messages that a channel keeps for those who come back; 0 keeps none. @defaultValue 100 */
  readonly historySize: number;
  /** How long a message is kept; 0 keeps none. @defaultValue 120 */
  readonly historyTtl: number;
  /** Most memory that the memory broker's histories take together. @defaultValue 268435456 */
  readonly historyMemory: number;
  /** What holds for the channels of a pattern; in the file only. The first that matches counts. */
  readonly channels: readonly ChannelRule[] | undefined;
  /** How long a policy may take; then it has denied. @defaultValue 5 */
  readonly policyTimeout: number;
  /** Keeps what was revoked over a restart. */
  readonly revocationsFile: string | undefined;
  /** Web origins that may connect and use the API; see `allowedOrigins` in docs/guides/configuration.md. */
  readonly allowedOrigins: readonly string[] | undefined;
  /** How long a stop may take to answer what is in flight and to close the sockets. @defaultValue 10 */
  readonly drainTimeout: number;
  /** Whether a stop closes the sockets over its time, or only when that is over. @defaultValue true */
  readonly drainSockets: boolean;
  /** Connects per second that a starting server admits; 0 admits all at once. @defaultValue 1000 */
  readonly connectRate: number;
  /** @defaultValue "info" */
  readonly logLevel: LogLevel;
  /** Whether each HTTP request is logged. @defaultValue false */
  readonly requestLog: boolean;
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
  /** Most pushes in one batch. @defaultValue 100 */
  readonly pushesPerBatch: number;
  /** Most Idempotency-Keys that are remembered at a time. @defaultValue 100000 */
  readonly idempotencyKeys: number;
  /** Most pushes whose trace is kept; 0 keeps none. @defaultValue 10000 */
  readonly traces: number;
  /** Most channels that one socket may be joined to. @defaultValue 1000 */
  readonly channelsPerSocket: number;
  /** Most bytes that wait for one socket; above it the socket is cut. @defaultValue 1048576 */
  readonly sendBufferLimit: number;
}

export interface ApiKeySetting {
  readonly key: string;
  /** What the trace of a push calls the key. */
  readonly name?: string | undefined;
  /** Patterns of the channels that it may push to; all where missing. */
  readonly channels?: readonly string[] | undefined;
}

export type LogLevel = "silent" | "fatal" | "error" | "warn" | "info" | "debug" | "trace";

/** A setting is wrong; `message` is one line for the operator that names it, without its value if secret. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

interface Setting {
  /** Environment variables, the first one that is set counts; none for what only the file can say. */
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

function seconds(max: number, min = 0) {
  const message = `must be a number of seconds from ${min} to ${max}`;
  return {
    schema: z.number({ error: message }).min(min, message).max(max, message),
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

function yesOrNo() {
  const message = "must be true or false";
  return {
    schema: z.boolean({ error: message }),
    read: (value: string) => ({ true: true, false: false })[value.trim()] ?? value,
  };
}

function path() {
  return text(z.string({ error: "must be a path" }).min(1, "must be a path"));
}

function url() {
  const message = "must be an http or https URL";
  return text(z.url({ protocol: /^https?$/, error: message }));
}

const API_KEYS_MESSAGE = "must be one or more keys, separated by commas";
const API_KEY = z.union(
  [
    z.string().min(1, API_KEYS_MESSAGE),
    z.strictObject({
      key: z.string().min(1),
      name: z.string().min(1).optional(),
      channels: z.array(z.string().min(1)).min(1).optional(),
    }),
  ],
  { error: `${API_KEYS_MESSAGE}; in the file also objects with key, name, channels` },
);

const CHANNEL_RULE = z.strictObject({
  pattern: z.string().min(1),
  join: z.enum(["policy", "anyone", "authenticated", "nobody"]).optional(),
  history: z.strictObject({ size: z.int().min(0), ttl: z.number().min(0) }).optional(),
  subscribersMax: z.int().min(0).optional(),
  dataBytesMax: z.int().min(1).optional(),
});

const COMBINATIONS = ["first-deny", "first-allow"] as const;
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
    schema: z.array(API_KEY, { error: API_KEYS_MESSAGE }).min(1, API_KEYS_MESSAGE),
    read: list("keys").read,
    fallback: undefined,
    help: "keys that may push, comma separated; sha256:HEX in place of a key",
  },
  apiKeysFile: {
    env: ["HEXPUSH_API_KEYS_FILE"],
    ...path(),
    fallback: undefined,
    help: "file of keys that may push, one a line; read again on SIGHUP",
  },
  jwtSecret: {
    env: ["HEXPUSH_JWT_SECRET"],
    ...text(z.string({ error: "must be a text" })),
    fallback: undefined,
    help: "secret of the tokens that sockets need (HS256, HS384, HS512)",
  },
  jwtPublicKeyFile: {
    env: ["HEXPUSH_JWT_PUBLIC_KEY_FILE"],
    ...path(),
    fallback: undefined,
    help: "PEM, JWK or JWKS file that verifies the tokens that sockets need",
  },
  jwksUrl: {
    env: ["HEXPUSH_JWKS_URL"],
    ...url(),
    fallback: undefined,
    help: "URL of the keys that verify the tokens that sockets need",
  },
  jwtAudience: {
    env: ["HEXPUSH_JWT_AUDIENCE"],
    ...list("names"),
    fallback: undefined,
    help: "audiences of which a token must name one, comma separated",
  },
  jwtIssuer: {
    env: ["HEXPUSH_JWT_ISSUER"],
    ...list("names"),
    fallback: undefined,
    help: "issuers of which a token must name one, comma separated",
  },
  jwtLeeway: {
    env: ["HEXPUSH_JWT_LEEWAY"],
    ...seconds(300),
    fallback: 5,
    help: "seconds by which clocks may differ when a token's times are checked",
  },
  jwtPush: {
    env: ["HEXPUSH_JWT_PUSH"],
    ...yesOrNo(),
    fallback: false,
    help: "true lets tokens push to the channels of their claim push",
  },
  authUrl: {
    env: ["HEXPUSH_AUTH_URL"],
    ...url(),
    fallback: undefined,
    help: "URL of an application that is asked who may push, connect and join",
  },
  authSecret: {
    env: ["HEXPUSH_AUTH_SECRET"],
    ...text(z.string({ error: "must be a text" })),
    fallback: undefined,
    help: "signs what that application is asked",
  },
  authTimeout: {
    env: ["HEXPUSH_AUTH_TIMEOUT"],
    ...seconds(60, 0.01),
    fallback: 2,
    help: "seconds that the application may take for an answer",
  },
  authCombine: {
    env: ["HEXPUSH_AUTH_COMBINE"],
    ...text(z.enum(COMBINATIONS, { error: `must be one of ${COMBINATIONS.join(", ")}` })),
    fallback: "first-deny",
    help: "first-deny: all of several policies must allow; first-allow: one",
  },
  publicChannels: {
    env: ["HEXPUSH_PUBLIC_CHANNELS"],
    ...list("patterns"),
    fallback: undefined,
    help: "channels that anyone may join, comma separated, * for any characters",
  },
  broker: {
    env: ["HEXPUSH_BROKER"],
    ...text(z.string().regex(/^(?:memory:|file:.+)$/s, "must be memory: or file:DIRECTORY")),
    fallback: "memory:",
    help: "what keeps and brings the messages: memory:, or file:DIRECTORY",
  },
  historySize: {
    env: ["HEXPUSH_HISTORY_SIZE"],
    ...wholeNumber(0, 1_000_000),
    fallback: 100,
    help: "messages that a channel keeps for those who come back; 0 keeps none",
  },
  historyTtl: {
    env: ["HEXPUSH_HISTORY_TTL"],
    ...seconds(31_536_000),
    fallback: 120,
    help: "seconds for which a message is kept; 0 keeps none",
  },
  historyMemory: {
    env: ["HEXPUSH_HISTORY_MEMORY"],
    ...wholeNumber(0, 1_099_511_627_776),
    fallback: 268_435_456,
    help: "most bytes that all histories of the memory broker take together",
  },
  channels: {
    env: [],
    schema: z.array(CHANNEL_RULE, { error: "must be a list of rules" }),
    read: (value: string) => value,
    fallback: undefined,
    help: "rules for channels by pattern",
  },
  policyTimeout: {
    env: ["HEXPUSH_POLICY_TIMEOUT"],
    ...seconds(300, 0.01),
    fallback: 5,
    help: "seconds after which a policy without an answer has denied",
  },
  revocationsFile: {
    env: ["HEXPUSH_REVOCATIONS_FILE"],
    ...path(),
    fallback: undefined,
    help: "file that keeps what was revoked over a restart",
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
  drainSockets: {
    env: ["HEXPUSH_DRAIN_SOCKETS"],
    ...yesOrNo(),
    fallback: true,
    help: "false leaves sockets open while a stop drains, and closes them at its end",
  },
  connectRate: {
    env: ["HEXPUSH_CONNECT_RATE"],
    ...wholeNumber(0, 1_000_000),
    fallback: 1000,
    help: "connects a second that a server admits in its first 30 seconds; 0 admits all at once",
  },
  logLevel: {
    env: ["HEXPUSH_LOG_LEVEL"],
    ...text(z.enum(LOG_LEVELS, { error: `must be one of ${LOG_LEVELS.join(", ")}` })),
    fallback: "info",
    help: LOG_LEVELS.join(", "),
  },
  requestLog: {
    env: ["HEXPUSH_REQUEST_LOG"],
    ...yesOrNo(),
    fallback: false,
    help: "true logs each HTTP request",
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
  pushesPerBatch: {
    env: ["HEXPUSH_PUSHES_PER_BATCH"],
    ...wholeNumber(1, 100_000),
    fallback: 100,
    help: "most pushes in one batch",
  },
  idempotencyKeys: {
    env: ["HEXPUSH_IDEMPOTENCY_KEYS"],
    ...wholeNumber(0, 10_000_000),
    fallback: 100_000,
    help: "most Idempotency-Keys that are remembered at a time, for 5 minutes each",
  },
  traces: {
    env: ["HEXPUSH_TRACES"],
    ...wholeNumber(0, 1_000_000),
    fallback: 10_000,
    help: "most pushes whose trace is kept; 0 keeps none",
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
