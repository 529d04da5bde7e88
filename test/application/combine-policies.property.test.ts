import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { guardPolicy } from "../../src/application/guard-policy.js";
import {
  ANONYMOUS,
  type AuthPolicy,
  authorizeOperate,
  type Identity,
} from "../../src/domain/auth-policy.js";
import { Json } from "../../src/domain/json.js";
import {
  build,
  mayConnect,
  mayJoin,
  mayOperate,
  mayPush,
  SOCKETS,
  type Tree,
  trees,
} from "./policy-trees.js";

const nobody = { headers: {}, remoteAddress: undefined } as const;
const push = { ...nobody, method: "POST", path: "/", input: {} };
const operate = { ...nobody, method: "GET", path: "/", right: "read", channel: "a" } as const;
const connect = (socket: number) => ({
  ...nobody,
  origin: undefined,
  params: { socket: String(socket) },
  token: undefined,
});
const join = (socket: number, identity: Identity) => ({
  channel: "a",
  params: Json.of(socket),
  identity,
});

interface Answers {
  readonly push: boolean;
  readonly operate: boolean;
  readonly connect: readonly boolean[];
  /** False for a socket that was not let in. */
  readonly join: readonly boolean[];
}

/** All sockets connect, and then all that were let in join, twice. */
async function ask(policy: AuthPolicy): Promise<Answers> {
  const sockets = Array.from({ length: SOCKETS }, (_, socket) => socket);
  const connects = await Promise.all(
    sockets.map((socket) => policy.authorizeConnect(connect(socket))),
  );
  const joins: boolean[] = sockets.map(() => false);
  for (const socket of [...sockets, ...sockets]) {
    const decision = connects[socket];
    if (decision?.allow !== true) continue;
    const request = join(socket, decision.identity ?? ANONYMOUS);
    joins[socket] = (await policy.authorizeJoin(request)).allow;
  }
  return {
    push: (await policy.authorizePush(push)).allow,
    operate: (await authorizeOperate(policy, operate)).allow,
    connect: connects.map((decision) => decision.allow),
    join: joins,
  };
}

function expected(tree: Tree): Answers {
  const sockets = Array.from({ length: SOCKETS }, (_, socket) => socket);
  return {
    push: mayPush(tree),
    operate: mayOperate(tree),
    connect: sockets.map((socket) => mayConnect(tree, socket)),
    join: sockets.map((socket) => mayConnect(tree, socket) && mayJoin(tree, socket, true)),
  };
}

function guarded(tree: Tree) {
  const reports: string[] = [];
  const report = (question: string) => void reports.push(question);
  const { policy, leaves } = build(tree, report);
  return { policy: guardPolicy(policy, report), leaves, reports };
}

const any = trees({ late: true, split: true });

describe("every composition of policies", () => {
  it("answers what its rules say", async () => {
    let allowed = 0;
    await fc.assert(
      fc.asyncProperty(any, async (tree) => {
        const answers = await ask(guarded(tree).policy);
        if (answers.join.includes(true)) allowed++;
        expect(answers).toEqual(expected(tree));
      }),
      { numRuns: 500 },
    );
    expect(allowed).toBeGreaterThan(20);
  });

  it("allows nothing that each of its policies denies alone", async () => {
    await fc.assert(
      fc.asyncProperty(any, async (tree) => {
        const { policy, leaves } = guarded(tree);
        const alone = await Promise.all(
          leaves.map((each) => ask(guardPolicy(each, () => undefined))),
        );
        const answers = await ask(policy);
        if (answers.push) expect(alone.map((each) => each.push)).toContain(true);
        if (answers.operate) expect(alone.map((each) => each.operate)).toContain(true);
        for (const [socket, connects] of answers.connect.entries()) {
          if (connects) expect(alone.map((each) => each.connect[socket])).toContain(true);
          if (answers.join[socket] !== true) continue;
          expect(leaves.map((each) => each.leaf.join[socket])).toContain("allow");
        }
      }),
      { numRuns: 300 },
    );
  });

  it("shows no policy an identity that it has not given to that very socket", async () => {
    await fc.assert(
      fc.asyncProperty(trees({ late: true, split: false }), async (tree) => {
        const { policy, leaves } = guarded(tree);
        await ask(policy);
        expect(leaves.flatMap((each) => each.foreign)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it("reports each failure of a policy once", async () => {
    await fc.assert(
      fc.asyncProperty(any, async (tree) => {
        const { policy, leaves, reports } = guarded(tree);
        await ask(policy);
        expect(reports.length).toBe(leaves.reduce((sum, each) => sum + each.faults, 0));
      }),
      { numRuns: 300 },
    );
  });

  it("answers at once where its policies do", () => {
    // A rejection is a promise, whoever makes it.
    const prompt = trees({ late: false, split: true }).filter(
      (tree) => !JSON.stringify(tree).includes('"reject"'),
    );
    fc.assert(
      fc.property(prompt, (tree) => {
        const { policy } = guarded(tree);
        const decision = policy.authorizeConnect(connect(0));
        expect(decision).not.toBeInstanceOf(Promise);
        expect(policy.authorizePush(push)).not.toBeInstanceOf(Promise);
        expect(policy.authorizeOperate(operate)).not.toBeInstanceOf(Promise);
        if (!("allow" in decision) || !decision.allow) return;
        const request = join(0, decision.identity ?? ANONYMOUS);
        expect(policy.authorizeJoin(request)).not.toBeInstanceOf(Promise);
      }),
    );
  });
});
