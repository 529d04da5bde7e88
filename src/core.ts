/**
 * `hexpush/core`: domain and application without any adapter, for other hosts. Nothing here
 * reaches for a clock, a socket or a Node module.
 */
export { guardPolicy, type PolicyFault } from "./application/guard-policy.js";
export * from "./domain/auth-policy.js";
export { Json } from "./domain/json.js";
export type { Message } from "./domain/message.js";
export {
  DEFAULT_PUSH_LIMITS,
  type InvalidPush,
  Push,
  type PushFault,
  type PushField,
  type PushInput,
  type PushLimits,
  type PushResult,
} from "./domain/push.js";
export { type PushInputResult, parsePushInput } from "./domain/push-input.js";
export { type PushOutcome, PushService } from "./domain/push-service.js";
export type { Transport, TransportCounts } from "./domain/transport.js";
