import {
  ANONYMOUS,
  type AuthPolicy,
  type ConnectAuthRequest,
  type ConnectDecision,
  type Identity,
} from "../../domain/auth-policy.js";
import { isPromise } from "../../domain/maybe-promise.js";
import type { OriginRule } from "../origins.js";
import type { ConnectThrottle, WaitingConnect } from "./connect-throttle.js";
import type { SocketLog } from "./joins.js";

export interface ConnectsOptions {
  /** Guarded: it neither throws nor rejects. */
  readonly policy: Pick<AuthPolicy, "authorizeConnect">;
  readonly origins: OriginRule;
  /** @defaultValue every connect is admitted at once */
  readonly throttle?: ConnectThrottle | undefined;
  readonly log: Pick<SocketLog, "info">;
}

/** A client's connect, as its transport holds it until it is decided. */
export interface ConnectAttempt {
  /** Called when the policy is asked, which may be in another turn of the event loop. */
  authRequest(): ConnectAuthRequest;
  /** Called once, unless the client goes first. */
  decided(outcome: ConnectOutcome): void;
}

export type ConnectOutcome =
  | { readonly kind: "allowed"; readonly identity: Identity }
  | { readonly kind: "denied" }
  /** The node stops; its clients should reconnect spread over this time. */
  | { readonly kind: "draining"; readonly spreadMs: number }
  /** Too many connects at once. */
  | { readonly kind: "throttled"; readonly retryAfterSeconds: number };

const DENIED: ConnectOutcome = { kind: "denied" };

/** Decides who may connect, and when, on every transport. */
export class Connects {
  readonly #options: ConnectsOptions;
  /** Those that have not been decided; the value gives up a place in the throttle's queue. */
  readonly #undecided = new Map<ConnectAttempt, (() => void) | undefined>();
  /** Set while the node drains. */
  #draining: Extract<ConnectOutcome, { kind: "draining" }> | undefined;

  constructor(options: ConnectsOptions) {
    this.#options = options;
  }

  /** Accepts connects from now on, also after a drain. */
  start(): void {
    this.#draining = undefined;
    this.#options.throttle?.start();
  }

  /**
   * Rejects every connect from now on, also those that wait.
   *
   * @param spreadMs over how long clients should reconnect, in milliseconds.
   */
  drain(spreadMs: number): void {
    this.#draining = { kind: "draining", spreadMs };
    this.#options.throttle?.stop();
  }

  get isDraining(): boolean {
    return this.#draining !== undefined;
  }

  /** Connects that wait for the throttle or the policy. */
  get undecided(): number {
    return this.#undecided.size;
  }

  /** Over how long the clients of so many sockets should reconnect, in milliseconds. */
  spreadMs(sockets: number): number {
    return this.#options.throttle?.spreadMs(sockets) ?? 0;
  }

  /** Whether a web page of this origin may connect; one that may not is logged. */
  allowsOrigin(origin: string | undefined, host: string | undefined): boolean {
    if (origin === undefined || this.#options.origins.allows(origin, host)) return true;
    this.#options.log.info({ origin, host }, "connect rejected: origin not allowed");
    return false;
  }

  /** Decides, in this turn of the event loop if the throttle and the policy do. */
  admit(attempt: ConnectAttempt): void {
    const { throttle } = this.#options;
    if (this.#draining !== undefined) attempt.decided(this.#draining);
    else if (throttle === undefined || throttle.tryAdmit()) this.#ask(attempt);
    else this.#wait(attempt, throttle);
  }

  /** The client of an undecided connect has gone. */
  abandon(attempt: ConnectAttempt): void {
    this.#undecided.get(attempt)?.();
    this.#undecided.delete(attempt);
  }

  #wait(attempt: ConnectAttempt, throttle: ConnectThrottle): void {
    const waiting: WaitingConnect = {
      admit: () => {
        if (this.#undecided.delete(attempt)) this.#ask(attempt);
      },
      reject: () => {
        if (!this.#undecided.delete(attempt)) return;
        attempt.decided(this.#draining ?? { kind: "draining", spreadMs: 0 });
      },
    };
    if (throttle.wait(waiting)) this.#undecided.set(attempt, () => throttle.leave(waiting));
    else attempt.decided({ kind: "throttled", retryAfterSeconds: throttle.waitSeconds });
  }

  #ask(attempt: ConnectAttempt): void {
    const decision = this.#options.policy.authorizeConnect(attempt.authRequest());
    if (!isPromise(decision)) {
      attempt.decided(this.#outcome(decision));
      return;
    }
    this.#undecided.set(attempt, undefined);
    void decision.then((decided) => {
      if (this.#undecided.delete(attempt)) attempt.decided(this.#outcome(decided));
    });
  }

  #outcome(decision: ConnectDecision): ConnectOutcome {
    if (this.#draining !== undefined) return this.#draining;
    if (decision.allow !== true) return DENIED;
    return { kind: "allowed", identity: decision.identity ?? ANONYMOUS };
  }
}
