import {
  ANONYMOUS,
  type AuthPolicy,
  type Identity,
  type JoinAuthRequest,
} from "../domain/auth-policy.js";

/** A policy that allowed a connect, and the identity that it gave, if any. */
export type IdentityPart = readonly [policy: AuthPolicy, identity: Identity | undefined];

/**
 * The identities that a composition of policies has given to sockets, each with the parts that it
 * was composed from. At a join, each policy gets back its own part and never another policy's.
 *
 * Identities are compared as objects. Each socket gets a new one, even if no policy gave one: the
 * shared ANONYMOUS would not tell which policy accepted the socket.
 */
export class ComposedIdentities {
  readonly #parts = new WeakMap<Identity, ReadonlyMap<AuthPolicy, Identity>>();

  compose(given: readonly IdentityPart[]): Identity {
    const parts = new Map(given.map(([policy, identity]) => [policy, identity ?? ANONYMOUS]));
    const identity = merge([...parts.values()]);
    this.#parts.set(identity, parts);
    return identity;
  }

  /** Whether `policy` gave a part of `identity`. */
  includes(policy: AuthPolicy, identity: Identity): boolean {
    return this.#parts.get(identity)?.has(policy) === true;
  }

  /** The request with the identity that `policy` gave; unchanged if `identity` was not composed here. */
  ownRequest(policy: AuthPolicy, request: JoinAuthRequest): JoinAuthRequest {
    const { channel, params } = request;
    const identity = this.#parts.get(request.identity)?.get(policy);
    return identity === undefined ? request : { channel, params, identity };
  }
}

/** The first given value of each member, but the earliest `expiresAt`. */
function merge(identities: readonly Identity[]): Identity {
  const merged: { -readonly [K in keyof Identity]: Identity[K] } = {};
  for (const { socketId, claims, expiresAt, presenceId } of identities) {
    if (merged.socketId === undefined && socketId !== undefined) merged.socketId = socketId;
    if (merged.claims === undefined && claims !== undefined) merged.claims = claims;
    if (merged.presenceId === undefined && presenceId !== undefined) merged.presenceId = presenceId;
    if (expiresAt !== undefined) {
      merged.expiresAt = Math.min(merged.expiresAt ?? Number.POSITIVE_INFINITY, expiresAt);
    }
  }
  return Object.freeze(merged);
}
