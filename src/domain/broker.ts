import type { MaybePromise } from "./auth-policy.js";
import type { Message } from "./message.js";
import type { Push } from "./push.js";

/**
 * Accepts pushes, brings their messages to every node that shares the broker, and keeps the history
 * from which clients catch up.
 *
 * Every method may answer at once or with a promise. Callers must handle both: a broker in this
 * process usually answers at once, one that calls a network never does.
 *
 * Every broker promises (test/contract/broker.contract.ts):
 * - **Whole pushes.** A push is accepted for all of its channels or rejected for all. `publish` settles once
 *   the push is accepted, as durably as the broker stores things. An accepted push is lost only to
 *   the limits of the history.
 * - **Order.** `deliver` gets each message once. Messages of one channel arrive in the same order on
 *   every node. On the node that published it, a push arrives in the order of its channels, and no
 *   other push arrives in between.
 * - **History and delivery agree.** A message is in `history`, and counts in `position`, from the
 *   moment it is passed to `deliver`, and never before. So for a subscribed channel an answer never
 *   contains a message that this node has not received yet. An answer that comes as a promise
 *   describes some moment between the call and its arrival; messages delivered in the meantime may
 *   be missing from it. A caller that buffers what is delivered from the call on, and drops what the
 *   answer already contains, misses nothing and gets nothing twice.
 * - **Idempotency.** A repeat of an idempotency key within its window is not accepted again, not
 *   even if it arrives while the first push is in progress.
 */
export interface Broker {
  /**
   * Starts delivery. Called before all other methods, and again only after `stop` has settled.
   *
   * @throws {BrokerError} if the broker cannot be used; its message is one line for the operator.
   */
  start(deliver: Deliver): MaybePromise<void>;

  /** Finishes what is in progress and releases all resources. `publish` fails from then on. Idempotent. */
  stop(): MaybePromise<void>;

  /** @throws {BrokerUnavailable} if the push was not accepted; a promise rejects with it. */
  publish(publication: Publication): MaybePromise<PublishResult>;

  /**
   * Called when this node gets its first subscriber of a channel. Settles once every message
   * accepted later reaches this node. A broker of a single node has nothing to do.
   */
  subscribe(channel: string): MaybePromise<void>;

  /** Called after the last subscriber on this node has left. Messages may still arrive for a while. */
  unsubscribe(channel: string): MaybePromise<void>;

  /**
   * The id of the channel's newest message, from which a client can resume later. A channel without
   * messages has a position too. Undefined if the channel keeps no history.
   */
  position(channel: string): MaybePromise<string | undefined>;

  /** The messages that a channel keeps, and whether they are all that followed `query.since`. */
  history(channel: string, query: HistoryQuery): MaybePromise<History>;
}

/**
 * Receives each message on this node. Must not throw. May call the broker: a push published from
 * here is delivered after the one that is being delivered.
 *
 * @param pushId the push that the message belongs to; undefined if another node published it.
 */
export type Deliver = (message: Message, pushId: string | undefined) => void;

export interface Publication {
  readonly pushId: string;
  readonly push: Push;
  readonly idempotency?: IdempotencyClaim | undefined;
}

export interface IdempotencyClaim {
  /** The caller's key, already bound to the caller's identity. */
  readonly key: string;
  /** Equal for equal pushes, different for different ones. */
  readonly fingerprint: string;
}

export type PublishResult =
  /** The messages may already have been delivered, or may follow. */
  | { readonly kind: "accepted" }
  /** Accepted earlier, as this push. */
  | { readonly kind: "repeated"; readonly pushId: string }
  /** The key was used for a different push. */
  | { readonly kind: "mismatch" }
  /** No more keys can be remembered; retry after so many milliseconds. */
  | { readonly kind: "full"; readonly retryAfterMs: number };

export interface HistoryQuery {
  /** The id of the last message that the client has, or a position. @defaultValue the oldest kept message */
  readonly since?: string | undefined;
  /** Maximum number of messages; the oldest after `since` come first. @defaultValue all */
  readonly limit?: number | undefined;
}

export interface History {
  /** As `position` returns it, regardless of the limit. */
  readonly position: string | undefined;
  /**
   * Whether `messages` start directly after `since`. False if a message after `since` is gone, if
   * `since` is from another epoch or is not an id of this channel, or if the channel keeps no
   * history. True without a `since`.
   */
  readonly recovered: boolean;
  /** In order, each with its id. Empty if not recovered. */
  readonly messages: readonly Message[];
}

/** How much a channel keeps. Must not change for a channel while the broker runs. */
export interface HistoryLimits {
  /** Maximum number of messages. 0 keeps none; messages then have no id. */
  readonly size: number;
  /** How long a message is kept, in seconds; it is gone once this time has passed. 0 keeps none. */
  readonly ttl: number;
}

/** The broker cannot accept a push now; the caller may try again. */
export class BrokerUnavailable extends Error {
  override readonly name = "BrokerUnavailable";
}

/** The broker cannot be used as configured; `message` is one line for the operator. */
export class BrokerError extends Error {
  override readonly name = "BrokerError";
}
