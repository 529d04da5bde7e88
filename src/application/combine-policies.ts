import type {
  AuthPolicy,
  ConnectDecision,
  JoinDecision,
  MaybePromise,
  OperateDecision,
  PushAuthRequest,
  PushDecision,
} from "../domain/auth-policy.js";
import { authorizeOperate } from "../domain/auth-policy.js";
import { isPromise } from "../domain/maybe-promise.js";
import { ComposedIdentities } from "./composed-identities.js";
import { guardPolicy, type PolicyFault } from "./guard-policy.js";
import { asOpenAs, isOpenToEveryone, markOpen } from "./open-policy.js";

type Allowed<T> = Extract<T, { readonly allow: true }>;
type Denied<T> = Extract<T, { readonly allow: false }>;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const DENY = Object.freeze({ allow: false as const });

/**
 * One policy that allows what all of several policies allow. They are asked in order, and the first
 * denial is the answer. An empty list denies everything.
 *
 * - Push: each policy sees the input as the policies before it rewrote it; `by` and `claims` are the
 *   first that are given.
 * - Operate: `by` and `claims` are the first that are given. A policy without `authorizeOperate`
 *   denies.
 * - Connect: `socketId`, `presenceId` and `claims` are the first that are given, `expiresAt` is the
 *   earliest.
 * - Join: each policy gets back the identity that it gave; `response` is the first that is given.
 *   An identity that was not composed here reaches all of them unchanged.
 *
 * A policy that throws, rejects or answers without a decision denies, and is reported.
 */
export function firstDenyWins(
  policies: readonly AuthPolicy[],
  report: PolicyFault,
): Required<AuthPolicy> {
  const all = policies.map((policy) => guardPolicy(policy, report));
  if (all.length === 0) return denyAll;
  const identities = new ComposedIdentities();

  const combined: Required<AuthPolicy> = {
    authorizePush(request) {
      let seen = request;
      const answer: Mutable<Allowed<PushDecision>> = { allow: true };
      return inTurn<PushDecision>(
        all,
        (policy) => policy.authorizePush(seen),
        (decision) => {
          if (decision.allow !== true) return decision;
          const { input, by, claims } = decision;
          // null replaces nothing, as if the policy were used alone.
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

    authorizeOperate(request) {
      const answer: Mutable<Allowed<OperateDecision>> = { allow: true };
      return inTurn<OperateDecision>(
        all,
        (policy) => policy.authorizeOperate(request),
        (decision) => {
          if (decision.allow !== true) return decision;
          const { by, claims } = decision;
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
          identity: identities.compose(all.map((policy, at) => [policy, allowed[at]?.identity])),
        }),
      );
    },

    authorizeJoin(request) {
      const answer: Mutable<Allowed<JoinDecision>> = { allow: true };
      return inTurn<JoinDecision>(
        all,
        (policy) => policy.authorizeJoin(identities.ownRequest(policy, request)),
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
 * One policy that allows what any of several policies allows. They are asked in order, and the first
 * decision that allows is the answer, unchanged. If all deny, the answer is the first denial with an
 * answer or a reason of its own.
 *
 * A join is decided by the policy that accepted the socket, with the identity that it gave: the
 * others do not know the socket. If the identity was not composed here, all are asked in order.
 *
 * A policy that throws, rejects or answers without a decision denies, and is reported.
 */
export function firstAllowWins(
  policies: readonly AuthPolicy[],
  report: PolicyFault,
): Required<AuthPolicy> {
  const all = policies.map((policy) => guardPolicy(policy, report));
  if (all.length === 0) return denyAll;
  const identities = new ComposedIdentities();

  const combined: Required<AuthPolicy> = {
    authorizePush: (request) =>
      firstAllowed<PushDecision>(
        all,
        (policy) => policy.authorizePush(request),
        (denial) => denial.answer !== undefined,
      ),

    authorizeOperate: (request) =>
      firstAllowed<OperateDecision>(
        all,
        (policy) => policy.authorizeOperate(request),
        (denial) => denial.answer !== undefined,
      ),

    authorizeConnect: (request) =>
      inTurn<ConnectDecision>(
        all,
        (policy) => policy.authorizeConnect(request),
        (decision, policy) =>
          decision.allow === true
            ? { allow: true, identity: identities.compose([[policy, decision.identity]]) }
            : undefined,
        () => DENY,
      ),

    authorizeJoin(request) {
      const knowing = all.filter((policy) => identities.includes(policy, request.identity));
      return firstAllowed<JoinDecision>(
        knowing.length > 0 ? knowing : all,
        (policy) => policy.authorizeJoin(identities.ownRequest(policy, request)),
        (denial) => denial.reason !== undefined,
      );
    },
  };
  return policies.some(isOpenToEveryone) ? markOpen(combined) : combined;
}

export type PoliciesByQuestion = {
  readonly pushes: AuthPolicy;
  /** @defaultValue `pushes`, which denies unless it has `authorizeOperate` */
  readonly operates?: AuthPolicy;
} & (
  | { readonly connects: AuthPolicy; readonly joins: AuthPolicy }
  | {
      /** For connects and joins. */
      readonly sockets: AuthPolicy;
    }
);

/**
 * One policy for each question. Identities pass through unchanged: the policy for joins gets those
 * that the policy for connects gave.
 */
export function byQuestion(policies: PoliciesByQuestion): Required<AuthPolicy> {
  const { pushes, operates = pushes } = policies;
  const connects = "sockets" in policies ? policies.sockets : policies.connects;
  const joins = "sockets" in policies ? policies.sockets : policies.joins;
  const combined: Required<AuthPolicy> = {
    authorizePush: (request) => pushes.authorizePush(request),
    authorizeOperate: (request) => authorizeOperate(operates, request),
    authorizeConnect: (request) => connects.authorizeConnect(request),
    authorizeJoin: (request) => joins.authorizeJoin(request),
  };
  return asOpenAs(combined, pushes, operates);
}

const denyAll: Required<AuthPolicy> = Object.freeze({
  authorizePush: () => DENY,
  authorizeOperate: () => DENY,
  authorizeConnect: () => DENY,
  authorizeJoin: () => DENY,
});

/**
 * Asks one policy after the other until `conclude` returns an answer; if it never does, `end` does.
 * Answers at once if all policies answer at once.
 */
function inTurn<T>(
  policies: readonly Required<AuthPolicy>[],
  ask: (policy: Required<AuthPolicy>) => MaybePromise<T>,
  conclude: (decision: T, policy: AuthPolicy) => T | undefined,
  end: () => T,
): MaybePromise<T> {
  for (const [at, policy] of policies.entries()) {
    const decision = ask(policy);
    if (isPromise(decision)) {
      const others = policies.slice(at + 1);
      return decision.then((each) => conclude(each, policy) ?? inTurn(others, ask, conclude, end));
    }
    const answer = conclude(decision, policy);
    if (answer !== undefined) return answer;
  }
  return end();
}

function firstAllowed<T extends PushDecision | JoinDecision | OperateDecision>(
  policies: readonly Required<AuthPolicy>[],
  ask: (policy: Required<AuthPolicy>) => MaybePromise<T>,
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

/** Copies each member: a spread would lose the getters of a request that is an instance of a class. */
function withInput(request: PushAuthRequest, input: PushAuthRequest["input"]): PushAuthRequest {
  const { method, path, headers, remoteAddress } = request;
  return { method, path, headers, remoteAddress, input };
}
