import type { AuthPolicy, MaybePromise } from "../domain/auth-policy.js";

/** A question that a policy failed to answer; the error is the policy's own. */
export type PolicyFault = (question: "push" | "connect" | "join", error: unknown) => void;

const DENY = Object.freeze({ allow: false as const });

/** The policy with its contract enforced: one that throws, rejects or answers nonsense denies. */
export function guardPolicy(policy: AuthPolicy, report: PolicyFault): AuthPolicy {
  return {
    authorizePush: (request) => guard("push", report, () => policy.authorizePush(request)),
    authorizeConnect: (request) => guard("connect", report, () => policy.authorizeConnect(request)),
    authorizeJoin: (request) => guard("join", report, () => policy.authorizeJoin(request)),
  };
}

function guard<T extends { readonly allow: boolean }>(
  question: Parameters<PolicyFault>[0],
  report: PolicyFault,
  ask: () => MaybePromise<T>,
): MaybePromise<T | typeof DENY> {
  const deny = (error: unknown): typeof DENY => {
    report(question, error);
    return DENY;
  };
  const check = (decision: T): T | typeof DENY =>
    typeof decision?.allow === "boolean"
      ? decision
      : deny(new TypeError("the policy answered with no decision"));
  try {
    const decision = ask();
    return isPromise(decision)
      ? Promise.resolve(decision).then(check).catch(deny)
      : check(decision);
  } catch (error) {
    return deny(error);
  }
}

function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof (value as Partial<Promise<T>> | undefined)?.then === "function";
}
