export { Hexpush } from "./hexpush.js";
export { type AnyEvent, Subscription } from "./subscription.js";
export {
  type ChannelState,
  type Disconnect,
  type EventSourceConstructor,
  type EventSourceLike,
  type EventsOf,
  HexpushError,
  type HexpushOptions,
  type Lifecycle,
  type Params,
  type Position,
  type StreamEvent,
  type SubscribeOptions,
  type TransportKind,
  type WebSocketConstructor,
  type WebSocketLike,
} from "./types.js";
