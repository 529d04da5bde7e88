/** What a host may import from `hexpush`. */
export { allowAll } from "./adapters/auth/allow-all.js";
export { ApiKeyPolicy } from "./adapters/auth/api-keys.js";
export {
  type MemorySocket,
  type MemorySocketOptions,
  MemoryTransport,
} from "./adapters/memory/transport.js";
export { ListenError } from "./application/listen-error.js";
export { type Config, ConfigError, type LogLevel } from "./config.js";
export { type ServerState, TOKENS, type Token } from "./container.js";
export * from "./core.js";
export {
  type Address,
  createHexpush,
  type Hexpush,
  type HexpushOptions,
  type PushReceipt,
} from "./hexpush.js";
