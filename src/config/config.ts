import type { ChannelRule } from "../application/channel-rules.js";

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
