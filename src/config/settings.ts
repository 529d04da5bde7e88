import * as z from "zod";
import type { Config } from "./config.js";
import {
  API_KEY,
  API_KEYS_MESSAGE,
  CHANNEL_RULE,
  list,
  path,
  seconds,
  text,
  url,
  wholeNumber,
  yesOrNo,
} from "./kinds.js";

export interface Setting {
  /** Environment variables, the first one that is set counts; none for what only the file can say. */
  readonly env: readonly string[];
  readonly schema: z.ZodType;
  readonly fallback: unknown;
  /** How the text of an environment variable becomes the value that the schema checks. */
  readonly read: (text: string) => unknown;
  readonly help: string;
}

const GIB = 1_073_741_824;

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
