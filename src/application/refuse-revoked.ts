import type { AuthPolicy, PushDecision } from "../domain/auth-policy.js";
import { andThen } from "../domain/maybe-promise.js";
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
  const heed = (decision: PushDecision): PushDecision =>
    decision?.allow && revocations.covers(decision.claims) ? DENY : decision;
  return {
    authorizePush: (request) => andThen(policy.authorizePush(request), heed),
    authorizeConnect: (request) =>
      andThen(policy.authorizeConnect(request), (decision) =>
        decision?.allow && revocations.covers(decision.identity?.claims) ? DENY : decision,
      ),
    authorizeJoin: (request) =>
      andThen(policy.authorizeJoin(request), (decision) =>
        decision?.allow && revocations.covers(request.identity.claims) ? DENY_JOIN : decision,
      ),
  };
}
