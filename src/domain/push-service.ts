import type {
  AuthPolicy,
  MaybePromise,
  PushAuthRequest,
  PushDecision,
  PushDenial,
} from "./auth-policy.js";
import {
  type Broker,
  BrokerUnavailable,
  type IdempotencyClaim,
  type PublishResult,
} from "./broker.js";
import { isPromise } from "./maybe-promise.js";
import type { Message } from "./message.js";
import { DEFAULT_PUSH_LIMITS, type InvalidPush, Push, type PushLimits } from "./push.js";
import type { PushListener } from "./push-listener.js";
import type { Transport } from "./transport.js";

/** How a push ended. Only an `accepted` one is delivered. */
export type PushOutcome = AcceptedPush | UnacceptedPush | RefusedPush;

export interface AcceptedPush {
  readonly kind: "accepted";
  readonly id: string;
  readonly push: Push;
  /**
   * How many local sockets the push was handed to so far; a socket counts once per channel. A broker
   * may deliver later, and a push made during a delivery always is: those deliveries are missing.
   */
  readonly deliveries: number;
}

/** Why a push that was ready is not delivered, or not again. */
export type UnacceptedPush =
  /** The same idempotency key was accepted earlier, as push `id`. */
  | { readonly kind: "repeated"; readonly id: string }
  /** The idempotency key was used for a different push. */
  | { readonly kind: "mismatch" }
  /** No more idempotency keys can be remembered; retry after so many milliseconds. */
  | { readonly kind: "full"; readonly retryAfterMs: number }
  /** The broker cannot accept the push now. */
  | { readonly kind: "unavailable"; readonly id: string; readonly cause: BrokerUnavailable };

export type RefusedPush =
  | { readonly kind: "denied"; readonly id: string; readonly answer: PushDenial | undefined }
  | { readonly kind: "invalid"; readonly id: string; readonly error: InvalidPush };

/** A push that is authorised and valid, and has not been delivered. */
export interface ReadyPush {
  readonly kind: "ready";
  readonly id: string;
  readonly push: Push;
  readonly by: string | undefined;
  readonly request: PushAuthRequest | undefined;
}

/** A push between `accept` and its outcome. */
interface Publishing {
  readonly ready: ReadyPush;
  /** Whether the listener has been told `pushRequested`. */
  isRequested: boolean;
  deliveries: number;
  /** What the transports threw. */
  errors: unknown[] | undefined;
}

export interface PushServiceOptions {
  readonly policy: AuthPolicy;
  /** Each message goes to all of them, in this order. */
  readonly transports: readonly Transport[];
  readonly limits?: PushLimits;
  /**
   * @defaultValue none: pushes are delivered at once, no history is kept, and idempotency keys are
   * ignored.
   */
  readonly broker?: Broker;
  readonly listener?: PushListener;
  /** Makes the id of a push, as traces and listeners see it. @defaultValue "1", "2", … */
  readonly newPushId?: () => string;
  /** An additional check of a push that is valid otherwise. Returns what is wrong, if anything. */
  readonly check?: (push: Push) => InvalidPush | undefined;
  /**
   * Called if a transport throws and no caller can be told, because the push was settled before or
   * came from another node. @defaultValue ignores the error
   */
  readonly onDeliveryError?: (error: unknown) => void;
}

export interface PushCounts {
  /** Pushes accepted since the start. */
  readonly pushes: number;
  /** Messages handed to sockets since the start; each socket counts. */
  readonly deliveries: number;
}

/**
 * Authorises a push, checks and normalises it, hands it to the broker, delivers what the broker
 * brings to the transports, and reports what was processed.
 *
 * Pushes are delivered in the order of acceptance, each to its channels in their order. Deliveries
 * of two pushes never interleave.
 */
export class PushService {
  readonly #policy: AuthPolicy;
  readonly #transports: readonly Transport[];
  readonly #limits: PushLimits;
  readonly #listener: PushListener;
  readonly #newPushId: () => string;
  readonly #check: PushServiceOptions["check"];
  readonly #broker: Broker | undefined;
  readonly #onDeliveryError: (error: unknown) => void;
  /** The push that is being passed to the broker, or delivered, right now. */
  #current: Publishing | undefined;
  /** Pushes that the broker has not settled yet, by id. */
  readonly #publishing = new Map<string, Publishing>();
  #pushes = 0;
  #deliveries = 0;

  constructor(options: PushServiceOptions) {
    this.#policy = options.policy;
    this.#transports = options.transports;
    this.#limits = options.limits ?? DEFAULT_PUSH_LIMITS;
    this.#broker = options.broker;
    this.#listener = options.listener ?? {};
    this.#newPushId = options.newPushId ?? sequence();
    this.#check = options.check;
    this.#onDeliveryError = options.onDeliveryError ?? (() => {});
  }

  /** Starts the broker, if there is one. @throws {BrokerError} as `Broker.start` does. */
  start(): MaybePromise<void> {
    return this.#broker?.start((message, pushId) => this.#deliver(message, pushId));
  }

  stop(): MaybePromise<void> {
    return this.#broker?.stop();
  }

  /**
   * `prepare`, then `accept`. Rejects only if the policy fails, in which case nothing is delivered,
   * or if a transport throws.
   */
  async push(request: PushAuthRequest): Promise<PushOutcome> {
    const prepared = await this.prepare(request);
    return prepared.kind === "ready" ? this.accept(prepared) : prepared;
  }

  /**
   * Authorises and checks a push without delivering it. Answers at once if the policy does. The
   * listener is told about a refusal.
   */
  prepare(request: PushAuthRequest): MaybePromise<ReadyPush | RefusedPush> {
    const id = this.#newPushId();
    const decision = this.#policy.authorizePush(request);
    return isPromise(decision)
      ? Promise.resolve(decision).then((decided) => this.#decided(id, request, decided))
      : this.#decided(id, request, decision);
  }

  #decided(id: string, request: PushAuthRequest, decision: PushDecision): ReadyPush | RefusedPush {
    if (decision.allow !== true) {
      this.#refused(request, { id, kind: "denied" });
      return { kind: "denied", id, answer: decision.answer };
    }
    const { by } = decision;
    const result = Push.of(decision.input ?? request.input, this.#limits);
    const error = result.ok ? this.#check?.(result.push) : result.error;
    if (result.ok && error === undefined) {
      return { kind: "ready", id, push: result.push, by, request };
    }
    const invalid = error as InvalidPush;
    this.#refused(request, { id, kind: "invalid", reason: invalid.message, by });
    return { kind: "invalid", id, error: invalid };
  }

  /**
   * Delivers a push that `prepare` found ready. Call it once. Answers at once if the broker does.
   *
   * @throws the first error that a transport threw, after the push has reached all other transports
   * and channels; a promise rejects with it.
   */
  accept(
    ready: ReadyPush,
    idempotency?: IdempotencyClaim,
  ): MaybePromise<AcceptedPush | UnacceptedPush> {
    const publishing: Publishing = { ready, isRequested: false, deliveries: 0, errors: undefined };
    const broker = this.#broker;
    if (broker === undefined) return this.#acceptDirectly(publishing);
    const { id, push } = ready;
    const outer = this.#current;
    this.#current = publishing;
    let result: MaybePromise<PublishResult>;
    try {
      result = broker.publish({ pushId: id, push, idempotency });
    } catch (error) {
      return this.#failed(ready, error);
    } finally {
      this.#current = outer;
    }
    if (!isPromise(result)) return this.#published(publishing, result);
    this.#publishing.set(id, publishing);
    return Promise.resolve(result).then(
      (settled) => this.#published(publishing, settled),
      (error: unknown) => this.#failed(ready, error),
    );
  }

  /** Delivers a push of the host's own: no policy is asked. Fails as `accept` does. */
  deliver(push: Push): MaybePromise<AcceptedPush | UnacceptedPush> {
    const id = this.#newPushId();
    return this.accept({ kind: "ready", id, push, by: undefined, request: undefined });
  }

  counts(): PushCounts {
    return { pushes: this.#pushes, deliveries: this.#deliveries };
  }

  #acceptDirectly(publishing: Publishing): AcceptedPush {
    const { id, push } = publishing.ready;
    this.#requested(publishing);
    for (const channel of push.channels) {
      this.#deliverTo(publishing, push.message(channel), id);
    }
    return accepted(publishing);
  }

  #deliver(message: Message, pushId: string | undefined): void {
    const publishing = pushId === undefined ? undefined : this.#publishingOf(pushId);
    // The listener hears of the push before its first message; the broker may not have settled yet.
    if (publishing?.isRequested === false) this.#requested(publishing);
    this.#deliverTo(publishing, message, pushId);
  }

  #deliverTo(
    publishing: Publishing | undefined,
    message: Message,
    pushId: string | undefined,
  ): void {
    let subscribers = 0;
    for (const transport of this.#transports) {
      try {
        subscribers += transport.deliver(message);
      } catch (error) {
        this.#transportFailed(publishing, error);
      }
    }
    this.#deliveries += subscribers;
    if (publishing !== undefined) publishing.deliveries += subscribers;
    if (pushId !== undefined) {
      this.#listener.messageDelivered?.({ pushId, message, subscribers });
    }
  }

  /** A broken transport must not keep the message from the others, nor reach into the broker. */
  #transportFailed(publishing: Publishing | undefined, error: unknown): void {
    if (publishing === undefined) {
      this.#onDeliveryError(error);
      return;
    }
    publishing.errors ??= [];
    publishing.errors.push(error);
  }

  #publishingOf(pushId: string): Publishing | undefined {
    const current = this.#current;
    return current?.ready.id === pushId ? current : this.#publishing.get(pushId);
  }

  #requested(publishing: Publishing): void {
    const { id, push, by } = publishing.ready;
    publishing.isRequested = true;
    this.#pushes++;
    this.#listener.pushRequested?.({ pushId: id, push, by });
  }

  #published(publishing: Publishing, result: PublishResult): AcceptedPush | UnacceptedPush {
    if (this.#publishing.size > 0) this.#publishing.delete(publishing.ready.id);
    switch (result.kind) {
      case "accepted":
        // Not delivered yet: it was made during a delivery, or the broker delivers later.
        if (!publishing.isRequested) this.#requested(publishing);
        return accepted(publishing);
      case "repeated":
        return { kind: "repeated", id: result.pushId };
      default:
        return result;
    }
  }

  #failed(ready: ReadyPush, error: unknown): UnacceptedPush {
    const { id, by, request } = ready;
    this.#publishing.delete(id);
    if (!(error instanceof BrokerUnavailable)) throw error;
    const reason = error.message;
    this.#listener.pushRefused?.({ pushId: id, kind: "unavailable", reason, by, request });
    return { kind: "unavailable", id, cause: error };
  }

  #refused(
    request: PushAuthRequest,
    refusal: { id: string; kind: "denied" | "invalid"; reason?: string; by?: string | undefined },
  ): void {
    const { id, kind, reason, by } = refusal;
    this.#listener.pushRefused?.({ pushId: id, kind, reason, by, request });
  }
}

/** @throws what a transport threw, if one did: the caller must know that someone may have got nothing. */
function accepted({ ready, deliveries, errors }: Publishing): AcceptedPush {
  if (errors !== undefined) throw errors[0];
  return { kind: "accepted", id: ready.id, push: ready.push, deliveries };
}

function sequence(): () => string {
  let last = 0;
  return () => `${++last}`;
}
