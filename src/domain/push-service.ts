import type { AuthPolicy, PushAuthRequest, PushDenial } from "./auth-policy.js";
import { DEFAULT_PUSH_LIMITS, type InvalidPush, Push, type PushLimits } from "./push.js";
import type { Transport } from "./transport.js";

/** How a push ended. What is in `accepted` is what was delivered; the other two delivered nothing. */
export type PushOutcome =
  | { readonly kind: "accepted"; readonly push: Push; readonly deliveries: number }
  | { readonly kind: "denied"; readonly answer: PushDenial | undefined }
  | { readonly kind: "invalid"; readonly error: InvalidPush };

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

  constructor(
    policy: AuthPolicy,
    transports: readonly Transport[],
    limits: PushLimits = DEFAULT_PUSH_LIMITS,
  ) {
    this.#policy = policy;
    this.#transports = transports;
    this.#limits = limits;
  }

  /** Rejects only where the policy or a transport is broken; nothing was delivered in the first case. */
  async push(request: PushAuthRequest): Promise<PushOutcome> {
    const decision = await this.#policy.authorizePush(request);
    if (decision.allow !== true) return { kind: "denied", answer: decision.answer };
    const result = Push.of(decision.input ?? request.input, this.#limits);
    if (!result.ok) return { kind: "invalid", error: result.error };
    return { kind: "accepted", push: result.push, deliveries: this.deliver(result.push) };
  }

  /** For a host that has authorised the push itself. @returns the number of deliveries. */
  deliver(push: Push): number {
    let deliveries = 0;
    for (const channel of push.channels) {
      const message = push.message(channel);
      for (const transport of this.#transports) deliveries += transport.deliver(message);
    }
    return deliveries;
  }
}
