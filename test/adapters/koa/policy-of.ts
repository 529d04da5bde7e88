import type { AuthPolicy, PushAuthRequest, PushDecision } from "../../../src/index.js";

/** A policy with this answer to who may push, whatever it is; the rest is allowed to everyone. */
export function policyOf(authorizePush: (request: PushAuthRequest) => unknown): AuthPolicy {
  return {
    authorizePush: authorizePush as (request: PushAuthRequest) => PushDecision,
    authorizeOperate: () => ({ allow: true }),
    authorizeConnect: () => ({ allow: true }),
    authorizeJoin: () => ({ allow: true }),
  };
}

/** Says who pushes by the header field `x-caller`. */
export const named = policyOf(({ headers }) => ({ allow: true, by: headers["x-caller"] }));
