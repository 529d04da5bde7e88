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

/** How a push ended. Only what is in `accepted` was delivered by it; the others delivered nothing. */
export type PushOutcome = AcceptedPush | UnacceptedPush | RefusedPush;

export interface AcceptedPush {
  readonly kind: "accepted";
  readonly id: string;
  readonly push: Push;
  /** To how many sockets it was handed, those of a channel counted for each channel. */
  readonly deliveries: number;
}

/** Why a push that was ready is not delivered (again). */
export type UnacceptedPush =
  /** It was accepted before by the same idempotency key, as `id`. */
  | { readonly kind: "repeated"; readonly id: string }
  /** The idempotency key was used for another push. */
  | { readonly kind: "mismatch" }
  /** No other idempotency key can be remembered now. */
  | { readonly kind: "full"; readonly retryAfterMs: number }
  /** The broker cannot accept it now. */
  | { readonly kind: "unavailable"; readonly id: string; readonly cause: BrokerUnavailable };

export type RefusedPush =
  | { readonly kind: "denied"; readonly id: string; readonly answer: PushDenial | undefined }
  | { readonly kind: "invalid"; readonly id: string; readonly error: InvalidPush };

/** A push that may be delivered and has not been. */
export interface ReadyPush {
  readonly kind: "ready";
  readonly id: string;
  readonly push: Push;
  readonly by: string | undefined;
  readonly request: PushAuthRequest | undefined;
}

interface Publishing {
  readonly ready: ReadyPush;
  /** Whether the listener knows of it. */
  isRequested: boolean;
}

export interface PushServiceOptions {
  /**
   * What pushes go through. @defaultValue none: they are delivered at once, are in no history, and
   * idempotency keys are not looked at
   */
  readonly broker?: Broker;
  readonly listener?: PushListener;
  /** Names a push, in its trace and to listeners. @defaultValue "1", "2", … */
  readonly newId?: () => string;
  /** What is wrong with a push that is valid of itself; undefined where nothing is. */
  readonly check?: (push: Push) => InvalidPush | undefined;
}

export interface PushCounts {
  /** Pushes accepted since the start. */
  readonly pushes: number;
  /** Messages handed to sockets since the start, one for each socket. */
  readonly deliveries: number;
}

/**
 * The main job: authorise a push, normalise it, hand it over, and say what was really processed.
 *
 * Pushes are delivered in the order in which they were accepted, each to its channels in their
 * order; the deliveries of one push are not interleaved with those of another.
 */
export class PushService {
  readonly #policy: AuthPolicy;
  readonly #transports: readonly Transport[];
  readonly #limits: PushLimits;
  readonly #listener: PushListener;
  readonly #newId: () => string;
  readonly #check: PushServiceOptions["check"];
  readonly #broker: Broker | undefined;
  /** The one that is handed to the broker, or delivered, in this turn of the event loop. */
  #current: Publishing | undefined;
  /** By their ids, those that the broker takes its time for. */
  readonly #publishing = new Map<string, Publishing>();
  #pushes = 0;
  #deliveries = 0;

  constructor(
    policy: AuthPolicy,
    transports: readonly Transport[],
    limits: PushLimits = DEFAULT_PUSH_LIMITS,
    options: PushServiceOptions = {},
  ) {
    this.#policy = policy;
    this.#transports = transports;
    this.#limits = limits;
    this.#listener = options.listener ?? {};
    this.#newId = options.newId ?? sequence();
    this.#check = options.check;
    this.#broker = options.broker;
  }

  /** Begins to deliver what the broker brings; not needed without one. */
  start(): MaybePromise<void> {
    return this.#broker?.start((message, pushId) => this.#deliver(message, pushId));
  }

  stop(): MaybePromise<void> {
    return this.#broker?.stop();
  }

  /** Rejects only where the policy or a transport is broken; nothing was delivered in the first case. */
  async push(request: PushAuthRequest): Promise<PushOutcome> {
    const prepared = await this.prepare(request);
    return prepared.kind === "ready" ? this.accept(prepared) : prepared;
  }

  /**
   * Authorises and checks only: what a push would come to, at once where the policy decides at once.
   * A refusal is told to the listener.
   */
  prepare(request: PushAuthRequest): MaybePromise<ReadyPush | RefusedPush> {
    const id = this.#newId();
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
   * Delivers what `prepare` found ready, at once where the broker does; once only.
   *
   * @throws what a broken transport throws, or rejects with it.
   */
  accept(
    ready: ReadyPush,
    idempotency?: IdempotencyClaim,
  ): MaybePromise<AcceptedPush | UnacceptedPush> {
    if (this.#broker === undefined) return this.#acceptDirectly(ready);
    const { id, push } = ready;
    const publishing: Publishing = { ready, isRequested: false };
    const outer = this.#current;
    this.#current = publishing;
    try {
      const result = this.#broker.publish({ pushId: id, push, idempotency });
      if (!isPromise(result)) return this.#published(publishing, result);
      this.#publishing.set(id, publishing);
      return Promise.resolve(result).then(
        (settled) => this.#published(publishing, settled),
        (error: unknown) => this.#failed(ready, error),
      );
    } catch (error) {
      return this.#failed(ready, error);
    } finally {
      this.#current = outer;
    }
  }

  /** For a host that has authorised the push itself. */
  deliver(push: Push): MaybePromise<AcceptedPush | UnacceptedPush> {
    const id = this.#newId();
    return this.accept({ kind: "ready", id, push, by: undefined, request: undefined });
  }

  counts(): PushCounts {
    return { pushes: this.#pushes, deliveries: this.#deliveries };
  }

  #acceptDirectly(ready: ReadyPush): AcceptedPush {
    const { id, push } = ready;
    this.#requested({ ready, isRequested: false });
    let deliveries = 0;
    for (const channel of push.channels) deliveries += this.#deliver(push.message(channel), id);
    return { kind: "accepted", id, push, deliveries };
  }

  #deliver(message: Message, pushId: string | undefined): number {
    if (pushId !== undefined) this.#begin(pushId);
    let subscribers = 0;
    for (const transport of this.#transports) subscribers += transport.deliver(message);
    this.#deliveries += subscribers;
    if (pushId !== undefined) {
      this.#listener.messageDelivered?.({ pushId, message, subscribers });
    }
    return subscribers;
  }

  /** Told before its first message, which the broker may bring before it has settled. */
  #begin(pushId: string): void {
    const current = this.#current;
    const publishing = current?.ready.id === pushId ? current : this.#publishing.get(pushId);
    if (publishing !== undefined && !publishing.isRequested) this.#requested(publishing);
  }

  #requested(publishing: Publishing): void {
    const { id, push, by } = publishing.ready;
    publishing.isRequested = true;
    this.#pushes++;
    this.#listener.pushRequested?.({ pushId: id, push, by });
  }

  #published(publishing: Publishing, result: PublishResult): AcceptedPush | UnacceptedPush {
    const { id, push } = publishing.ready;
    if (this.#publishing.size > 0) this.#publishing.delete(id);
    switch (result.kind) {
      case "accepted":
        // One that was made from within a delivery is delivered after that.
        if (!publishing.isRequested) this.#requested(publishing);
        return { kind: "accepted", id, push, deliveries: result.deliveries };
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

function sequence(): () => string {
  let last = 0;
  return () => `${++last}`;
}
