import type { AuthPolicy } from "../domain/auth-policy.js";

const open = new WeakSet<AuthPolicy>();

/** Marks a policy by which everyone may push or operate, so that no server exposes it by accident. */
export function markOpen<T extends AuthPolicy>(policy: T): T {
  open.add(policy);
  return policy;
}

export function isOpenToEveryone(policy: AuthPolicy): boolean {
  return open.has(policy);
}

/** `made` is open if one of the policies that it was made from is. */
export function asOpenAs<T extends AuthPolicy>(made: T, ...origins: readonly AuthPolicy[]): T {
  return origins.some(isOpenToEveryone) ? markOpen(made) : made;
}
