import { describe, expect, it } from "vitest";
import { JwtPolicy, type JwtPolicyOptions } from "../../../../src/adapters/auth/jwt/jwt.js";
import { ANONYMOUS } from "../../../../src/domain/auth-policy.js";
import { Json } from "../../../../src/domain/json.js";
import { authPolicyContract } from "../../../contract/auth-policy.contract.js";
import { connect, makeToken, NOW, pushTo, SECRET, signature, watched } from "./jwt-tokens.js";

function join(policy: JwtPolicy, channel: string, identity = ANONYMOUS) {
  return policy.authorizeJoin({ channel, params: Json.null, identity });
}

describe("JwtPolicy", () => {
  authPolicyContract(() => new JwtPolicy({ secret: SECRET, pushes: true, operates: true }));

  describe("on a connect", () => {
    it("gives the identity that the claims say", async () => {
      const claims = { sub: "ann", channels: ["a"], exp: NOW + 60, iat: NOW, jti: "1", team: "x" };
      const identity = await connect(watched().policy, makeToken(claims));
      expect(identity).toEqual({
        socketId: "ann",
        presenceId: "ann",
        claims,
        expiresAt: NOW + 65,
      });
      expect(Object.isFrozen(identity)).toBe(true);
      expect(Object.isFrozen(identity?.claims)).toBe(true);
    });

    it("accepts a token without claims, which never ends and joins nothing", async () => {
      const { policy } = watched();
      const identity = await connect(policy, makeToken({}));
      expect(identity).toEqual({ claims: {} });
      expect(join(policy, "a", identity)).toEqual({ allow: false });
    });

    it.each([
      [undefined, "missing"],
      ["", "not a JSON Web Token"],
      ["a.b", "not a JSON Web Token"],
      ["a.b.c.d", "not a JSON Web Token"],
      [` ${makeToken({})}`, "not a JSON Web Token"],
      [`${makeToken({})}=`, "not a JSON Web Token"],
      [`${makeToken({})}\n`, "not a JSON Web Token"],
    ])("refuses the token %j", async (token, reason) => {
      const { policy, refusals, faults } = watched();
      expect(await connect(policy, token)).toBeUndefined();
      expect({ refusals, faults }).toEqual({ refusals: [reason], faults: [] });
    });

    it("refuses a token of more than 8 KiB, good as it is, before it reads it", async () => {
      const { policy, refusals } = watched();
      const ofLength = (claim: number) => makeToken({ x: "x".repeat(claim) });
      let claim = 6000;
      while (ofLength(claim).length < 8192) claim++;
      while (ofLength(claim).length > 8192) claim--;
      expect(ofLength(claim).length).toBeGreaterThan(8188);
      expect(await connect(policy, ofLength(claim))).toBeDefined();
      expect(await connect(policy, ofLength(claim + 4))).toBeUndefined();
      expect(refusals).toEqual(["longer than 8192 bytes"]);
    });

    it.each([
      [{ sub: 1 }, "sub"],
      [{ sub: null }, "sub"],
      [{ sub: "" }, "sub"],
      [{ sub: "\ud800" }, "sub"],
      [{ sub: "é".repeat(513) }, "sub"],
      [{ jti: 7 }, "jti"],
      [{ channels: null }, "channels"],
      [{ channels: { a: 1 } }, "channels"],
      [{ channels: ["a", 1] }, "channels"],
      [{ channels: [["a"]] }, "channels"],
      [{ push: true }, "push"],
      [{ push: [null] }, "push"],
      [{ exp: "soon" }, "exp"],
      [{ exp: null }, "exp"],
      [{ nbf: [NOW] }, "nbf"],
      [{ iat: "now" }, "iat"],
    ])("refuses the malformed claims %j", async (claims, name) => {
      const { policy, refusals } = watched();
      expect(await connect(policy, makeToken(claims))).toBeUndefined();
      expect(refusals).toHaveLength(1);
      expect(refusals[0]).toContain(`claim "${name}" `);
    });

    it("refuses times that are no finite number", async () => {
      const { policy, refusals } = watched();
      const [header] = makeToken({}).split(".");
      const input = `${header}.${Buffer.from('{"exp":1e999}').toString("base64url")}`;
      const token = `${input}.${signature("HS256", SECRET, input).toString("base64url")}`;
      expect(await connect(policy, token)).toBeUndefined();
      expect(refusals).toEqual(['claim "exp" must be a finite number']);
    });

    it.each(["[]", '"text"', "null", "1"])("refuses claims that are %s", async (claims) => {
      expect(await connect(watched().policy, makeToken(JSON.parse(claims)))).toBeUndefined();
    });

    it("quotes nothing of a token in a reason", async () => {
      const { policy, refusals } = watched();
      await connect(policy, makeToken({ sub: "ann-secret", exp: NOW - 100 }));
      await connect(policy, makeToken({}, { alg: "HS256", header: { crit: ["ann-secret"] } }));
      await connect(policy, makeToken({ channels: 1, x: "ann-secret" }));
      expect(refusals).toHaveLength(3);
      expect(refusals.join()).not.toContain("ann-secret");
    });
  });

  describe("looks at audience and issuer", () => {
    const options = { secret: SECRET, audience: ["hexpush", "other"], issuer: ["https://id"] };

    it.each([
      [{ aud: "hexpush", iss: "https://id" }, true],
      [{ aud: ["x", "other"], iss: "https://id" }, true],
      [{ aud: "x", iss: "https://id" }, false],
      [{ aud: [], iss: "https://id" }, false],
      [{ iss: "https://id" }, false],
      [{ aud: "hexpush" }, false],
      [{ aud: "hexpush", iss: "https://id/" }, false],
      [{ aud: "hexpush", iss: ["https://id"] }, false],
    ])("where they are set: %j %s", async (claims, allowed) => {
      const identity = await connect(watched(options).policy, makeToken(claims));
      expect(identity !== undefined).toBe(allowed);
    });

    it("and at neither where they are not", async () => {
      const token = makeToken({ aud: "x", iss: "y" });
      expect(await connect(watched().policy, token)).toBeDefined();
    });
  });

  describe("on a join", () => {
    it("lets join what the patterns match, and nothing else", async () => {
      const { policy } = watched();
      const identity = await connect(policy, makeToken({ channels: ["news", "room:*"] }));
      expect(join(policy, "news", identity)).toEqual({ allow: true });
      expect(join(policy, "room:1", identity)).toEqual({ allow: true });
      expect(join(policy, "newspaper", identity)).toEqual({ allow: false });
      expect(join(policy, "room", identity)).toEqual({ allow: false });
    });

    it("takes one pattern for a list of one", async () => {
      const { policy } = watched();
      const identity = await connect(policy, makeToken({ channels: "room:*" }));
      expect(join(policy, "room:1", identity).allow).toBe(true);
      expect(join(policy, "r", identity).allow).toBe(false);
    });

    it("denies an identity that is not its own, like it as it is", async () => {
      const { policy } = watched();
      const token = makeToken({ channels: "*" });
      const identity = await connect(policy, token);
      const others = await connect(watched().policy, token);
      expect(join(policy, "a", identity).allow).toBe(true);
      expect(join(policy, "a", { ...identity }).allow).toBe(false);
      expect(join(policy, "a", others).allow).toBe(false);
      expect(join(policy, "a").allow).toBe(false);
    });

    it("denies an identity from its expiry on, with a reason", async () => {
      let now = NOW;
      const { policy } = watched({ secret: SECRET, now: () => now });
      const identity = await connect(policy, makeToken({ channels: "*", exp: NOW + 60 }));
      now = NOW + 64.999;
      expect(join(policy, "a", identity)).toEqual({ allow: true });
      now = NOW + 65;
      expect(join(policy, "a", identity)).toEqual({ allow: false, reason: "token expired" });
    });
  });

  describe("on a push", () => {
    const pushing = () => watched({ secret: SECRET, pushes: true }).policy;

    it("denies every token where tokens may not push", () => {
      const { policy } = watched();
      const headers = { authorization: `Bearer ${makeToken({ push: "*" })}` };
      const request = { method: "POST", path: "/api/push", headers, remoteAddress: undefined };
      expect(policy.authorizePush({ ...request, input: { channel: "a" } })).toEqual({
        allow: false,
      });
    });

    it("says who pushes and what the token claims", async () => {
      const claims = { sub: "backend", push: ["a", "b:*"] };
      expect(await pushTo(pushing(), makeToken(claims), ["a", "b:1"])).toEqual({
        allow: true,
        by: "backend",
        claims,
      });
      expect(await pushTo(pushing(), makeToken({ push: "a" }), "a")).toMatchObject({ by: "token" });
    });

    it.each([
      ["a", true],
      [["a"], true],
      [["a", "b:1"], true],
      ["b", false],
      [["a", "b"], false],
      [[], false],
      [undefined, false],
      [1, false],
      [["a", 1], false],
    ])("needs every channel matched: %j", async (channel, allowed) => {
      const token = makeToken({ push: ["a", "b:*"], channels: "*" });
      expect((await pushTo(pushing(), token, channel)).allow).toBe(allowed);
    });

    it("lets a token that may push everywhere push without a channel, which is invalid later", async () => {
      const token = makeToken({ push: "*" });
      expect((await pushTo(pushing(), token)).allow).toBe(true);
      expect((await pushTo(pushing(), token, ["x", "y"])).allow).toBe(true);
    });

    it.each([
      ["no token", undefined],
      ["a token without the claim", makeToken({ channels: "*", sub: "ann" })],
      ["an expired token", makeToken({ push: "*", exp: NOW - 5 })],
      ["a token of another key", makeToken({ push: "*" }, { key: `${SECRET}!` })],
    ])("denies %s", async (_what, token) => {
      expect(await pushTo(pushing(), token, "a")).toEqual({ allow: false });
    });

    it("looks at the header field alone", async () => {
      const token = makeToken({ push: "*" });
      const request = { method: "POST", path: "/api/push", remoteAddress: undefined, input: {} };
      for (const authorization of [token, `Basic ${token}`, `Bearer ${token}, Bearer ${token}`]) {
        const decision = await pushing().authorizePush({ ...request, headers: { authorization } });
        expect(decision.allow).toBe(false);
      }
    });
  });

  it.each([
    [{}, "exactly one of"],
    [{ secret: SECRET, jwksUrl: "https://id/keys" }, "exactly one of"],
    [{ secret: "short" }, "HS256 must have at least 32 bytes"],
    [{ secret: "x".repeat(31) }, "32 bytes"],
    [{ secret: "x".repeat(47), algorithms: ["HS256", "HS384"] }, "HS384 must have at least 48"],
    [{ secret: SECRET, algorithms: ["RS256"] }, "must be some of HS256, HS384, HS512"],
    [{ secret: SECRET, algorithms: ["none"] }, "must be some of"],
    [{ secret: SECRET, algorithms: [] }, "must be some of"],
    [{ secret: SECRET, leewaySeconds: -1 }, "from 0 to 300"],
    [{ secret: SECRET, leewaySeconds: Number.NaN }, "from 0 to 300"],
    [{ secret: SECRET, audience: [] }, "audience must be"],
    [{ secret: SECRET, issuer: [""] }, "issuer must be"],
    [{ jwksUrl: "file:///keys" }, "http or https"],
    [{ jwksUrl: "keys" }, "http or https"],
    [{ jwksUrl: "https://user:pass@id/keys" }, "must not hold a user or a password"],
    [{ jwksUrl: "https://id/keys", algorithms: ["HS256"] }, "must be some of RS256"],
  ])("refuses the options %j in one line that holds no secret", (options, message) => {
    const create = () => new JwtPolicy(options as JwtPolicyOptions);
    expect(create).toThrow(TypeError);
    expect(create).toThrow(message);
    expect(create).not.toThrow(/\n/);
    expect(create).not.toThrow(/short\b|xxx|a-secret|pass@/);
  });
});
