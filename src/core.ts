/**
 * `hexpush/core`: domain, application and protocols without any adapter, for other hosts. Nothing
 * here opens a socket or imports a Node module. The time of day is passed in as `now`; timers and
 * durations use `setTimeout` and `performance.now`, which every JavaScript host has.
 */
export {
  applyJoinRules,
  type ChannelRule,
  ChannelRules,
  type HistoryRule,
  type JoinRule,
} from "./application/channel-rules.js";
export {
  combineEvents,
  combineListeners,
  type ListenerEvent,
  type ListenerFault,
} from "./application/combine-listeners.js";
export {
  byQuestion,
  firstAllowWins,
  firstDenyWins,
  type PoliciesByQuestion,
} from "./application/combine-policies.js";
export {
  type ChannelDetail,
  type ChannelSummary,
  Control,
  type Page,
  type Presence,
  type Stats,
} from "./application/control.js";
export {
  type GuardOptions,
  guardPolicy,
  type PolicyFault,
  type PolicyTimeout,
} from "./application/guard-policy.js";
export {
  type IdempotencyOptions,
  IdempotencyStore,
  type IdempotentResult,
} from "./application/idempotency.js";
export { isOpenToEveryone, markOpen } from "./application/open-policy.js";
export {
  publicChannelsOnly,
  withPublicChannels,
} from "./application/public-channels.js";
export {
  type ChannelTrace,
  type PushTrace,
  PushTraces,
  type PushTracesOptions,
} from "./application/push-traces.js";
export { refuseRevoked } from "./application/refuse-revoked.js";
export type { Revocation, RevocationInput } from "./application/revocation.js";
export { Revocations, type RevocationsOptions } from "./application/revocations.js";
export { type RevocationLog, Revoker, type RevokerResult } from "./application/revoker.js";
export * from "./domain/auth-policy.js";
export * from "./domain/broker.js";
export { ChannelPattern, ChannelPatterns } from "./domain/channel-pattern.js";
export { Json } from "./domain/json.js";
export type { Message } from "./domain/message.js";
export { formatMessageId, type MessageId, parseMessageId } from "./domain/message-id.js";
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
export type * from "./domain/push-listener.js";
export {
  type AcceptedPush,
  type PushCounts,
  type PushOutcome,
  PushService,
  type PushServiceOptions,
  type ReadyPush,
  type RefusedPush,
  type UnacceptedPush,
} from "./domain/push-service.js";
export {
  hasDirectory,
  type SocketDirectory,
  type Transport,
  type TransportCounts,
} from "./domain/transport.js";
export type { ApiListener, ApiProcessed, ApiRequested } from "./protocol/http/api-listener.js";
export { pushJson } from "./protocol/http/push.js";
export { type PushInputResult, parsePushInput } from "./protocol/http/push-input.js";
