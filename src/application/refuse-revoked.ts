import type { AuthPolicy, MaybePromise } from "../domain/auth-policy.js";
import type { Revocations } from "./revocations.js";

const DENY = Object.freeze({ allow: false as const });
const DENY_JOIN = Object.freeze({ allow: false as const, reason: "token revoked" });

/**
 * The policy, with revoked tokens refused: what it allows is denied where the claims that it hands
 * on are revoked. A socket that is open already is asked for at its next join.
 *
 * Answers come at once where the policy's do.
 */
export function refuseRevoked(
  policy: AuthPolicy,
  revocations: Pick<Revocations, "covers">,
): AuthPolicy {
  return {
    authorizePush: (request) =>
      after(policy.authorizePush(request), (decision) =>
        decision?.allow && revocations.covers(decision.claims) ? DENY : decision,
      ),
    authorizeConnect: (request) =>
      after(policy.authorizeConnect(request), (decision) =>
        decision?.allow && revocations.covers(decision.identity?.claims) ? DENY : decision,
      ),
    authorizeJoin: (request) =>
      after(policy.authorizeJoin(request), (decision) =>
        decision?.allow && revocations.covers(request.identity.claims) ? DENY_JOIN : decision,
      ),
  };
}

function after<T, U>(value: MaybePromise<T>, change: (value: T) => U): MaybePromise<U> {
  return isPromise(value) ? Promise.resolve(value).then(change) : change(value);
}

function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof (value as Partial<Promise<T>> | undefined)?.then === "function";
}
