import { describe, expect, it } from "vitest";
import { guardPolicy } from "../../src/application/guard-policy.js";
import { refuseRevoked } from "../../src/application/refuse-revoked.js";
import { Revocations } from "../../src/application/revocations.js";
import { type AuthPolicy, authorizeOperate, type Identity } from "../../src/domain/auth-policy.js";
import { Json } from "../../src/domain/json.js";
import {
  authPolicyContract,
  strangeConnect,
  strangeJoin,
  strangeOperate,
  strangePush,
} from "../contract/auth-policy.contract.js";

const ANN: Identity = { socketId: "ann", claims: { sub: "ann", iat: 1 } };
const BOB: Identity = { socketId: "bob", claims: { sub: "bob", iat: 1 } };
const allowing = ({ claims }: Identity): AuthPolicy => ({
  authorizePush: () => ({ allow: true, by: "x", claims }),
  authorizeOperate: () => ({ allow: true, by: "x", claims }),
  authorizeConnect: () => ({ allow: true, identity: claims === undefined ? {} : { claims } }),
  authorizeJoin: () => ({ allow: true, response: Json.of(1) }),
});

function later(policy: AuthPolicy): AuthPolicy {
  return {
    authorizePush: async (request) => policy.authorizePush(request),
    authorizeConnect: async (request) => policy.authorizeConnect(request),
    authorizeJoin: async (request) => policy.authorizeJoin(request),
    authorizeOperate: async (request) => authorizeOperate(policy, request),
  };
}

function annRevoked(): Revocations {
  const revocations = new Revocations({ now: () => 10 });
  revocations.revoke({ subject: "ann" });
  return revocations;
}

async function ask(policy: AuthPolicy, identity: Identity) {
  return [
    await policy.authorizePush(strangePush),
    await policy.authorizeConnect(strangeConnect),
    await policy.authorizeJoin({ ...strangeJoin, identity }),
    await authorizeOperate(policy, strangeOperate),
  ];
}

describe("refuseRevoked", () => {
  authPolicyContract(() => refuseRevoked(allowing(BOB), annRevoked()));

  it.each([
    ["at once", (policy: AuthPolicy) => policy],
    ["later", later],
  ])("denies revoked claims where the policy allows them %s", async (_when, timed) => {
    const policy = refuseRevoked(timed(allowing(ANN)), annRevoked());
    expect(await ask(policy, ANN)).toEqual([
      { allow: false },
      { allow: false },
      { allow: false, reason: "token revoked" },
      { allow: false },
    ]);
  });

  it.each([
    ["that are not revoked", BOB],
    ["that are not there", {}],
  ])("passes on decisions about claims %s", async (_what, identity) => {
    const policy = refuseRevoked(allowing(identity), annRevoked());
    expect(await ask(policy, identity)).toEqual(await ask(allowing(identity), identity));
  });

  it("passes denials on as they are", async () => {
    const denial = { allow: false as const, reason: "not your channel" };
    const deny = () => denial;
    const denying = {
      authorizePush: deny,
      authorizeConnect: deny,
      authorizeJoin: deny,
      authorizeOperate: deny,
    };
    for (const decision of await ask(refuseRevoked(denying, annRevoked()), ANN)) {
      expect(decision).toBe(denial);
    }
  });

  it("denies an open socket's next join once its token is revoked", async () => {
    const revocations = new Revocations({ now: () => 10 });
    const policy = refuseRevoked(allowing(ANN), revocations);
    const join = { ...strangeJoin, identity: ANN };
    expect(policy.authorizeJoin(join)).toMatchObject({ allow: true });
    revocations.revoke({ subject: "ann" });
    expect(policy.authorizeJoin(join)).toEqual({ allow: false, reason: "token revoked" });
  });

  it("answers at once where the policy does", () => {
    const policy = refuseRevoked(allowing(BOB), annRevoked());
    expect(policy.authorizeConnect(strangeConnect)).not.toBeInstanceOf(Promise);
  });

  it("leaves what is no decision to the guard", async () => {
    const nothing = (() => undefined) as unknown as () => never;
    const policy = {
      authorizePush: nothing,
      authorizeConnect: nothing,
      authorizeJoin: nothing,
      authorizeOperate: nothing,
    };
    const reports: string[] = [];
    const guarded = guardPolicy(refuseRevoked(policy, annRevoked()), (what) => reports.push(what));
    expect(await ask(guarded, ANN)).toEqual(Array(4).fill({ allow: false }));
    expect(reports).toEqual(["push", "connect", "join", "operate"]);
  });
});
