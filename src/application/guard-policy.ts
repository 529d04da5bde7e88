import { type AuthPolicy, authorizeOperate, type MaybePromise } from "../domain/auth-policy.js";
import { isPromise } from "../domain/maybe-promise.js";

/** Called if a policy fails to answer a question; the error is the policy's own. */
export type PolicyFault = (question: Question, error: unknown) => void;

type Question = "push" | "connect" | "join" | "operate";
type Answer = { readonly allow: boolean };

export interface GuardOptions {
  /** Ends the wait for a policy. @defaultValue no limit */
  readonly timeout?: PolicyTimeout;
}

export interface PolicyTimeout {
  /** How long a policy may take, in milliseconds; then the answer is a denial. */
  readonly ms: number;
  /** Calls `run` once after `ms` milliseconds, unless the returned function is called before. */
  readonly schedule: (run: () => void, ms: number) => () => void;
}

const DENY = Object.freeze({ allow: false as const });

type Deny = typeof DENY;

/**
 * The policy with its contract enforced: if it throws, rejects, answers without a decision or takes
 * too long, the question is denied and reported. A later answer of a policy that took too long is
 * ignored. A policy without `authorizeOperate` denies all operator rights, which is not reported.
 */
export function guardPolicy(
  policy: AuthPolicy,
  report: PolicyFault,
  { timeout }: GuardOptions = {},
): Required<AuthPolicy> {
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
      ? inTime(Promise.resolve(decision), timeout)
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
    authorizeOperate(request) {
      try {
        return settle("operate", authorizeOperate(policy, request));
      } catch (error) {
        return deny("operate", error);
      }
    },
  };
}

function inTime<T>(decision: Promise<T>, timeout: PolicyTimeout | undefined): Promise<T> {
  if (timeout === undefined) return decision;
  const { ms, schedule } = timeout;
  return new Promise((resolve, reject) => {
    const cancel = schedule(
      () => reject(new Error(`the policy did not decide within ${ms / 1000} s`)),
      ms,
    );
    decision.then(resolve, reject).finally(cancel);
  });
}
