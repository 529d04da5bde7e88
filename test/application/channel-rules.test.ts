import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  applyJoinRules,
  type ChannelRule,
  ChannelRules,
} from "../../src/application/channel-rules.js";
import type { AuthPolicy, Identity } from "../../src/domain/auth-policy.js";
import { ChannelPattern } from "../../src/domain/channel-pattern.js";
import { Json } from "../../src/domain/json.js";
import { Push } from "../../src/domain/push.js";

const short = fc.string({ unit: fc.constantFrom("a", "b", ":", "*"), minLength: 1, maxLength: 4 });
const rulesOf = (...rules: ChannelRule[]) => new ChannelRules(rules);

function pushOf(channel: string | string[], data: string): Push {
  const result = Push.of({ channel, event: "e", data: Json.parse(data) });
  if (!result.ok) throw new Error(result.error.message);
  return result.push;
}

describe("ChannelRules", () => {
  it("has for each channel the first rule whose pattern matches it", () => {
    fc.assert(
      fc.property(fc.array(short, { maxLength: 6 }), short, (patterns, channel) => {
        const rules = patterns.map((pattern, index) => ({ pattern, subscribersMax: index }));
        const expected = rules.find(({ pattern }) => new ChannelPattern(pattern).matches(channel));
        const found = rulesOf(...rules).ruleFor(channel);
        expect(found?.subscribersMax).toBe(expected?.subscribersMax);
      }),
    );
  });

  it("lets the first rule count also where it says nothing of the matter", () => {
    const rules = rulesOf(
      { pattern: "news:intern:*" },
      { pattern: "news:*", join: "anyone", subscribersMax: 1, dataBytesMax: 1 },
    );
    expect(rules.ruleFor("news:intern:a")?.join).toBeUndefined();
    expect(rules.fullness("news:intern:a", 99)).toBeUndefined();
    expect(rules.checkPush(pushOf("news:intern:a", "12"))).toBeUndefined();
    expect(rules.ruleFor("news:a")?.join).toBe("anyone");
    expect(rules.fullness("news:a", 99)).toBe("channel is full");
    expect(rules.checkPush(pushOf("news:a", "12"))).toBeDefined();
  });

  it("says whether anyone may join somewhere", () => {
    expect(rulesOf().hasPublic).toBe(false);
    expect(rulesOf({ pattern: "a", join: "authenticated" }).hasPublic).toBe(false);
    expect(rulesOf({ pattern: "a" }, { pattern: "b", join: "anyone" }).hasPublic).toBe(true);
  });

  it("calls a channel full from its limit on", () => {
    fc.assert(
      fc.property(fc.nat(5), fc.nat(8), (subscribersMax, subscribers) => {
        const words = rulesOf({ pattern: "a", subscribersMax }).fullness("a", subscribers);
        expect(words).toBe(subscribers < subscribersMax ? undefined : "channel is full");
      }),
    );
    expect(rulesOf({ pattern: "a" }).fullness("a", 1e9)).toBeUndefined();
    expect(rulesOf({ pattern: "a", subscribersMax: 0 }).fullness("b", 1e9)).toBeUndefined();
  });

  it("measures data in bytes of its JSON text", () => {
    const data = fc.string({ unit: fc.constantFrom("x", "é", "😀"), maxLength: 8 });
    fc.assert(
      fc.property(data, fc.integer({ min: 1, max: 40 }), (text, dataBytesMax) => {
        const json = JSON.stringify(text);
        const fault = rulesOf({ pattern: "*", dataBytesMax }).checkPush(pushOf("a", json));
        expect(fault === undefined).toBe(Buffer.byteLength(json) <= dataBytesMax);
      }),
    );
  });

  it("names the channel and the limit that data is too large for, and not the data", () => {
    const rules = rulesOf({ pattern: "b*", dataBytesMax: 3 }, { pattern: "c", dataBytesMax: 1 });
    expect(rules.checkPush(pushOf(["a", 'b"', "c"], '"payload"'))).toEqual({
      code: "invalid_push",
      faults: [{ field: "data", reason: 'must not be larger than 3 bytes on channel "b\\""' }],
      message: 'Invalid push arguments: data must not be larger than 3 bytes on channel "b\\"".',
    });
    expect(rules.checkPush(pushOf(["a", "b", "c"], "1"))).toBeUndefined();
  });
});

describe("applyJoinRules", () => {
  const rules = rulesOf(
    { pattern: "open", join: "anyone" },
    { pattern: "closed", join: "nobody" },
    { pattern: "known", join: "authenticated" },
    { pattern: "asked", join: "policy" },
    { pattern: "silent" },
  );

  function policyThat(allow: boolean): { policy: AuthPolicy; asked: string[] } {
    const asked: string[] = [];
    const answer = (question: string) => () => {
      asked.push(question);
      return { allow } as { allow: true };
    };
    const policy = {
      authorizePush: answer("push"),
      authorizeConnect: answer("connect"),
      authorizeJoin: answer("join"),
    };
    return { policy, asked };
  }

  const join = (policy: AuthPolicy, channel: string, identity: Identity = {}) =>
    applyJoinRules(policy, rules).authorizeJoin({ channel, params: Json.null, identity });

  it.each([true, false])("asks the policy only where its answer counts; it says %s", (allow) => {
    const { policy, asked } = policyThat(allow);
    const decisions = ["open", "closed", "asked", "silent", "other"].map((channel) =>
      join(policy, channel),
    );
    expect(decisions).toEqual([{ allow: true }, { allow: false }, { allow }, { allow }, { allow }]);
    expect(asked).toEqual(["join", "join", "join"]);
  });

  it.each<[string, Identity, boolean]>([
    ["nobody in particular", {}, false],
    ["a socket id", { socketId: "me" }, true],
    ["claims", { claims: { sub: "me" } }, true],
    ["an end only", { expiresAt: 1 }, false],
  ])("takes for authenticated who has %s: %j, %s", (_what, identity, allow) => {
    const { policy, asked } = policyThat(!allow);
    expect(join(policy, "known", identity)).toEqual({ allow });
    expect(asked).toEqual([]);
  });

  it("leaves the other questions to the policy", () => {
    const { policy, asked } = policyThat(true);
    const applied = applyJoinRules(policy, rules);
    const nobody = { headers: {}, remoteAddress: undefined };
    void applied.authorizePush({ ...nobody, method: "POST", path: "/", input: {} });
    void applied.authorizeConnect({ ...nobody, origin: undefined, params: {}, token: undefined });
    expect(asked).toEqual(["push", "connect"]);
  });
});
