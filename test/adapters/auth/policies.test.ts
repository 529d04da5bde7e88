import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { allowAll } from "../../../src/adapters/auth/allow-all.js";
import { type ApiKey, ApiKeyPolicy } from "../../../src/adapters/auth/api-keys/api-keys.js";
import type { OperatorRight } from "../../../src/domain/auth-policy.js";
import type { PushInput } from "../../../src/domain/push.js";
import {
  authPolicyContract,
  strangeOperate,
  strangePush,
} from "../../contract/auth-policy.contract.js";

const sha256 = (key: string) => `sha256:${createHash("sha256").update(key).digest("hex")}`;

function pushWith(key: string, input: PushInput = {}) {
  return { ...strangePush, input, headers: { authorization: `Bearer ${key}` } };
}

function mayPush(policy: ApiKeyPolicy, authorization?: string): boolean {
  const headers = authorization === undefined ? {} : { authorization };
  return policy.authorizePush({ ...strangePush, headers }).allow;
}

describe("allowAll", () => {
  authPolicyContract(() => allowAll);
});

describe("ApiKeyPolicy", () => {
  authPolicyContract(() => new ApiKeyPolicy(["key"]));

  const policy = new ApiKeyPolicy([
    "first-key",
    sha256("second-key"),
    sha256("third").toUpperCase().replace("SHA256", "sha256"),
  ]);

  it.each(["first-key", "second-key", "third"])("lets %s push", (key) => {
    expect(mayPush(policy, `Bearer ${key}`)).toBe(true);
    expect(mayPush(policy, `bearer  ${key}`)).toBe(true);
  });

  it.each([
    undefined,
    "",
    "Bearer",
    "Bearer ",
    "first-key",
    "Basic first-key",
    "Bearer first-ke",
    "Bearer first-keyy",
    "Bearer FIRST-KEY",
    "Bearer first-key second-key",
    `Bearer ${sha256("second-key")}`,
    "Bearer first-key, Bearer first-key",
  ])("denies the authorization %j", (authorization) => {
    expect(mayPush(policy, authorization)).toBe(false);
  });

  it("lets nobody push but who sends one of the keys", () => {
    const key = fc.stringMatching(/^[\x21-\x7e]{1,30}$/).filter((each) => !/^sha256:/i.test(each));
    fc.assert(
      fc.property(
        fc.uniqueArray(key, { minLength: 1, maxLength: 4 }),
        key,
        // Bit by bit: which of them are given as their digests.
        fc.nat(15),
        (keys, sent, hashed) => {
          const given = new ApiKeyPolicy(
            keys.map((each, index) => ((hashed >> index) & 1 ? sha256(each) : each)),
          );
          expect(mayPush(given, `Bearer ${sent}`)).toBe(keys.includes(sent));
          for (const each of keys) expect(mayPush(given, `Bearer ${each}`)).toBe(true);
        },
      ),
    );
  });

  it("tells keys of one length apart, and what is not ASCII from all of them", () => {
    const given = new ApiKeyPolicy([
      { key: "aaaa", name: "a" },
      { key: "bbbb", name: "b" },
      { key: sha256("cccc"), name: "c" },
    ]);
    const by = (key: string) => (given.authorizePush(pushWith(key)) as { by?: string }).by;
    expect(["aaaa", "bbbb", "cccc"].map(by)).toEqual(["a", "b", "c"]);
    // The last byte of the first one's UTF-16 form is an "a".
    const strange = [
      "aaa\u0161",
      "aaa\u00e9",
      "\u00e9aaa",
      "aa\u00e9",
      "aaaa\u0000",
      "aaab",
      "aaa",
    ];
    expect(strange.map(by)).toEqual(strange.map(() => undefined));
  });

  it("forgets the keys that a reload takes away, however they were given", () => {
    const given = new ApiKeyPolicy(["as-itself", sha256("as-digest")]);
    given.reload(["another"]);
    const keys = ["as-itself", "as-digest", "another"];
    expect(keys.map((key) => mayPush(given, `Bearer ${key}`))).toEqual([false, false, true]);
  });

  it.each([
    [[], "needs at least one API key"],
    [["good", ""], "key 2"],
    [["has blank"], "key 1"],
    [["sha256:abc"], "64 hexadecimal digits"],
    [["kéy-of-mine"], "printable ASCII"],
    [["once-more", "once-more"], "key 2: has the same key as key 1"],
    [["once-more", sha256("once-more")], "key 2: has the same key as key 1"],
  ])("refuses the keys %j without quoting one", (keys, message) => {
    const refused = refusalOf(() => new ApiKeyPolicy(keys));
    expect(refused).toContain(message);
    for (const key of keys.filter((each) => each.length > 4)) expect(refused).not.toContain(key);
  });

  const named = (more: object) => ({ key: "secret-key", ...more }) as ApiKey;
  it.each([
    [{ key: 1 }, "the key must be a string"],
    [null, "must be a string or an object"],
    [["secret-key"], "must be a string or an object"],
    [named({ "other-key": true }), "a member other than key, name, channels and scopes"],
    [named({ name: "" }), "the name must be"],
    [named({ name: "a\nb" }), "the name must be"],
    [named({ name: "a".repeat(101) }), "the name must be"],
    [named({ name: 7 }), "the name must be"],
    [named({ channels: [] }), "the channels must be"],
    [named({ channels: "*" }), "the channels must be"],
    [named({ channels: ["a", ""] }), "the channels must be"],
    [named({ channels: [null] }), "the channels must be"],
    [named({ scopes: [] }), "the scopes must be"],
    [named({ scopes: "push" }), "the scopes must be"],
    [named({ scopes: ["push", "all"] }), "the scopes must be"],
    [named({ scopes: [["push"]] }), "the scopes must be"],
    [named({ scopes: ["operate"], channels: ["a"] }), '"operate" concerns the whole server'],
    [named({ name: "first" }), "has the same name as key 1"],
  ])("refuses the entry %j with one line", (entry, message) => {
    const keys = [{ key: "another", name: "first" }, entry as ApiKey];
    const refused = refusalOf(() => new ApiKeyPolicy(keys));
    expect(refused).toMatch(/^key 2: .+$/);
    expect(refused).toContain(message);
    expect(refused).not.toMatch(/secret-key|other-key/);
  });

  it("tells who pushes: the key's name, or the first digits of its hash", () => {
    const given = new ApiKeyPolicy([{ key: "named", name: "the backend" }, "wonderland"]);
    expect(given.authorizePush(pushWith("named"))).toEqual({ allow: true, by: "the backend" });
    expect(given.authorizePush(pushWith("wonderland"))).toEqual({
      allow: true,
      by: "key a71a7c70",
    });
    const decision = given.authorizePush(pushWith("named"));
    expect(given.authorizePush(pushWith("named"))).toBe(decision);
    expect(Object.isFrozen(decision)).toBe(true);
  });

  it("lets a limited key push if all channels match, and nothing else", () => {
    const given = new ApiKeyPolicy([
      { key: "limited", channels: ["orders.*", "news"] },
      { key: "starred", channels: ["orders.*", "**"] },
      "unlimited",
    ]);
    const channels: [unknown, boolean][] = [
      ["news", true],
      ["orders.17", true],
      [["news", "orders.17"], true],
      [["news", "other"], false],
      ["other", false],
      ["news2", false],
      [[], false],
      [[["news"]], false],
      [{ 0: "news" }, false],
      ["*", false],
      [undefined, false],
      [null, false],
    ];
    for (const [channel, allowed] of channels) {
      const question = (key: string) => given.authorizePush(pushWith(key, { channel })).allow;
      expect([channel, question("limited")]).toEqual([channel, allowed]);
      expect(question("starred")).toBe(true);
      expect(question("unlimited")).toBe(true);
      expect(question("unknown")).toBe(false);
    }
    expect(given.authorizePush(pushWith("limited")).allow).toBe(false);
    expect(given.authorizePush(pushWith("starred")).allow).toBe(true);
  });

  it("gives a key what its scopes say, and without scopes nothing but pushes", () => {
    const given = new ApiKeyPolicy([
      "plain",
      { key: "reads", scopes: ["read"] },
      { key: "operates", name: "ops", scopes: ["operate"], channels: ["*"] },
      { key: sha256("hashed"), channels: ["news"], scopes: ["push", "read"] },
    ]);
    const may = (key: string, right: OperatorRight, channel?: string) =>
      given.authorizeOperate({
        ...strangeOperate,
        headers: { authorization: `Bearer ${key}` },
        right,
        channel,
      });
    const rights = (key: string) => [
      given.authorizePush(pushWith(key, { channel: "news" })).allow,
      may(key, "read", "news").allow,
      may(key, "read", "other").allow,
      may(key, "read").allow,
      may(key, "operate").allow,
    ];
    expect(rights("plain")).toEqual([true, false, false, false, false]);
    expect(rights("reads")).toEqual([false, true, true, true, false]);
    expect(rights("operates")).toEqual([false, false, false, false, true]);
    expect(rights("hashed")).toEqual([true, true, false, false, false]);
    expect(rights("unknown")).toEqual([false, false, false, false, false]);
    expect(may("operates", "operate")).toEqual({ allow: true, by: "ops" });
    given.reload(["operates"]);
    expect(may("operates", "operate").allow).toBe(false);
  });

  it("takes new keys in place of all old ones", () => {
    const given = new ApiKeyPolicy(["old", "stays"]);
    given.reload([{ key: "stays", channels: ["news"] }, "new"]);
    expect(mayPush(given, "Bearer old")).toBe(false);
    expect(mayPush(given, "Bearer new")).toBe(true);
    expect(mayPush(given, "Bearer stays")).toBe(false);
    expect(given.authorizePush(pushWith("stays", { channel: "news" })).allow).toBe(true);
  });

  it.each([[[]], [["new", "has blank"]], [["new", "new"]]])(
    "keeps the old keys where the new ones are %j",
    (keys) => {
      const given = new ApiKeyPolicy(["old"]);
      expect(() => given.reload(keys)).toThrow(TypeError);
      expect(mayPush(given, "Bearer old")).toBe(true);
      expect(mayPush(given, "Bearer new")).toBe(false);
    },
  );

  it("forgets nothing and follows nothing when the caller's list changes afterwards", () => {
    const channels = ["news"];
    const keys: ApiKey[] = [{ key: "limited", channels }];
    const given = new ApiKeyPolicy(keys);
    channels.push("*");
    keys.push("late");
    expect(given.authorizePush(pushWith("limited", { channel: "other" })).allow).toBe(false);
    expect(mayPush(given, "Bearer late")).toBe(false);
  });
});

function refusalOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError);
    return (error as TypeError).message;
  }
  throw new Error("nothing was refused");
}
