import { describe, expect, it } from "vitest";
import { guardPolicy } from "../../src/application/guard-policy.js";
import { ANONYMOUS, type AuthPolicy } from "../../src/domain/auth-policy.js";
import { Json } from "../../src/domain/json.js";

const nobody = { headers: {}, remoteAddress: undefined } as const;
const push = { ...nobody, method: "POST", path: "/", input: {} };
const connect = { ...nobody, origin: undefined, params: {}, token: undefined };
const join = { channel: "a", params: Json.null, identity: ANONYMOUS };

/** A policy that gives one answer, or fails in one way, to every question. */
function policyOf(answer: () => unknown): AuthPolicy {
  const all = answer as () => never;
  return { authorizePush: all, authorizeConnect: all, authorizeJoin: all };
}

const failures: [string, () => unknown][] = [
  [
    "throws",
    () => {
      throw new Error("down");
    },
  ],
  ["rejects", () => Promise.reject(new Error("down"))],
  ["answers nothing", () => undefined],
  ["answers null", () => null],
  ["answers with a word", () => "allow"],
  ["answers true", () => true],
  ["answers allow: 1", () => ({ allow: 1 })],
  ["answers later with nothing", () => Promise.resolve(undefined)],
];

describe("guardPolicy", () => {
  it.each(failures)(
    "denies every question and reports it where the policy %s",
    async (_how, answer) => {
      const reports: string[] = [];
      const policy = guardPolicy(policyOf(answer), (question) => reports.push(question));
      const decisions = await Promise.all([
        policy.authorizePush(push),
        policy.authorizeConnect(connect),
        policy.authorizeJoin(join),
      ]);
      expect(decisions).toEqual([{ allow: false }, { allow: false }, { allow: false }]);
      expect(reports.sort()).toEqual(["connect", "join", "push"]);
    },
  );

  it.each([
    ["takes too long", () => {}],
    [
      "allows too late",
      (resolve: (late: object) => void) => resolve({ allow: true, identity: {} }),
    ],
    ["fails too late", (_resolve: unknown, reject: (late: Error) => void) => reject(new Error())],
  ])("denies and reports where the policy %s", async (_what, answerLate) => {
    const faults: [string, string][] = [];
    const late: (() => void)[] = [];
    const guarded = guardPolicy(
      policyOf(
        () => new Promise((resolve, reject) => late.push(() => answerLate(resolve, reject))),
      ),
      (question, error) => faults.push([question, String(error)]),
      { timeoutMs: 20 },
    );
    const decisions = await Promise.all([
      guarded.authorizePush(push),
      guarded.authorizeConnect(connect),
      guarded.authorizeJoin(join),
    ]);
    expect(decisions).toEqual([{ allow: false }, { allow: false }, { allow: false }]);
    for (const answer of late) answer();
    await new Promise((resolve) => setImmediate(resolve));
    const tooLate = "Error: the policy did not decide within 0.02 s";
    expect(faults).toEqual([
      ["push", tooLate],
      ["connect", tooLate],
      ["join", tooLate],
    ]);
  });

  it("passes decisions on as they are, at once where they come at once", async () => {
    const decision = { allow: true, identity: { socketId: "x" } };
    const report = () => {
      throw new Error("reported");
    };
    expect(
      guardPolicy(
        policyOf(() => decision),
        report,
      ).authorizePush(push),
    ).toBe(decision);
    const later = guardPolicy(
      policyOf(() => Promise.resolve(decision)),
      report,
    );
    expect(await later.authorizeConnect(connect)).toBe(decision);
    // Of another library's promise only `then` is known.
    // biome-ignore lint/suspicious/noThenProperty: a thenable is what this is about.
    const thenable = { then: (resolve: (value: unknown) => void) => resolve(decision) };
    expect(
      await guardPolicy(
        policyOf(() => thenable),
        report,
      ).authorizeJoin(join),
    ).toBe(decision);
  });
});
