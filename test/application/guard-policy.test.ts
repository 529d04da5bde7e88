import { describe, expect, it } from "vitest";
import { guardPolicy } from "../../src/application/guard-policy.js";
import { ANONYMOUS, type AuthPolicy } from "../../src/domain/auth-policy.js";
import { Json } from "../../src/domain/json.js";

const nobody = { headers: {}, remoteAddress: undefined } as const;
const push = { ...nobody, method: "POST", path: "/", input: {} };
const connect = { ...nobody, origin: undefined, params: {}, token: undefined };
const operate = { ...nobody, method: "GET", path: "/", right: "read", channel: undefined } as const;
const join = { channel: "a", params: Json.null, identity: ANONYMOUS };

/** A policy that gives one answer, or fails in one way, to every question. */
function policyOf(answer: () => unknown): AuthPolicy {
  const all = answer as () => never;
  return {
    authorizePush: all,
    authorizeConnect: all,
    authorizeJoin: all,
    authorizeOperate: all,
  };
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
        policy.authorizeOperate(operate),
      ]);
      expect(decisions).toEqual(Array(4).fill({ allow: false }));
      expect(reports.sort()).toEqual(["connect", "join", "operate", "push"]);
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
    const timers: { run: () => void; ms: number; isCancelled: boolean }[] = [];
    const schedule = (run: () => void, ms: number) => {
      const timer = { run, ms, isCancelled: false };
      timers.push(timer);
      return () => {
        timer.isCancelled = true;
      };
    };
    const guarded = guardPolicy(
      policyOf(
        () => new Promise((resolve, reject) => late.push(() => answerLate(resolve, reject))),
      ),
      (question, error) => faults.push([question, String(error)]),
      { timeout: { ms: 20, schedule } },
    );
    const decided = Promise.all([
      guarded.authorizePush(push),
      guarded.authorizeConnect(connect),
      guarded.authorizeJoin(join),
      guarded.authorizeOperate(operate),
    ]);
    expect(timers.map(({ ms }) => ms)).toEqual([20, 20, 20, 20]);
    for (const { run } of timers) run();
    expect(await decided).toEqual(Array(4).fill({ allow: false }));
    for (const answer of late) answer();
    await new Promise((resolve) => setImmediate(resolve));
    const tooLate = "Error: the policy did not decide within 0.02 s";
    expect(faults).toEqual([
      ["push", tooLate],
      ["connect", tooLate],
      ["join", tooLate],
      ["operate", tooLate],
    ]);
  });

  it("cancels the timer of a policy that answers in time, and sets none if it answers at once", async () => {
    let cancelled = 0;
    const set: number[] = [];
    const schedule = (_run: () => void, ms: number) => {
      set.push(ms);
      return () => void cancelled++;
    };
    const guarded = (answer: () => unknown) =>
      guardPolicy(policyOf(answer), () => {}, { timeout: { ms: 20, schedule } });
    expect(guarded(() => ({ allow: true })).authorizePush(push)).toEqual({ allow: true });
    expect(set).toEqual([]);
    await guarded(async () => ({ allow: true })).authorizePush(push);
    await guarded(() => Promise.reject(new Error("down"))).authorizePush(push);
    expect([set, cancelled]).toEqual([[20, 20], 2]);
  });

  it("denies what an operator asks if the policy says nothing about it, without a report", () => {
    const { authorizeOperate: _, ...policy } = policyOf(() => ({ allow: true }));
    const reports: string[] = [];
    const guarded = guardPolicy(policy, (question) => reports.push(question));
    expect(guarded.authorizeOperate(operate)).toEqual({ allow: false });
    expect(reports).toEqual([]);
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
