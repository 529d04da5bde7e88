import {
  ANONYMOUS,
  type AuthPolicy,
  type Identity,
  type JoinAuthRequest,
} from "../domain/auth-policy.js";

/** A policy, and the identity that it gave with a connect that it allowed, if it gave one. */
export type Given = readonly [policy: AuthPolicy, identity: Identity | undefined];

/**
 * The identities that a composition of policies has handed out, each with what it was made of, so
 * that at a join every policy gets its own back and none gets another's.
 *
 * They are told apart as objects. Each is a new one, also where the policies gave none: of the
 * shared ANONYMOUS nobody could tell who let it in.
 */
export class HandedOut {
  readonly #parts = new WeakMap<Identity, ReadonlyMap<AuthPolicy, Identity>>();

  add(givens: readonly Given[]): Identity {
    const parts = new Map(givens.map(([policy, identity]) => [policy, identity ?? ANONYMOUS]));
    const identity = merge([...parts.values()]);
    this.#parts.set(identity, parts);
    return identity;
  }

  /** Whether `policy` gave something towards `identity`. */
  isFrom(policy: AuthPolicy, identity: Identity): boolean {
    return this.#parts.get(identity)?.has(policy) === true;
  }

  /** The request with the identity that `policy` gave; as it is where `identity` is not from here. */
  ownRequest(policy: AuthPolicy, request: JoinAuthRequest): JoinAuthRequest {
    const { channel, params } = request;
    const identity = this.#parts.get(request.identity)?.get(policy);
    return identity === undefined ? request : { channel, params, identity };
  }
}

/** Of each member the first that is given, but the earliest end. */
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
