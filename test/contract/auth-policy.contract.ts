import { describe, expect, it } from "vitest";
import { guardPolicy } from "../../src/application/guard-policy.js";
import { ANONYMOUS, type AuthPolicy, authorizeOperate } from "../../src/domain/auth-policy.js";
import { Json } from "../../src/domain/json.js";

const nobody = { headers: {}, remoteAddress: undefined } as const;

/** A stranger's questions, of which a policy must make something without throwing. */
export const strangePush = { ...nobody, method: "POST", path: "/api/push", input: {} };
export const strangeOperate = {
  ...nobody,
  method: "GET",
  path: "/api/stats",
  right: "read",
  channel: undefined,
} as const;
export const strangeConnect = { ...nobody, origin: undefined, params: {}, token: undefined };
export const strangeJoin = { channel: "", params: Json.null, identity: ANONYMOUS };

/** The promises of the `AuthPolicy` port, for every adapter of it. */
export function authPolicyContract(create: () => AuthPolicy): void {
  describe("as every AuthPolicy", () => {
    it("decides a request that holds nothing", async () => {
      const policy = create();
      const decisions = await Promise.all([
        policy.authorizePush(strangePush),
        policy.authorizeConnect(strangeConnect),
        policy.authorizeJoin(strangeJoin),
        authorizeOperate(policy, strangeOperate),
      ]);
      for (const decision of decisions) expect(typeof decision.allow).toBe("boolean");
    });

    it("decides the same question alike each time", async () => {
      const policy = create();
      const [first, second] = [
        await policy.authorizePush(strangePush),
        await policy.authorizePush(strangePush),
      ];
      expect(second).toEqual(first);
      expect(await authorizeOperate(policy, strangeOperate)).toEqual(
        await authorizeOperate(policy, strangeOperate),
      );
    });

    it("works as a value, apart from the object that it came from", async () => {
      // Hosts and the guard pass a policy on; it must not depend on how it is held.
      const guarded = guardPolicy(create(), (_question, error) => {
        throw error;
      });
      expect(typeof (await guarded.authorizePush(strangePush)).allow).toBe("boolean");
      expect(typeof (await guarded.authorizeOperate(strangeOperate)).allow).toBe("boolean");
    });
  });
}
