/** The public exports of `hexpush`. */
export { allowAll } from "./adapters/auth/allow-all.js";
export { readApiKeyFile } from "./adapters/auth/api-keys/api-key-file.js";
export {
  type ApiKey,
  ApiKeyPolicy,
  type LimitedApiKey,
} from "./adapters/auth/api-keys/api-keys.js";
export { HttpCalloutPolicy } from "./adapters/auth/callout/http-callout.js";
export type { CalloutFaultReport, HttpCalloutOptions } from "./adapters/auth/callout/options.js";
export { JwtPolicy, type JwtPolicyOptions } from "./adapters/auth/jwt/jwt.js";
export { FileBroker, type FileBrokerOptions } from "./adapters/file-broker/file-broker.js";
export { MemoryBroker, type MemoryBrokerOptions } from "./adapters/memory/broker.js";
export {
  type MemorySocket,
  type MemorySocketOptions,
  MemoryTransport,
} from "./adapters/memory/transport.js";
export { ListenError } from "./application/listen-error.js";
export { type ApiKeySetting, type Config, ConfigError, type LogLevel } from "./config/config.js";
export { type ServerListener, type ServerState, TOKENS, type Token } from "./container/tokens.js";
export * from "./core.js";
export {
  type Address,
  createHexpush,
  type Hexpush,
  type HexpushOptions,
  type PushReceipt,
} from "./hexpush.js";
