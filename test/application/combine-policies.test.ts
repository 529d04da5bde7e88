import { describe, expect, it } from "vitest";
import {
  byQuestion,
  firstAllowWins,
  firstDenyWins,
} from "../../src/application/combine-policies.js";
import { isOpenToEveryone, markOpen } from "../../src/application/open-policy.js";
import {
  ANONYMOUS,
  type AuthPolicy,
  type Identity,
  type JoinAuthRequest,
  type PushAuthRequest,
} from "../../src/domain/auth-policy.js";
import { Json } from "../../src/domain/json.js";
import { authPolicyContract } from "../contract/auth-policy.contract.js";

const nobody = { headers: {}, remoteAddress: undefined } as const;
const push = { ...nobody, method: "POST", path: "/", input: { channel: "first" } };
const operate = {
  ...nobody,
  method: "GET",
  path: "/",
  right: "read",
  channel: undefined,
} as const;
const denied = { allow: false };
const connect = { ...nobody, origin: undefined, params: {}, token: undefined };
const join = (identity: Identity): JoinAuthRequest => ({
  channel: "a",
  params: Json.null,
  identity,
});

const denyAll: AuthPolicy = {
  authorizePush: () => ({ allow: false }),
  authorizeConnect: () => ({ allow: false }),
  authorizeJoin: () => ({ allow: false }),
};
const policyOf = (answers: Partial<AuthPolicy>): AuthPolicy => ({ ...denyAll, ...answers });
const allowAll = policyOf({
  authorizePush: () => ({ allow: true }),
  authorizeConnect: () => ({ allow: true }),
  authorizeJoin: () => ({ allow: true }),
});
const pushes = (authorizePush: AuthPolicy["authorizePush"]) => policyOf({ authorizePush });
const joins = (authorizeJoin: AuthPolicy["authorizeJoin"]) => policyOf({ authorizeJoin });

/** Accepts a socket with the identity, and notes which identities come back. */
function accepting(identity: Identity | undefined, seen: Identity[] = []): AuthPolicy {
  return policyOf({
    authorizeConnect: () => ({ allow: true, ...(identity === undefined ? {} : { identity }) }),
    authorizeJoin: (request) => {
      seen.push(request.identity);
      return { allow: true };
    },
  });
}

const never = (): never => {
  throw new Error("reported");
};
/** Whoever asks it fails, and the report of that fails the test. */
const unaskable = policyOf({
  authorizePush: never,
  authorizeConnect: never,
  authorizeJoin: never,
});

async function identityOf(policy: AuthPolicy): Promise<Identity> {
  const decision = await policy.authorizeConnect(connect);
  if (!decision.allow || decision.identity === undefined) throw new Error("no identity");
  return decision.identity;
}

describe.each([
  ["firstDenyWins", firstDenyWins],
  ["firstAllowWins", firstAllowWins],
] as const)("%s", (_name, combine) => {
  authPolicyContract(() => combine([allowAll, denyAll], never));

  it("of no policies denies everything", () => {
    const policy = combine([], never);
    expect(policy.authorizePush(push)).toEqual({ allow: false });
    expect(policy.authorizeOperate(operate)).toEqual(denied);
    expect(policy.authorizeConnect(connect)).toEqual({ allow: false });
    expect(policy.authorizeJoin(join(ANONYMOUS))).toEqual({ allow: false });
  });

  it("takes a policy that says nothing about operators for one that denies", () => {
    const operator = policyOf({ authorizeOperate: () => ({ allow: true, by: "ops" }) });
    for (const policies of [
      [allowAll, operator],
      [operator, allowAll],
    ]) {
      expect(combine(policies, never).authorizeOperate(operate)).toEqual(
        combine === firstDenyWins ? denied : { allow: true, by: "ops" },
      );
    }
    const first = policyOf({ authorizeOperate: () => ({ allow: true, claims: { sub: "a" } }) });
    expect(combine([first, operator], never).authorizeOperate(operate)).toEqual({
      allow: true,
      claims: { sub: "a" },
      ...(combine === firstDenyWins && { by: "ops" }),
    });
    const answer = { status: 401, body: Json.null };
    const spoken = policyOf({ authorizeOperate: () => ({ allow: false, answer }) });
    expect(combine([spoken, denyAll], never).authorizeOperate(operate)).toEqual({
      allow: false,
      answer,
    });
  });

  it("gives each socket an identity of its own, also where the policies give none", async () => {
    const policy = combine([allowAll, allowAll], never);
    const [one, other] = [await identityOf(policy), await identityOf(policy)];
    expect(one).toEqual({});
    expect(one).not.toBe(other);
    expect(one).not.toBe(ANONYMOUS);
  });

  it("does not hand out a policy's own identity object", async () => {
    const shared = { socketId: "x", claims: { sub: "x" }, expiresAt: 5, presenceId: "p" };
    const identity = await identityOf(combine([accepting(shared)], never));
    expect(identity).toEqual(shared);
    expect(identity).not.toBe(shared);
  });

  it("hands an identity that it did not give to its policies as it is", async () => {
    const seen: Identity[] = [];
    const noting = joins(({ identity }) => {
      seen.push(identity);
      return { allow: combine === firstDenyWins };
    });
    const foreign = { socketId: "from elsewhere" };
    await combine([noting, noting], never).authorizeJoin(join(foreign));
    await combine([noting, noting], never).authorizeJoin(join(ANONYMOUS));
    expect(seen).toEqual([foreign, foreign, ANONYMOUS, ANONYMOUS]);
    expect(seen[0]).toBe(foreign);
  });

  it("follows no later change of the list of policies", () => {
    const policies = [denyAll];
    const policy = combine(policies, never);
    policies[0] = allowAll;
    expect(policy.authorizePush(push)).toEqual({ allow: false });
  });
});

describe("firstDenyWins", () => {
  it("shows each policy what the ones before it made of the push; the last rewriting counts", async () => {
    const seen: PushAuthRequest[] = [];
    const rewriting = (channel?: string) =>
      pushes((request) => {
        seen.push(request);
        return { allow: true, ...(channel === undefined ? {} : { input: { channel } }) };
      });
    const policy = firstDenyWins([rewriting(), rewriting("second"), rewriting("third")], never);
    expect(await policy.authorizePush(push)).toEqual({ allow: true, input: { channel: "third" } });
    expect(seen.map(({ input }) => input.channel)).toEqual(["first", "first", "second"]);
  });

  it("passes the rest of a rewritten request on, also what a getter gives", async () => {
    class Request implements PushAuthRequest {
      readonly method = "POST";
      readonly path = "/api/push";
      readonly headers = { host: "x" };
      readonly input = {};
      get remoteAddress() {
        return "192.0.2.1";
      }
    }
    let seen: PushAuthRequest | undefined;
    const policy = firstDenyWins(
      [
        pushes(() => ({ allow: true, input: { event: "e" } })),
        pushes((request) => {
          seen = request;
          return { allow: true };
        }),
      ],
      never,
    );
    await policy.authorizePush(new Request());
    expect(seen).toEqual({
      method: "POST",
      path: "/api/push",
      headers: { host: "x" },
      remoteAddress: "192.0.2.1",
      input: { event: "e" },
    });
  });

  it("leaves the input alone where no policy rewrites it", () => {
    const policy = firstDenyWins([allowAll, allowAll], never);
    expect(policy.authorizePush(push)).toEqual({ allow: true });
  });

  it("tells who pushes and with which claims as the first policy that says so", () => {
    const policy = firstDenyWins(
      [
        allowAll,
        pushes(() => ({ allow: true, by: "backend" })),
        pushes(() => ({ allow: true, by: "other", claims: { sub: "a" } })),
        pushes(() => ({ allow: true, claims: { sub: "b" } })),
      ],
      never,
    );
    expect(policy.authorizePush(push)).toEqual({
      allow: true,
      by: "backend",
      claims: { sub: "a" },
    });
  });

  it("answers with the first denial as it is, and asks nobody behind it", () => {
    const denial = { allow: false, answer: { status: 401, body: Json.null } } as const;
    const policy = firstDenyWins([allowAll, pushes(() => denial), unaskable], never);
    expect(policy.authorizePush(push)).toBe(denial);
    const refusal = { allow: false, reason: "not yours" } as const;
    const joining = firstDenyWins([allowAll, joins(() => refusal), unaskable], never);
    expect(joining.authorizeJoin(join(ANONYMOUS))).toBe(refusal);
  });

  it("makes one identity of all: the first of each member, and the earliest end", async () => {
    const policy = firstDenyWins(
      [
        accepting(undefined),
        accepting({ presenceId: "ann", expiresAt: 30 }),
        accepting({ socketId: "s1", presenceId: "bob", claims: { sub: "a" }, expiresAt: 10 }),
        accepting({ socketId: "s2", claims: { sub: "b" }, expiresAt: 20 }),
      ],
      never,
    );
    expect(await identityOf(policy)).toEqual({
      socketId: "s1",
      presenceId: "ann",
      claims: { sub: "a" },
      expiresAt: 10,
    });
  });

  it("gives each policy its own identity back at a join", async () => {
    const [one, other] = [{ socketId: "one" }, { socketId: "other" }];
    const seen: Identity[] = [];
    const policy = firstDenyWins(
      [accepting(one, seen), accepting(undefined, seen), accepting(other, seen)],
      never,
    );
    await policy.authorizeJoin(join(await identityOf(policy)));
    expect(seen).toHaveLength(3);
    expect(seen[0]).toBe(one);
    expect(seen[1]).toBe(ANONYMOUS);
    expect(seen[2]).toBe(other);
  });

  it("answers a join with the first response", async () => {
    const responding = (text: string) => joins(() => ({ allow: true, response: Json.of(text) }));
    const policy = firstDenyWins([allowAll, responding("first"), responding("second")], never);
    expect(await policy.authorizeJoin(join(ANONYMOUS))).toEqual({
      allow: true,
      response: Json.of("first"),
    });
  });
});

describe("firstAllowWins", () => {
  it("answers with the first allowance as it is, and asks nobody behind it", () => {
    const allowed = { allow: true, by: "backend", input: { channel: "b" }, claims: 1 } as const;
    const policy = firstAllowWins([denyAll, pushes(() => allowed), unaskable], never);
    expect(policy.authorizePush(push)).toBe(allowed);
  });

  it("answers with the first denial that says more than no", () => {
    const answer = (status: number) => ({ status, body: Json.null });
    const denying = (status: number) => pushes(() => ({ allow: false, answer: answer(status) }));
    const policy = firstAllowWins([denyAll, denying(401), denying(429)], never);
    expect(policy.authorizePush(push)).toEqual({ allow: false, answer: answer(401) });
    expect(firstAllowWins([denyAll, denyAll], never).authorizePush(push)).toEqual({ allow: false });

    const refusing = (reason: string) => joins(() => ({ allow: false, reason }));
    const joining = firstAllowWins([denyAll, refusing("first"), refusing("second")], never);
    expect(joining.authorizeJoin(join(ANONYMOUS))).toEqual({ allow: false, reason: "first" });
  });

  it("goes on to the next policy where one fails, and reports it", async () => {
    const reports: unknown[] = [];
    const error = new Error("down");
    const failing = policyOf({
      authorizePush: () => {
        throw error;
      },
      authorizeConnect: () => Promise.reject(error),
      authorizeJoin: () => undefined as never,
    });
    const policy = firstAllowWins([failing, allowAll], (question, why) =>
      reports.push([question, why]),
    );
    expect(await policy.authorizePush(push)).toEqual({ allow: true });
    expect(await policy.authorizeConnect(connect)).toMatchObject({ allow: true });
    expect(await policy.authorizeJoin(join(ANONYMOUS))).toEqual({ allow: true });
    expect(reports).toEqual([
      ["push", error],
      ["connect", error],
      ["join", new TypeError("the policy answered with no decision")],
    ]);
  });

  it("lets the policy that let a socket in decide its joins alone", async () => {
    const identity = { socketId: "x" };
    const seen: Identity[] = [];
    const refusing = policyOf({
      authorizeConnect: () => ({ allow: true, identity }),
      authorizeJoin: (request) => {
        seen.push(request.identity);
        return { allow: false, reason: "not yours" };
      },
    });
    const shut = { ...allowAll, authorizeConnect: denyAll.authorizeConnect };
    const policy = firstAllowWins([shut, refusing, allowAll], never);
    const decision = await policy.authorizeJoin(join(await identityOf(policy)));
    expect(decision).toEqual({ allow: false, reason: "not yours" });
    expect(seen).toHaveLength(1);
    expect(seen[0]).toBe(identity);
  });
});

describe("byQuestion", () => {
  it("asks each question of its own policy, and passes decisions through as they are", async () => {
    const identity = { socketId: "x" };
    const seen: Identity[] = [];
    const [pushing, connecting] = [
      { allow: true, by: "b" } as const,
      { allow: true, identity } as const,
    ];
    const policy = byQuestion({
      pushes: pushes(() => pushing),
      connects: policyOf({ authorizeConnect: () => connecting }),
      joins: joins((request) => {
        seen.push(request.identity);
        return { allow: true };
      }),
    });
    expect(policy.authorizePush(push)).toBe(pushing);
    expect(policy.authorizeConnect(connect)).toBe(connecting);
    expect(await policy.authorizeJoin(join(identity))).toEqual({ allow: true });
    expect(seen[0]).toBe(identity);
  });

  it("asks the policy for pushes about operators unless it has one for them", () => {
    const operating = { allow: true, by: "ops" } as const;
    const operator = policyOf({ authorizeOperate: () => operating });
    const both = { pushes: operator, sockets: denyAll };
    expect(byQuestion(both).authorizeOperate(operate)).toBe(operating);
    expect(byQuestion({ ...both, operates: denyAll }).authorizeOperate(operate)).toEqual(denied);
    expect(byQuestion({ ...both, pushes: allowAll }).authorizeOperate(operate)).toEqual(denied);
    expect(
      byQuestion({ pushes: denyAll, operates: operator, sockets: denyAll }).authorizeOperate(
        operate,
      ),
    ).toBe(operating);
  });

  it("is open to everyone if everyone may push or operate by it", () => {
    const open = markOpen({ ...allowAll });
    const closed = { pushes: denyAll, operates: denyAll, sockets: open };
    expect(isOpenToEveryone(byQuestion(closed))).toBe(false);
    expect(isOpenToEveryone(byQuestion({ ...closed, pushes: open }))).toBe(true);
    expect(isOpenToEveryone(byQuestion({ ...closed, operates: open }))).toBe(true);
  });

  it("takes one policy for all of the sockets' questions", () => {
    const policy = byQuestion({ pushes: denyAll, sockets: allowAll });
    expect(policy.authorizePush(push)).toEqual({ allow: false });
    expect(policy.authorizeConnect(connect)).toEqual({ allow: true });
    expect(policy.authorizeJoin(join(ANONYMOUS))).toEqual({ allow: true });
  });
});

describe("compositions of compositions", () => {
  it("give each policy its own identity back through all of them", async () => {
    const [one, other, inner] = [{ socketId: "1" }, { socketId: "2" }, { socketId: "3" }];
    const seen: Identity[] = [];
    const both = firstDenyWins([accepting(inner, seen), accepting(other, seen)], never);
    const policy = firstDenyWins(
      [accepting(one, seen), firstAllowWins([denyAll, both], never)],
      never,
    );
    const [first, second] = [await identityOf(policy), await identityOf(policy)];
    for (const identity of [second, first]) {
      await policy.authorizeJoin(join(identity));
      const back = seen.splice(0);
      expect(back).toHaveLength(3);
      expect(back[0]).toBe(one);
      expect(back[1]).toBe(inner);
      expect(back[2]).toBe(other);
    }
  });
});
