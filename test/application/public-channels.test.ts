import { describe, expect, it } from "vitest";
import { guardPolicy } from "../../src/application/guard-policy.js";
import { publicChannelsOnly, withPublicChannels } from "../../src/application/public-channels.js";
import { ANONYMOUS, type AuthPolicy, type Identity } from "../../src/domain/auth-policy.js";
import { Json } from "../../src/domain/json.js";
import { authPolicyContract } from "../contract/auth-policy.contract.js";

const nobody = { headers: {}, remoteAddress: undefined } as const;
const push = { ...nobody, method: "POST", path: "/", input: { channel: "news.1" } };
const connect = (token?: string) => ({ ...nobody, origin: undefined, params: {}, token });
const join = (channel: string, identity: Identity) => ({ channel, params: Json.null, identity });

const ann: Identity = { socketId: "ann" };

/** Knows ann by her token, and lets her join her own channel. */
const tickets: AuthPolicy = {
  authorizePush: () => ({ allow: true, by: "backend" }),
  authorizeConnect: ({ token }) =>
    token === "ann's" ? { allow: true, identity: ann } : { allow: false },
  authorizeJoin: ({ channel, identity }) =>
    identity === ann && channel === "of ann"
      ? { allow: true, response: Json.of("hello") }
      : { allow: false, reason: "not your channel" },
};

async function nobodysIdentity(policy: AuthPolicy, token?: string): Promise<Identity> {
  const decision = await policy.authorizeConnect(connect(token));
  if (!decision.allow || decision.identity === undefined) throw new Error("was not let in");
  return decision.identity;
}

describe("withPublicChannels", () => {
  authPolicyContract(() => withPublicChannels(tickets, ["news.*"]));

  const policy = withPublicChannels(tickets, ["news.*", "all"]);

  it.each([undefined, ""])("lets a socket with the token %j in as nobody's", async (token) => {
    const one = await nobodysIdentity(policy, token);
    const other = await nobodysIdentity(policy, token);
    expect(one).toEqual({});
    expect(one).not.toBe(other);
    expect(one).not.toBe(ANONYMOUS);
  });

  it("lets a socket that is nobody's join the public channels only", async () => {
    const identity = await nobodysIdentity(policy);
    expect(await policy.authorizeJoin(join("news.1", identity))).toEqual({ allow: true });
    expect(await policy.authorizeJoin(join("all", identity))).toEqual({ allow: true });
    for (const channel of ["of ann", "news", "all.of.it", "*", ""]) {
      expect(await policy.authorizeJoin(join(channel, identity))).toEqual({ allow: false });
    }
  });

  it("asks the policy nothing about a socket that is nobody's", async () => {
    const lax: AuthPolicy = { ...tickets, authorizeJoin: () => ({ allow: true }) };
    const wrapped = withPublicChannels(lax, ["news.*"]);
    const identity = await nobodysIdentity(wrapped);
    expect(await wrapped.authorizeJoin(join("of ann", identity))).toEqual({ allow: false });
  });

  it("keeps a socket out whose token is no good", async () => {
    expect(await policy.authorizeConnect(connect("expired"))).toEqual({ allow: false });
  });

  it("leaves a socket with a good token to the policy, but for public channels", async () => {
    const decision = await policy.authorizeConnect(connect("ann's"));
    expect(decision).toEqual({ allow: true, identity: ann });
    const answer = async (channel: string) => policy.authorizeJoin(join(channel, ann));
    expect(await answer("of ann")).toEqual({ allow: true, response: Json.of("hello") });
    expect(await answer("of bob")).toEqual({ allow: false, reason: "not your channel" });
    expect(await answer("news.1")).toEqual({ allow: true });
  });

  it("leaves an identity that it does not know to the policy", async () => {
    expect(await policy.authorizeJoin(join("of ann", ANONYMOUS))).toEqual({
      allow: false,
      reason: "not your channel",
    });
  });

  it("leaves pushes to the policy", async () => {
    expect(await policy.authorizePush(push)).toEqual({ allow: true, by: "backend" });
    const strict: AuthPolicy = { ...tickets, authorizePush: () => ({ allow: false }) };
    const wrapped = withPublicChannels(strict, ["news.*"]);
    expect(await wrapped.authorizePush(push)).toEqual({ allow: false });
  });

  it("decides at once where the policy does, and later where it does", async () => {
    expect(policy.authorizeConnect(connect())).toMatchObject({ allow: true });
    const late: AuthPolicy = { ...tickets, authorizeConnect: async () => ({ allow: false }) };
    expect(await withPublicChannels(late, []).authorizeConnect(connect())).toMatchObject({
      allow: true,
    });
  });

  it.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("down");
      },
    ],
    ["rejects", () => Promise.reject(new Error("down"))],
    ["answers nothing", () => undefined],
    ["answers null later", async () => null],
    ["answers allow: 0", () => ({ allow: 0 })],
  ])(
    "lets nobody in where the policy %s, and the guard around it sees that",
    async (_how, fail) => {
      const failing = fail as () => never;
      const inner = {
        authorizePush: failing,
        authorizeConnect: failing,
        authorizeJoin: failing,
      };
      const reports: string[] = [];
      const guarded = guardPolicy(withPublicChannels(inner, ["news.*"]), (question) =>
        reports.push(question),
      );
      expect(await guarded.authorizePush(push)).toEqual({ allow: false });
      expect(await guarded.authorizeConnect(connect())).toEqual({ allow: false });
      expect(await guarded.authorizeJoin(join("of ann", ann))).toEqual({ allow: false });
      expect(reports).toEqual(["push", "connect", "join"]);
    },
  );
});

describe("publicChannelsOnly", () => {
  authPolicyContract(() => publicChannelsOnly(["news.*"]));

  it("lets everyone connect and join the public channels, and nobody do anything else", async () => {
    const policy = publicChannelsOnly(["news.*"]);
    expect(await policy.authorizeConnect(connect())).toEqual({ allow: true });
    expect(await policy.authorizeConnect(connect("any"))).toEqual({ allow: true });
    expect(await policy.authorizeJoin(join("news.1", ANONYMOUS))).toEqual({ allow: true });
    expect(await policy.authorizeJoin(join("news", ann))).toEqual({ allow: false });
    expect(await policy.authorizePush(push)).toEqual({ allow: false });
  });
});
