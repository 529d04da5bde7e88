import type { AuthPolicy, MaybePromise } from "../domain/auth-policy.js";
import { isPromise } from "../domain/maybe-promise.js";

/** A question that a policy failed to answer; the error is the policy's own. */
export type PolicyFault = (question: "push" | "connect" | "join", error: unknown) => void;

export interface GuardOptions {
  /** A policy that takes longer denies, in milliseconds. @defaultValue no limit */
  readonly timeoutMs?: number;
}

const DENY = Object.freeze({ allow: false as const });

type Deny = typeof DENY;

/**
 * The policy with its contract enforced: one that throws, rejects, answers nonsense or takes too
 * long denies. What a late policy says after that is not heard.
 */
export function guardPolicy(
  policy: AuthPolicy,
  report: PolicyFault,
  { timeoutMs }: GuardOptions = {},
): AuthPolicy {
  const guard = <T extends { readonly allow: boolean }>(
    question: Parameters<PolicyFault>[0],
    ask: () => MaybePromise<T>,
  ): MaybePromise<T | Deny> => {
    const deny = (error: unknown): Deny => {
      report(question, error);
      return DENY;
    };
    const check = (decision: T): T | Deny =>
      typeof decision?.allow === "boolean"
        ? decision
        : deny(new TypeError("the policy answered with no decision"));
    try {
      const decision = ask();
      if (!isPromise(decision)) return check(decision);
      return inTime(Promise.resolve(decision), timeoutMs).then(check).catch(deny);
    } catch (error) {
      return deny(error);
    }
  };
  return {
    authorizePush: (request) => guard("push", () => policy.authorizePush(request)),
    authorizeConnect: (request) => guard("connect", () => policy.authorizeConnect(request)),
    authorizeJoin: (request) => guard("join", () => policy.authorizeJoin(request)),
  };
}

function inTime<T>(decision: Promise<T>, timeoutMs: number | undefined): Promise<T> {
  if (timeoutMs === undefined) return decision;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`the policy did not decide within ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
    decision.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
