import type { AuthPolicy } from "../domain/auth-policy.js";

const open = new WeakSet<AuthPolicy>();

/** Says of a policy that everyone may push by it, so that no server takes it to the public by accident. */
export function markOpen<T extends AuthPolicy>(policy: T): T {
  open.add(policy);
  return policy;
}

export function isOpenToEveryone(policy: AuthPolicy): boolean {
  return open.has(policy);
}

/** `made` is as open as what it was made of. */
export function asOpenAs<T extends AuthPolicy>(made: T, origin: AuthPolicy): T {
  return open.has(origin) ? markOpen(made) : made;
}
