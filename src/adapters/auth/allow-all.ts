import { markOpen } from "../../application/open-policy.js";
import type { AuthPolicy } from "../../domain/auth-policy.js";

const ALLOW = Object.freeze({ allow: true as const });

/** Everyone may push, connect, join and operate. For development: the composition root binds it to loopback only. */
export const allowAll: AuthPolicy = markOpen(
  Object.freeze({
    authorizePush: () => ALLOW,
    authorizeOperate: () => ALLOW,
    authorizeConnect: () => ALLOW,
    authorizeJoin: () => ALLOW,
  }),
);
