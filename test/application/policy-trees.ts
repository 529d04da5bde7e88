import fc from "fast-check";
import {
  byQuestion,
  firstAllowWins,
  firstDenyWins,
} from "../../src/application/combine-policies.js";
import type { PolicyFault } from "../../src/application/guard-policy.js";
import { ANONYMOUS, type AuthPolicy, type Identity } from "../../src/domain/auth-policy.js";
import type { Json } from "../../src/domain/json.js";

/**
 * How many sockets a policy has answers for. Which one asks is told by the connect parameter
 * `socket`, and by the join's payload.
 */
export const SOCKETS = 2;

/** What a policy does with a question. */
export type Way = "allow" | "deny" | "throw" | "reject" | "nonsense";

export interface Leaf {
  readonly kind: "leaf";
  readonly push: Way;
  /** Undefined for a policy that has no answer to it. */
  readonly operate: Way | undefined;
  /** For each socket. */
  readonly connect: readonly Way[];
  readonly join: readonly Way[];
  readonly givesIdentity: boolean;
  readonly isLate: boolean;
  readonly nonsense: unknown;
}

/** A composition of policies, before it is built. */
export type Tree =
  | Leaf
  | { readonly kind: "all"; readonly parts: readonly Tree[] }
  | { readonly kind: "any"; readonly parts: readonly Tree[] }
  | {
      readonly kind: "sockets";
      readonly pushes: Tree;
      readonly operates: Tree | undefined;
      readonly sockets: Tree;
    }
  | {
      readonly kind: "split";
      readonly pushes: Tree;
      readonly connects: Tree;
      readonly joins: Tree;
    };

const way = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Way>("allow") },
  { weight: 2, arbitrary: fc.constant<Way>("deny") },
  { weight: 1, arbitrary: fc.constantFrom<Way>("throw", "reject", "nonsense") },
);

const perSocket = fc.array(way, { minLength: SOCKETS, maxLength: SOCKETS });

function leaf(isLate: fc.Arbitrary<boolean>): fc.Arbitrary<Leaf> {
  return fc.record({
    kind: fc.constant("leaf" as const),
    push: way,
    operate: fc.option(way, { nil: undefined, freq: 5 }),
    connect: perSocket,
    join: perSocket,
    givesIdentity: fc.boolean(),
    isLate,
    nonsense: fc.constantFrom<unknown>(undefined, null, true, "allow", 1, [], {}, { allow: 1 }, [
      true,
    ]),
  });
}

export interface TreeOptions {
  /** Some policies answer later. */
  readonly late: boolean;
  /** Some ask one policy about connects and another one about joins. */
  readonly split: boolean;
}

export function trees({ late, split }: TreeOptions): fc.Arbitrary<Tree> {
  return fc.letrec<{ tree: Tree }>((tie) => ({
    tree: fc.oneof(
      { depthSize: "medium", withCrossShrink: true },
      leaf(late ? fc.boolean() : fc.constant(false)),
      fc.record({ kind: fc.constant("all" as const), parts: parts(tie("tree")) }),
      fc.record({ kind: fc.constant("any" as const), parts: parts(tie("tree")) }),
      fc.record({
        kind: fc.constant("sockets" as const),
        pushes: tie("tree"),
        operates: fc.option(tie("tree"), { nil: undefined }),
        sockets: tie("tree"),
      }),
      ...(split
        ? [
            fc.record({
              kind: fc.constant("split" as const),
              pushes: tie("tree"),
              connects: tie("tree"),
              joins: tie("tree"),
            }),
          ]
        : []),
    ),
  })).tree;
}

function parts(tree: fc.Arbitrary<Tree>): fc.Arbitrary<Tree[]> {
  return fc.array(tree, { maxLength: 3 });
}

/** A policy of the tree, and what it has seen. */
export class LeafPolicy implements AuthPolicy {
  /** How often it failed to answer. */
  faults = 0;
  /** Identities of joins that are not what it gave to that socket. */
  readonly foreign: Identity[] = [];
  readonly #given = new Map<number, Identity>();

  readonly authorizeOperate?: () => never;

  constructor(readonly leaf: Leaf) {
    const { operate } = leaf;
    if (operate === undefined) return;
    this.authorizeOperate = () => this.#answer(operate, { allow: true });
  }

  authorizePush() {
    return this.#answer(this.leaf.push, { allow: true });
  }

  authorizeConnect({ params }: { params: Readonly<Record<string, string>> }) {
    const socket = Number(params.socket);
    const way = this.leaf.connect[socket] as Way;
    if (way !== "allow" || !this.leaf.givesIdentity) return this.#answer(way, { allow: true });
    const identity = {};
    this.#given.set(socket, identity);
    return this.#answer(way, { allow: true, identity });
  }

  authorizeJoin({ params, identity }: { params: Json; identity: Identity }) {
    const socket = Number(params.text);
    if (identity !== (this.#given.get(socket) ?? ANONYMOUS)) this.foreign.push(identity);
    return this.#answer(this.leaf.join[socket] as Way, { allow: true });
  }

  #answer(way: Way, allowed: unknown): never {
    if (way !== "allow" && way !== "deny") this.faults++;
    if (way === "throw") throw new Error("down");
    if (way === "reject") return Promise.reject(new Error("down")) as never;
    const { nonsense, isLate } = this.leaf;
    const answer = way === "allow" ? allowed : way === "deny" ? { allow: false } : nonsense;
    return (isLate ? Promise.resolve(answer) : answer) as never;
  }
}

export interface Built {
  readonly policy: AuthPolicy;
  readonly leaves: readonly LeafPolicy[];
}

export function build(tree: Tree, report: PolicyFault): Built {
  const leaves: LeafPolicy[] = [];
  const make = (part: Tree): AuthPolicy => {
    switch (part.kind) {
      case "leaf": {
        const policy = new LeafPolicy(part);
        leaves.push(policy);
        return policy;
      }
      case "all":
        return firstDenyWins(part.parts.map(make), report);
      case "any":
        return firstAllowWins(part.parts.map(make), report);
      case "sockets":
        return byQuestion({
          pushes: make(part.pushes),
          ...(part.operates && { operates: make(part.operates) }),
          sockets: make(part.sockets),
        });
      case "split":
        return byQuestion({
          pushes: make(part.pushes),
          connects: make(part.connects),
          joins: make(part.joins),
        });
    }
  };
  return { policy: make(tree), leaves };
}

/** What the rules say, of the tree alone: who may push, operate, connect and join. */
export function mayPush(tree: Tree): boolean {
  if (tree.kind === "leaf") return tree.push === "allow";
  if (tree.kind === "any") return tree.parts.some(mayPush);
  if (tree.kind === "all") return tree.parts.length > 0 && tree.parts.every(mayPush);
  return mayPush(tree.pushes);
}

export function mayOperate(tree: Tree): boolean {
  if (tree.kind === "leaf") return tree.operate === "allow";
  if (tree.kind === "any") return tree.parts.some(mayOperate);
  if (tree.kind === "all") return tree.parts.length > 0 && tree.parts.every(mayOperate);
  return mayOperate((tree.kind === "sockets" ? tree.operates : undefined) ?? tree.pushes);
}

export function mayConnect(tree: Tree, socket: number): boolean {
  const may = (part: Tree) => mayConnect(part, socket);
  if (tree.kind === "leaf") return tree.connect[socket] === "allow";
  if (tree.kind === "any") return tree.parts.some(may);
  if (tree.kind === "all") return tree.parts.length > 0 && tree.parts.every(may);
  return may(tree.kind === "sockets" ? tree.sockets : tree.connects);
}

/** @param isKnown whether the tree itself has let the socket in. */
export function mayJoin(tree: Tree, socket: number, isKnown: boolean): boolean {
  const may = (part: Tree) => mayJoin(part, socket, isKnown);
  if (tree.kind === "leaf") return tree.join[socket] === "allow";
  if (tree.kind === "all") return tree.parts.length > 0 && tree.parts.every(may);
  if (tree.kind === "sockets") return may(tree.sockets);
  if (tree.kind === "split") return mayJoin(tree.joins, socket, false);
  if (!isKnown) return tree.parts.some(may);
  const letIn = tree.parts.find((part) => mayConnect(part, socket));
  return letIn !== undefined && may(letIn);
}
