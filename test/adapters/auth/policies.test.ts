import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { allowAll } from "../../../src/adapters/auth/allow-all.js";
import { ApiKeyPolicy } from "../../../src/adapters/auth/api-keys.js";
import { authPolicyContract, strangePush } from "../../contract/auth-policy.contract.js";

const sha256 = (key: string) => `sha256:${createHash("sha256").update(key).digest("hex")}`;

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
        fc.array(key, { minLength: 1, maxLength: 4 }),
        key,
        fc.boolean(),
        (keys, sent, hashed) => {
          const given = new ApiKeyPolicy(hashed ? keys.map(sha256) : keys);
          expect(mayPush(given, `Bearer ${sent}`)).toBe(keys.includes(sent));
          for (const each of keys) expect(mayPush(given, `Bearer ${each}`)).toBe(true);
        },
      ),
    );
  });

  it.each([
    [[], "needs at least one API key"],
    [["good", ""], "key 2"],
    [["has blank"], "key 1"],
    [["sha256:abc"], "64 hexadecimal digits"],
    [["kéy"], "printable ASCII"],
  ])("refuses the keys %j without quoting one", (keys, message) => {
    expect(() => new ApiKeyPolicy(keys)).toThrow(message);
    for (const key of keys.filter((each) => each.length > 4)) {
      expect(() => new ApiKeyPolicy(keys)).not.toThrow(key);
    }
  });
});
