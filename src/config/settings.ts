import {
  apiKeys,
  boolean,
  channelRules,
  type Kind,
  list,
  matching,
  oneOf,
  path,
  seconds,
  text,
  url,
  wholeNumber,
} from "./kinds.js";

/** A setting whose values are of type `T`; one without a default may be undefined. */
export interface Setting<T> {
  /** Environment variables; the first one that is set counts. None: the file or a host only. */
  readonly variables: readonly string[];
  readonly kind: Kind<T>;
  readonly defaultValue: T;
  /** One line of `hexpush --help`. */
  readonly help: string;
  /** Error messages do not show its value. */
  readonly secret: boolean;
}

interface Declaration<T> {
  readonly variables: readonly string[];
  readonly kind: Kind<T>;
  readonly help: string;
  readonly secret?: boolean;
}

function setting<T>(declared: Declaration<T> & { readonly defaultValue: NoInfer<T> }): Setting<T>;
function setting<T>(declared: Declaration<T>): Setting<T | undefined>;
function setting<T>(
  declared: Declaration<T> & { readonly defaultValue?: T },
): Setting<T | undefined> {
  return { secret: false, ...declared, defaultValue: declared.defaultValue };
}

const GIB = 1_073_741_824;

const COMBINATIONS = ["first-deny", "first-allow"] as const;
const LOG_LEVELS = ["silent", "fatal", "error", "warn", "info", "debug", "trace"] as const;

/**
 * The one place that declares a setting. The type `Config`, the environment variables, the file, the
 * checks, the defaults and the help are derived from it. docs/guides/configuration.md lists the same
 * settings, which a test checks. Durations are in seconds and sizes in bytes, both plain numbers.
 */
export const SETTINGS = {
  /** The address to listen on. @defaultValue "127.0.0.1" */
  host: setting({
    variables: ["HEXPUSH_HOST"],
    kind: matching(/^[\w.:%-]+$/, "must be an address or a host name"),
    defaultValue: "127.0.0.1",
    help: "address to listen on",
  }),
  /** The port to listen on; 0 takes a free one. @defaultValue 4004 */
  port: setting({
    variables: ["HEXPUSH_PORT", "PORT"],
    kind: wholeNumber(0, 65_535),
    defaultValue: 4004,
    help: "port to listen on; 0 takes a free one",
  }),
  /** Keys that may push: each as itself or as `sha256:HEX`, or an object with a name and channels. */
  apiKeys: setting({
    variables: ["HEXPUSH_API_KEYS"],
    kind: apiKeys(),
    secret: true,
    help: "keys that may push, comma separated; sha256:HEX in place of a key; 'KEY scopes=push+read+operate' for an operator",
  }),
  /** Path of a file of keys, read again on SIGHUP; see docs/guides/authentication.md. */
  apiKeysFile: setting({
    variables: ["HEXPUSH_API_KEYS_FILE"],
    kind: path(),
    help: "file of keys that may push, one per line; read again on SIGHUP",
  }),
  /** The secret that signs the tokens that sockets need: HS256, HS384 or HS512. */
  jwtSecret: setting({
    variables: ["HEXPUSH_JWT_SECRET"],
    kind: text(),
    secret: true,
    help: "secret of the tokens that sockets need (HS256, HS384, HS512)",
  }),
  /** Path of a PEM, JWK or JWKS file with the keys that verify the tokens. */
  jwtPublicKeyFile: setting({
    variables: ["HEXPUSH_JWT_PUBLIC_KEY_FILE"],
    kind: path(),
    help: "PEM, JWK or JWKS file that verifies the tokens that sockets need",
  }),
  /** The http or https URL of the keys that verify the tokens. */
  jwksUrl: setting({
    variables: ["HEXPUSH_JWKS_URL"],
    kind: url(),
    help: "URL of the keys that verify the tokens that sockets need",
  }),
  /** A token's `aud` must name one of these. */
  jwtAudience: setting({
    variables: ["HEXPUSH_JWT_AUDIENCE"],
    kind: list("names"),
    help: "audiences, comma separated; a token must name one of them",
  }),
  /** A token's `iss` must be one of these. */
  jwtIssuer: setting({
    variables: ["HEXPUSH_JWT_ISSUER"],
    kind: list("names"),
    help: "issuers, comma separated; a token must name one of them",
  }),
  /** The difference between clocks that is tolerated, in seconds. @defaultValue 5 */
  jwtLeeway: setting({
    variables: ["HEXPUSH_JWT_LEEWAY"],
    kind: seconds(300),
    defaultValue: 5,
    help: "tolerated clock difference, in seconds, when a token's times are checked",
  }),
  /** Whether tokens with a claim `push` may push. @defaultValue false */
  jwtPush: setting({
    variables: ["HEXPUSH_JWT_PUSH"],
    kind: boolean(),
    defaultValue: false,
    help: "true lets tokens push to the channels in their claim push",
  }),
  /** Whether a token's claim `scope` gives rights of an operator. @defaultValue false */
  jwtOperate: setting({
    variables: ["HEXPUSH_JWT_OPERATE"],
    kind: boolean(),
    defaultValue: false,
    help: "true gives tokens the operator rights of their claim scope: hexpush:read, hexpush:operate",
  }),
  /** The http or https URL of an application that decides on pushes, connects and joins. */
  authUrl: setting({
    variables: ["HEXPUSH_AUTH_URL"],
    kind: url(),
    help: "URL of an application that decides on pushes, connects and joins",
  }),
  /** The secret that signs the requests to that application. */
  authSecret: setting({
    variables: ["HEXPUSH_AUTH_SECRET"],
    kind: text(),
    secret: true,
    help: "secret that signs the requests to that application",
  }),
  /** How long that application may take to answer, in seconds. @defaultValue 2 */
  authTimeout: setting({
    variables: ["HEXPUSH_AUTH_TIMEOUT"],
    kind: seconds(60, 0.01),
    defaultValue: 2,
    help: "seconds that the application may take to answer",
  }),
  /** Whether that application is asked about operators too. @defaultValue false */
  authOperate: setting({
    variables: ["HEXPUSH_AUTH_OPERATE"],
    kind: boolean(),
    defaultValue: false,
    help: "true asks that application about operators too",
  }),
  /**
   * Whether all of several policies must allow (`first-deny`), or one (`first-allow`).
   * @defaultValue "first-deny"
   */
  authCombine: setting({
    variables: ["HEXPUSH_AUTH_COMBINE"],
    kind: oneOf(COMBINATIONS),
    defaultValue: "first-deny",
    help: "first-deny: all of several policies must allow; first-allow: one",
  }),
  /** Patterns of channels that anyone may join. */
  publicChannels: setting({
    variables: ["HEXPUSH_PUBLIC_CHANNELS"],
    kind: list("patterns"),
    help: "channels that anyone may join, comma separated; * matches any characters",
  }),
  /** The broker: `memory:`, or `file:DIRECTORY`. @defaultValue "memory:" */
  broker: setting({
    variables: ["HEXPUSH_BROKER"],
    kind: matching(/^(?:memory:|file:.+)$/s, "must be memory: or file:DIRECTORY"),
    defaultValue: "memory:",
    help: "memory:, or file:DIRECTORY for a history on disk",
  }),
  /**
   * How many messages a channel keeps for clients that reconnect; 0 keeps none.
   * @defaultValue 100
   */
  historySize: setting({
    variables: ["HEXPUSH_HISTORY_SIZE"],
    kind: wholeNumber(0, 1_000_000),
    defaultValue: 100,
    help: "messages that a channel keeps for clients that reconnect; 0 keeps none",
  }),
  /** How long a message is kept, in seconds; 0 keeps none. @defaultValue 120 */
  historyTtl: setting({
    variables: ["HEXPUSH_HISTORY_TTL"],
    kind: seconds(31_536_000),
    defaultValue: 120,
    help: "seconds for which a message is kept; 0 keeps none",
  }),
  /** The memory limit of all histories of the memory broker, in bytes. @defaultValue 268435456 */
  historyMemory: setting({
    variables: ["HEXPUSH_HISTORY_MEMORY"],
    kind: wholeNumber(0, 1_099_511_627_776),
    defaultValue: 268_435_456,
    help: "memory limit of all histories of the memory broker, in bytes",
  }),
  /** Rules for channels by pattern; in the file only. The first rule that matches applies. */
  channels: setting({
    variables: [],
    kind: channelRules(),
    help: "rules for channels by pattern",
  }),
  /** How long a policy may take, in seconds; after that, it has denied. @defaultValue 5 */
  policyTimeout: setting({
    variables: ["HEXPUSH_POLICY_TIMEOUT"],
    kind: seconds(300, 0.01),
    defaultValue: 5,
    help: "seconds after which a policy that has not answered denies",
  }),
  /** Path of a file that keeps revocations across restarts. */
  revocationsFile: setting({
    variables: ["HEXPUSH_REVOCATIONS_FILE"],
    kind: path(),
    help: "file that keeps revocations across restarts",
  }),
  /** Web origins that may connect and use the API; see docs/guides/configuration.md. */
  allowedOrigins: setting({
    variables: ["HEXPUSH_ALLOWED_ORIGINS"],
    kind: list("origins"),
    help: "web origins that may use the server, comma separated; unset: any on loopback, else the same host",
  }),
  /**
   * The WebSocket library: `uws` is uWebSockets.js, `ws` is the package of this name on `node:http`,
   * and `auto` is `uws` if its native module loads here, otherwise `ws`. @defaultValue "auto"
   */
  websockets: setting({
    variables: ["HEXPUSH_WEBSOCKETS"],
    kind: oneOf(["auto", "uws", "ws"]),
    defaultValue: "auto",
    help: "WebSocket library: uws (uWebSockets.js), ws, or auto: uws if it loads, otherwise ws",
  }),
  /**
   * How long a stop may take to finish requests and to close the sockets, in seconds.
   * @defaultValue 10
   */
  drainTimeout: setting({
    variables: ["HEXPUSH_DRAIN_TIMEOUT"],
    kind: seconds(3600),
    defaultValue: 10,
    help: "seconds that a stop may take",
  }),
  /**
   * Whether a stop closes the sockets spread over its time, or all at its end.
   * @defaultValue true
   */
  drainSockets: setting({
    variables: ["HEXPUSH_DRAIN_SOCKETS"],
    kind: boolean(),
    defaultValue: true,
    help: "false leaves sockets open during a drain, and closes them at its end",
  }),
  /**
   * Connects per second in the first 30 seconds after a start; 0 sets no limit.
   * @defaultValue 1000
   */
  connectRate: setting({
    variables: ["HEXPUSH_CONNECT_RATE"],
    kind: wholeNumber(0, 1_000_000),
    defaultValue: 1000,
    help: "connects per second in the first 30 seconds after a start; 0 sets no limit",
  }),
  /** The least severe level that is logged. @defaultValue "info" */
  logLevel: setting({
    variables: ["HEXPUSH_LOG_LEVEL"],
    kind: oneOf(LOG_LEVELS),
    defaultValue: "info",
    help: LOG_LEVELS.join(", "),
  }),
  /** Whether each HTTP request is logged. @defaultValue false */
  requestLog: setting({
    variables: ["HEXPUSH_REQUEST_LOG"],
    kind: boolean(),
    defaultValue: false,
    help: "true logs each HTTP request",
  }),
  /** The largest request body, in bytes. @defaultValue 8000000 */
  bodyLimit: setting({
    variables: ["HEXPUSH_BODY_LIMIT"],
    kind: wholeNumber(1, GIB),
    defaultValue: 8_000_000,
    help: "largest request body, in bytes",
  }),
  /** The largest frame from a client, in bytes. @defaultValue 65536 */
  frameLimit: setting({
    variables: ["HEXPUSH_FRAME_LIMIT"],
    kind: wholeNumber(1, 16_777_216),
    defaultValue: 65_536,
    help: "largest frame from a client, in bytes",
  }),
  /** The longest channel name, in bytes of UTF-8. @defaultValue 1024 */
  channelNameLimit: setting({
    variables: ["HEXPUSH_CHANNEL_NAME_LIMIT"],
    kind: wholeNumber(1, 65_536),
    defaultValue: 1024,
    help: "longest channel name, in bytes of UTF-8",
  }),
  /** The longest event name, in bytes of UTF-8. @defaultValue 255 */
  eventNameLimit: setting({
    variables: ["HEXPUSH_EVENT_NAME_LIMIT"],
    kind: wholeNumber(1, 65_536),
    defaultValue: 255,
    help: "longest event name, in bytes of UTF-8",
  }),
  /** The most channels in one push. @defaultValue 1000 */
  channelsPerPush: setting({
    variables: ["HEXPUSH_CHANNELS_PER_PUSH"],
    kind: wholeNumber(1, 1_000_000),
    defaultValue: 1000,
    help: "most channels in one push",
  }),
  /** The most pushes in one batch. @defaultValue 100 */
  pushesPerBatch: setting({
    variables: ["HEXPUSH_PUSHES_PER_BATCH"],
    kind: wholeNumber(1, 100_000),
    defaultValue: 100,
    help: "most pushes in one batch",
  }),
  /**
   * The most Idempotency-Keys that are remembered at a time, for 5 minutes each.
   * @defaultValue 100000
   */
  idempotencyKeys: setting({
    variables: ["HEXPUSH_IDEMPOTENCY_KEYS"],
    kind: wholeNumber(0, 10_000_000),
    defaultValue: 100_000,
    help: "most Idempotency-Keys remembered at a time, for 5 minutes each",
  }),
  /** The most pushes whose trace is kept; 0 keeps none. @defaultValue 10000 */
  traces: setting({
    variables: ["HEXPUSH_TRACES"],
    kind: wholeNumber(0, 1_000_000),
    defaultValue: 10_000,
    help: "most pushes whose trace is kept; 0 keeps none",
  }),
  /** The most channels that one socket may join. @defaultValue 1000 */
  channelsPerSocket: setting({
    variables: ["HEXPUSH_CHANNELS_PER_SOCKET"],
    kind: wholeNumber(1, 1_000_000),
    defaultValue: 1000,
    help: "most channels that one socket may join",
  }),
  /**
   * The most bytes that wait to be sent to one socket; above it, the socket is closed.
   * @defaultValue 1048576
   */
  sendBufferLimit: setting({
    variables: ["HEXPUSH_SEND_BUFFER_LIMIT"],
    kind: wholeNumber(1024, GIB),
    defaultValue: 1_048_576,
    help: "most bytes that wait to be sent to one socket; above it, the socket is closed",
  }),
};
