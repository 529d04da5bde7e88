import type { MaybePromise } from "./auth-policy.js";
import type { Message } from "./message.js";
import type { Push } from "./push.js";

/**
 * Takes pushes in and brings their messages to this node (and every other one that shares the
 * broker), in one order for each channel, and keeps what clients that were away catch up with.
 *
 * What every broker promises (test/contract/broker.contract.ts):
 * - A push is accepted whole or not at all. `publish` settles once it is accepted, as durably as
 *   the broker is; what it was accepted as is never lost by it later, short of its history's limits.
 * - Each message is handed to `deliver` once, and in the order of acceptance: the messages of one
 *   channel come in one order on every node, those of one push in the order of its channels and not
 *   interleaved with another push's on the node that took it.
 * - A message is in `history` from the very moment in which it is handed to `deliver`, in the same
 *   turn of the event loop: who reads the history and listens from then on, without a wait between
 *   the two, misses nothing and gets nothing twice.
 * - A repeat with the same idempotency key within the window is not accepted again, also where it
 *   comes while the first is under way.
 */
export interface Broker {
  /**
   * Begins to deliver. Called before all others, and again only after a `stop` has settled.
   *
   * @param deliver must not throw; returns to how many local sockets the message was handed. It may
   * call the broker: what it publishes comes after the push that is being delivered.
   * @throws {BrokerError} where the broker cannot be had; one line for the operator.
   */
  start(deliver: Deliver): MaybePromise<void>;

  /**
   * Settles what is under way and lets go of everything. After it `publish` rejects. Once more does
   * nothing.
   */
  stop(): MaybePromise<void>;

  /**
   * Settles at once (no promise) where the broker can.
   *
   * @throws {BrokerUnavailable}, or rejects with it, where the push was not accepted.
   */
  publish(publication: Publication): MaybePromise<PublishResult>;

  /**
   * This node has a subscriber of the channel from now on. Settles once messages that are accepted
   * later reach the node. A broker of one node has nothing to do.
   */
  subscribe(channel: string): MaybePromise<void>;

  /** This node has no subscriber of the channel any more. */
  unsubscribe(channel: string): void;

  /**
   * Where the channel stands now: what a client keeps to come back with, also while the channel has
   * no message yet. Undefined where the channel's limits keep no history.
   */
  position(channel: string): MaybePromise<string | undefined>;

  /** What the channel keeps, and whether that is all that came since. */
  history(channel: string, query: HistoryQuery): MaybePromise<History>;
}

/** @param pushId names the push that the message is of, for its trace; of another node's none. */
export type Deliver = (message: Message, pushId: string | undefined) => number;

export interface Publication {
  readonly pushId: string;
  readonly push: Push;
  readonly idempotency?: IdempotencyClaim | undefined;
}

export interface IdempotencyClaim {
  /** The caller's key, already bound to who the caller is. */
  readonly key: string;
  /** What is the same for the same push and another for any other. */
  readonly fingerprint: string;
}

export type PublishResult =
  | {
      readonly kind: "accepted";
      /**
       * To how many local sockets the messages were handed by now: not all of them where the broker
       * delivers later, none of a publish from within `deliver`.
       */
      readonly deliveries: number;
    }
  /** Accepted before, under this name. */
  | { readonly kind: "repeated"; readonly pushId: string }
  /** The key was used for something else. */
  | { readonly kind: "mismatch" }
  /** No room for another key. */
  | { readonly kind: "full"; readonly retryAfterMs: number };

export interface HistoryQuery {
  /** The id of the last message that the client has, or a position; the oldest that is kept where missing. */
  readonly since?: string | undefined;
  /** Most messages of the answer: the oldest ones behind `since`. @defaultValue all */
  readonly limit?: number | undefined;
}

export interface History {
  /** As `position` has it, whatever the limit. */
  readonly position: string | undefined;
  /**
   * Whether `messages` begin right behind `since`: false where something behind it is gone, where
   * `since` is of another epoch or nothing that this broker gave, or where the channel keeps no
   * history. True without a `since`.
   */
  readonly recovered: boolean;
  /** In their order, each with its id. Empty where not recovered. */
  readonly messages: readonly Message[];
}

/** How much a channel keeps; of one channel the same for as long as the broker runs. */
export interface HistoryLimits {
  /** Most messages; 0 keeps none, and its messages have no id. */
  readonly size: number;
  /** How long a message is kept, in seconds; 0 keeps none. It is gone when exactly so much has passed. */
  readonly ttl: number;
}

/** The broker cannot accept a push now; the caller may try again. */
export class BrokerUnavailable extends Error {
  override readonly name = "BrokerUnavailable";
}

/** The broker cannot be had as it is configured; `message` is one line for the operator. */
export class BrokerError extends Error {
  override readonly name = "BrokerError";
}
