import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IdempotencyStore, type IdempotentResult } from "../../src/application/idempotency.js";
import { isPromise } from "../../src/domain/maybe-promise.js";

/*
 * Any order of asking, of work that ends well or badly, and of time that passes, against a model
 * that knows only which key holds what and who waits for it: what each caller is told, and that
 * work is done exactly where it must be.
 */

const WINDOW = 100;
const KEYS_MAX = 3;

type Told = IdempotentResult<number> | { readonly kind: "rejected" };
type Way = "at once" | "later" | "throws";

interface Asked {
  readonly number: number;
  readonly key: string;
  readonly fingerprint: string;
  readonly way: Way;
}

interface Holding {
  readonly owner: Asked;
  readonly endsAt: number;
  isDone: boolean;
  readonly waiting: Asked[];
}

interface Model {
  now: number;
  asked: number;
  readonly held: Map<string, Holding>;
  /** Work under way, also of keys that are not remembered any more. */
  readonly underWay: Holding[];
  readonly expected: Map<number, Told>;
  readonly expectedWork: number[];
}

interface Real {
  now: number;
  readonly store: IdempotencyStore<number>;
  readonly told: Map<number, Told>;
  readonly worked: number[];
  readonly end: Map<number, { resolve: () => void; reject: () => void }>;
}

function modelAsk(model: Model, asked: Asked): void {
  for (const [key, { endsAt }] of model.held) if (endsAt <= model.now) model.held.delete(key);
  const tell = (told: Told) => model.expected.set(asked.number, told);
  const holding = model.held.get(asked.key);
  if (holding !== undefined) {
    if (holding.owner.fingerprint !== asked.fingerprint) tell({ kind: "mismatch" });
    else if (holding.isDone) tell({ kind: "repeated", value: holding.owner.number });
    else holding.waiting.push(asked);
    return;
  }
  if (model.held.size >= KEYS_MAX) {
    const ends = [...model.held.values()].map(({ endsAt }) => endsAt);
    tell({ kind: "full", retryAfterMs: Math.min(...ends) - model.now });
    return;
  }
  model.expectedWork.push(asked.number);
  if (asked.way === "throws") {
    tell({ kind: "rejected" });
    return;
  }
  const isDone = asked.way === "at once";
  const made = { owner: asked, endsAt: model.now + WINDOW, isDone, waiting: [] };
  model.held.set(asked.key, made);
  if (isDone) tell({ kind: "first", value: asked.number });
  else model.underWay.push(made);
}

/** Everything that can happen without anybody doing more has happened. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

async function compare(model: Model, real: Real): Promise<void> {
  await settled();
  expect(Object.fromEntries(real.told)).toEqual(Object.fromEntries(model.expected));
  expect(real.worked).toEqual(model.expectedWork);
  expect(real.store.size).toBeLessThanOrEqual(KEYS_MAX);
}

class Ask implements fc.AsyncCommand<Model, Real> {
  constructor(
    readonly key: string,
    readonly fingerprint: string,
    readonly way: Way,
  ) {}
  check = () => true;
  async run(model: Model, real: Real): Promise<void> {
    const { key, fingerprint, way } = this;
    const number = model.asked++;
    modelAsk(model, { number, key, fingerprint, way });
    const work = () => {
      real.worked.push(number);
      if (way === "throws") throw new Error("failed");
      if (way === "at once") return number;
      return new Promise<number>((resolve, reject) => {
        real.end.set(number, {
          resolve: () => resolve(number),
          reject: () => reject(new Error("failed")),
        });
      });
    };
    const mustAnswerAtOnce = model.expected.has(number);
    try {
      const told = real.store.claim(key, fingerprint, work);
      expect(isPromise(told)).toBe(!mustAnswerAtOnce);
      const tell = (value: Told) => real.told.set(number, value);
      if (isPromise(told)) told.then(tell, () => tell({ kind: "rejected" }));
      else tell(told);
    } catch (error) {
      if ((error as Error).message !== "failed") throw error;
      real.told.set(number, { kind: "rejected" });
    }
    await compare(model, real);
  }
  toString = () => `ask ${this.key} for ${this.fingerprint} (${this.way})`;
}

class End implements fc.AsyncCommand<Model, Real> {
  constructor(
    readonly which: number,
    readonly isGood: boolean,
  ) {}
  check = (model: Readonly<Model>) => model.underWay.length > 0;
  async run(model: Model, real: Real): Promise<void> {
    const [holding] = model.underWay.splice(this.which % model.underWay.length, 1);
    const { owner, waiting } = holding as Holding;
    const end = real.end.get(owner.number);
    if (this.isGood) {
      (holding as Holding).isDone = true;
      model.expected.set(owner.number, { kind: "first", value: owner.number });
      for (const { number } of waiting) {
        model.expected.set(number, { kind: "repeated", value: owner.number });
      }
      end?.resolve();
    } else {
      if (model.held.get(owner.key) === holding) model.held.delete(owner.key);
      model.expected.set(owner.number, { kind: "rejected" });
      // Of those who waited the first one does it, and the others wait for that one.
      for (const asked of waiting) modelAsk(model, asked);
      end?.reject();
    }
    await compare(model, real);
  }
  toString = () => `end ${this.which} ${this.isGood ? "well" : "badly"}`;
}

class Pass implements fc.AsyncCommand<Model, Real> {
  constructor(readonly ms: number) {}
  check = () => true;
  async run(model: Model, real: Real): Promise<void> {
    model.now += this.ms;
    real.now += this.ms;
  }
  toString = () => `pass ${this.ms} ms`;
}

describe("an idempotency store, in any order of events", () => {
  it("does each piece of work once in its window, and tells everyone what came of it", async () => {
    const commands = fc.commands<Model, Real, boolean>(
      [
        fc
          .tuple(
            fc.constantFrom("a", "b", "c", "d"),
            fc.constantFrom("x", "x", "x", "y"),
            fc.constantFrom<Way>("at once", "later", "later", "throws"),
          )
          .map((of) => new Ask(...of)),
        fc.tuple(fc.nat(9), fc.boolean()).map((of) => new End(...of)),
        fc.constantFrom(1, 50, 99, 100, 101).map((ms) => new Pass(ms)),
      ] as fc.Arbitrary<fc.AsyncCommand<Model, Real, boolean>>[],
      { maxCommands: 40 },
    );
    await fc.assert(
      fc.asyncProperty(commands, async (script) => {
        const setup = () => {
          const model: Model = {
            now: 0,
            asked: 0,
            held: new Map(),
            underWay: [],
            expected: new Map(),
            expectedWork: [],
          };
          const real: Real = {
            now: 0,
            store: new IdempotencyStore<number>({
              windowMs: WINDOW,
              keysMax: KEYS_MAX,
              now: () => real.now,
            }),
            told: new Map(),
            worked: [],
            end: new Map(),
          };
          return { model, real };
        };
        await fc.asyncModelRun(setup, script);
      }),
      { numRuns: 200 },
    );
  });

  it("remembers for five minutes unless told otherwise", () => {
    let now = 0;
    const store = new IdempotencyStore<number>({ keysMax: 1, now: () => now });
    void store.claim("a", "x", () => 1);
    now = 299_999;
    expect(store.claim("a", "x", () => 2)).toEqual({ kind: "repeated", value: 1 });
    expect(store.claim("b", "x", () => 2)).toEqual({ kind: "full", retryAfterMs: 1 });
    now = 300_000;
    expect(store.claim("a", "x", () => 3)).toEqual({ kind: "first", value: 3 });
  });

  it("that may hold no key refuses each", () => {
    const store = new IdempotencyStore<number>({ keysMax: 0, now: () => 0 });
    const result = store.claim("a", "x", () => 1);
    expect(result).toEqual({ kind: "full", retryAfterMs: 300_000 });
  });

  it("does work that comes at once within the call, before anything else can happen", () => {
    const store = new IdempotencyStore<number>({ keysMax: 1, now: () => 0 });
    const done: number[] = [];
    void store.claim("a", "x", () => done.push(1));
    expect(done).toEqual([1]);
  });
});
