import {
  type AuthPolicy,
  authorizeOperate,
  type OperateDecision,
  type PushDecision,
} from "../domain/auth-policy.js";
import { andThen } from "../domain/maybe-promise.js";
import type { Revocations } from "./revocations.js";

const DENY = Object.freeze({ allow: false as const });
const DENY_JOIN = Object.freeze({ allow: false as const, reason: "token revoked" });

/**
 * The policy, but a decision that allows becomes a denial if the claims that it carries are revoked.
 * A socket that is already open is checked at its next join.
 *
 * Answers at once if the policy does.
 */
export function refuseRevoked(
  policy: AuthPolicy,
  revocations: Pick<Revocations, "covers">,
): Required<AuthPolicy> {
  const check = <T extends PushDecision | OperateDecision>(decision: T): T | typeof DENY =>
    decision?.allow && revocations.covers(decision.claims) ? DENY : decision;
  return {
    authorizePush: (request) => andThen(policy.authorizePush(request), check),
    authorizeOperate: (request) => andThen(authorizeOperate(policy, request), check),
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
