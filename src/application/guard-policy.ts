import type { AuthPolicy, MaybePromise } from "../domain/auth-policy.js";
import { isPromise } from "../domain/maybe-promise.js";

/** A question that a policy failed to answer; the error is the policy's own. */
export type PolicyFault = (question: Question, error: unknown) => void;

type Question = "push" | "connect" | "join";
type Answer = { readonly allow: boolean };

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
  const deny = (question: Question, error: unknown): Deny => {
    report(question, error);
    return DENY;
  };
  const check = <T extends Answer>(question: Question, decision: T): T | Deny =>
    typeof decision?.allow === "boolean"
      ? decision
      : deny(question, new TypeError("the policy answered with no decision"));
  const settle = <T extends Answer>(
    question: Question,
    decision: MaybePromise<T>,
  ): MaybePromise<T | Deny> =>
    isPromise(decision)
      ? inTime(Promise.resolve(decision), timeoutMs)
          .then((decided) => check(question, decided))
          .catch((error) => deny(question, error))
      : check(question, decision);
  return {
    authorizePush(request) {
      try {
        return settle("push", policy.authorizePush(request));
      } catch (error) {
        return deny("push", error);
      }
    },
    authorizeConnect(request) {
      try {
        return settle("connect", policy.authorizeConnect(request));
      } catch (error) {
        return deny("connect", error);
      }
    },
    authorizeJoin(request) {
      try {
        return settle("join", policy.authorizeJoin(request));
      } catch (error) {
        return deny("join", error);
      }
    },
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
