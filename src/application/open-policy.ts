import type { AuthPolicy } from "../domain/auth-policy.js";

const open = new WeakSet<AuthPolicy>();

/**
 * Marks a policy that lets everyone push or operate. A server with such a policy refuses to listen on
 * a public address.
 */
export function markOpen<T extends AuthPolicy>(policy: T): T {
  open.add(policy);
  return policy;
}

export function isOpenToEveryone(policy: AuthPolicy): boolean {
  return open.has(policy);
}

/** Marks `made` as open if one of the policies that it was made from is open. */
export function asOpenAs<T extends AuthPolicy>(made: T, ...origins: readonly AuthPolicy[]): T {
  return origins.some(isOpenToEveryone) ? markOpen(made) : made;
}
