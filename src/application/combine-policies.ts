import type {
  AuthPolicy,
  ConnectDecision,
  JoinDecision,
  MaybePromise,
  PushAuthRequest,
  PushDecision,
} from "../domain/auth-policy.js";
import { isPromise } from "../domain/maybe-promise.js";
import { guardPolicy, type PolicyFault } from "./guard-policy.js";
import { HandedOut } from "./handed-out.js";
import { asOpenAs, isOpenToEveryone, markOpen } from "./open-policy.js";

type Allowed<T> = Extract<T, { readonly allow: true }>;
type Denied<T> = Extract<T, { readonly allow: false }>;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const DENY = Object.freeze({ allow: false as const });

/**
 * Several policies as one that allows what all of them allow. They are asked in their order, and
 * the first denial is the answer; none of them: everything is denied.
 *
 * - Push: each sees what the ones before it have made of the input; `by` and `claims` are the first
 *   that are given.
 * - Connect: of `socketId`, `presenceId` and `claims` the first that is given, of `expiresAt` the
 *   earliest.
 * - Join: each gets back the identity that it gave itself; `response` is the first that is given.
 *   An identity that this composition did not give reaches all of them as it is.
 *
 * A policy that throws, rejects or answers with no decision denies, and is reported.
 */
export function firstDenyWins(policies: readonly AuthPolicy[], report: PolicyFault): AuthPolicy {
  const all = policies.map((policy) => guardPolicy(policy, report));
  if (all.length === 0) return denyAll;
  const handedOut = new HandedOut();

  const combined: AuthPolicy = {
    authorizePush(request) {
      let seen = request;
      const answer: Mutable<Allowed<PushDecision>> = { allow: true };
      return inTurn<PushDecision>(
        all,
        (policy) => policy.authorizePush(seen),
        (decision) => {
          if (decision.allow !== true) return decision;
          const { input, by, claims } = decision;
          // null takes no place of anything, as where the policy stands alone.
          if (input !== undefined && input !== null) {
            answer.input = input;
            seen = withInput(seen, input);
          }
          if (answer.by === undefined && by !== undefined) answer.by = by;
          if (answer.claims === undefined && claims !== undefined) answer.claims = claims;
          return undefined;
        },
        () => answer,
      );
    },

    authorizeConnect(request) {
      const allowed: Allowed<ConnectDecision>[] = [];
      return inTurn<ConnectDecision>(
        all,
        (policy) => policy.authorizeConnect(request),
        (decision) => {
          if (decision.allow !== true) return decision;
          allowed.push(decision);
          return undefined;
        },
        () => ({
          allow: true,
          identity: handedOut.add(all.map((policy, at) => [policy, allowed[at]?.identity])),
        }),
      );
    },

    authorizeJoin(request) {
      const answer: Mutable<Allowed<JoinDecision>> = { allow: true };
      return inTurn<JoinDecision>(
        all,
        (policy) => policy.authorizeJoin(handedOut.ownRequest(policy, request)),
        (decision) => {
          if (decision.allow !== true) return decision;
          const { response } = decision;
          if (answer.response === undefined && response !== undefined) answer.response = response;
          return undefined;
        },
        () => answer,
      );
    },
  };
  return policies.every(isOpenToEveryone) ? markOpen(combined) : combined;
}

/**
 * Several policies as one that allows what one of them allows. They are asked in their order, and
 * the first that allows is the answer, as it is. Where all deny: the first denial that says more
 * than no.
 *
 * A join is decided by the policy that let the socket in, with the identity that it gave: the
 * others do not know the socket. Where the identity is none that this composition gave, they are
 * all asked in turn.
 *
 * A policy that throws, rejects or answers with no decision denies, and is reported.
 */
export function firstAllowWins(policies: readonly AuthPolicy[], report: PolicyFault): AuthPolicy {
  const all = policies.map((policy) => guardPolicy(policy, report));
  if (all.length === 0) return denyAll;
  const handedOut = new HandedOut();

  const combined: AuthPolicy = {
    authorizePush: (request) =>
      firstAllowed<PushDecision>(
        all,
        (policy) => policy.authorizePush(request),
        (denial) => denial.answer !== undefined,
      ),

    authorizeConnect: (request) =>
      inTurn<ConnectDecision>(
        all,
        (policy) => policy.authorizeConnect(request),
        (decision, policy) =>
          decision.allow === true
            ? { allow: true, identity: handedOut.add([[policy, decision.identity]]) }
            : undefined,
        () => DENY,
      ),

    authorizeJoin(request) {
      const knowing = all.filter((policy) => handedOut.isFrom(policy, request.identity));
      return firstAllowed<JoinDecision>(
        knowing.length > 0 ? knowing : all,
        (policy) => policy.authorizeJoin(handedOut.ownRequest(policy, request)),
        (denial) => denial.reason !== undefined,
      );
    },
  };
  return policies.some(isOpenToEveryone) ? markOpen(combined) : combined;
}

export type PoliciesByQuestion =
  | { readonly pushes: AuthPolicy; readonly connects: AuthPolicy; readonly joins: AuthPolicy }
  | {
      readonly pushes: AuthPolicy;
      /** For connects and joins both. */
      readonly sockets: AuthPolicy;
    };

/**
 * One policy for each question. Identities pass through as they are: the policy for joins gets the
 * ones that the policy for connects gave.
 */
export function byQuestion(policies: PoliciesByQuestion): AuthPolicy {
  const { pushes } = policies;
  const connects = "sockets" in policies ? policies.sockets : policies.connects;
  const joins = "sockets" in policies ? policies.sockets : policies.joins;
  const combined: AuthPolicy = {
    authorizePush: (request) => pushes.authorizePush(request),
    authorizeConnect: (request) => connects.authorizeConnect(request),
    authorizeJoin: (request) => joins.authorizeJoin(request),
  };
  return asOpenAs(combined, pushes);
}

const denyAll: AuthPolicy = Object.freeze({
  authorizePush: () => DENY,
  authorizeConnect: () => DENY,
  authorizeJoin: () => DENY,
});

/**
 * Asks one policy after the other until `heed` makes an answer of a decision; `end` answers where
 * it never does. At once where they all answer at once.
 */
function inTurn<T>(
  policies: readonly AuthPolicy[],
  ask: (policy: AuthPolicy) => MaybePromise<T>,
  heed: (decision: T, policy: AuthPolicy) => T | undefined,
  end: () => T,
): MaybePromise<T> {
  for (const [at, policy] of policies.entries()) {
    const decision = ask(policy);
    if (isPromise(decision)) {
      const others = policies.slice(at + 1);
      return decision.then((each) => heed(each, policy) ?? inTurn(others, ask, heed, end));
    }
    const answer = heed(decision, policy);
    if (answer !== undefined) return answer;
  }
  return end();
}

function firstAllowed<T extends PushDecision | JoinDecision>(
  policies: readonly AuthPolicy[],
  ask: (policy: AuthPolicy) => MaybePromise<T>,
  saysMore: (denial: Denied<T>) => boolean,
): MaybePromise<T | typeof DENY> {
  let denial: Denied<T> | undefined;
  return inTurn<T | typeof DENY>(
    policies,
    ask,
    (decision) => {
      if (decision.allow === true) return decision;
      if (denial === undefined && saysMore(decision as Denied<T>)) denial = decision as Denied<T>;
      return undefined;
    },
    () => denial ?? DENY,
  );
}

/** By name, since a request may be more than its own members: a spread would lose its getters. */
function withInput(request: PushAuthRequest, input: PushAuthRequest["input"]): PushAuthRequest {
  const { method, path, headers, remoteAddress } = request;
  return { method, path, headers, remoteAddress, input };
}
