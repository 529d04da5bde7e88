import type { AuthPolicy, PushAuthRequest, PushDenial } from "./auth-policy.js";
import { DEFAULT_PUSH_LIMITS, type InvalidPush, Push, type PushLimits } from "./push.js";
import type { PushListener } from "./push-listener.js";
import type { Transport } from "./transport.js";

/** How a push ended. What is in `accepted` is what was delivered; the other two delivered nothing. */
export type PushOutcome = AcceptedPush | RefusedPush;

export interface AcceptedPush {
  readonly kind: "accepted";
  readonly id: string;
  readonly push: Push;
  /** To how many sockets it was handed, those of a channel counted for each channel. */
  readonly deliveries: number;
}

export type RefusedPush =
  | { readonly kind: "denied"; readonly id: string; readonly answer: PushDenial | undefined }
  | { readonly kind: "invalid"; readonly id: string; readonly error: InvalidPush };

/** A push that may be delivered and has not been. */
export interface ReadyPush {
  readonly kind: "ready";
  readonly id: string;
  readonly push: Push;
  readonly by: string | undefined;
}

export interface PushServiceOptions {
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
  }

  /** Rejects only where the policy or a transport is broken; nothing was delivered in the first case. */
  async push(request: PushAuthRequest): Promise<PushOutcome> {
    const prepared = await this.prepare(request);
    return prepared.kind === "ready" ? this.accept(prepared) : prepared;
  }

  /** Authorises and checks only: what a push would come to. A refusal is told to the listener. */
  async prepare(request: PushAuthRequest): Promise<ReadyPush | RefusedPush> {
    const id = this.#newId();
    const decision = await this.#policy.authorizePush(request);
    if (decision.allow !== true) {
      this.#refused(request, { id, kind: "denied" });
      return { kind: "denied", id, answer: decision.answer };
    }
    const { by } = decision;
    const result = Push.of(decision.input ?? request.input, this.#limits);
    const error = result.ok ? this.#check?.(result.push) : result.error;
    if (result.ok && error === undefined) return { kind: "ready", id, push: result.push, by };
    const invalid = error as InvalidPush;
    this.#refused(request, { id, kind: "invalid", reason: invalid.message, by });
    return { kind: "invalid", id, error: invalid };
  }

  /** Delivers what `prepare` found ready; once only. */
  accept(ready: ReadyPush): AcceptedPush {
    const { id, push, by } = ready;
    const listener = this.#listener;
    this.#pushes++;
    listener.pushRequested?.({ pushId: id, push, by });
    let deliveries = 0;
    for (const channel of push.channels) {
      const message = push.message(channel);
      let subscribers = 0;
      for (const transport of this.#transports) subscribers += transport.deliver(message);
      deliveries += subscribers;
      listener.messageDelivered?.({ pushId: id, message, subscribers });
    }
    this.#deliveries += deliveries;
    return { kind: "accepted", id, push, deliveries };
  }

  /** For a host that has authorised the push itself. */
  deliver(push: Push): AcceptedPush {
    return this.accept({ kind: "ready", id: this.#newId(), push, by: undefined });
  }

  counts(): PushCounts {
    return { pushes: this.#pushes, deliveries: this.#deliveries };
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
