import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CircuitBreaker,
  type Passage,
} from "../../../../src/adapters/auth/callout/circuit-breaker.js";

const FAILURES = 3;
const OPEN_MS = 1000;

function breakerAt(clock: { now: number }): CircuitBreaker {
  return new CircuitBreaker({ failuresToOpen: FAILURES, openMs: OPEN_MS, now: () => clock.now });
}

function open(breaker: CircuitBreaker): void {
  for (let count = 0; count < FAILURES; count++) breaker.enter()?.failed();
}

describe("a circuit breaker", () => {
  it("opens at so many failures in a row, and says so once", () => {
    const breaker = breakerAt({ now: 0 });
    const passages = Array.from({ length: FAILURES + 2 }, () => breaker.enter());
    expect(passages.map((passage) => passage?.failed())).toEqual([
      false,
      false,
      true,
      false,
      false,
    ]);
    expect(breaker.enter()).toBeUndefined();
  });

  it("counts from the start again after a success", () => {
    const breaker = breakerAt({ now: 0 });
    for (let round = 0; round < 5; round++) {
      expect(breaker.enter()?.failed()).toBe(false);
      expect(breaker.enter()?.failed()).toBe(false);
      breaker.enter()?.succeeded();
    }
  });

  it("lets one trial through when its time is over, and all again after that one's success", () => {
    const clock = { now: 0 };
    const breaker = breakerAt(clock);
    open(breaker);
    clock.now = OPEN_MS - 1;
    expect(breaker.enter()).toBeUndefined();
    clock.now = OPEN_MS;
    const trial = breaker.enter();
    expect(trial).toBeDefined();
    clock.now = OPEN_MS * 10;
    expect(breaker.enter()).toBeUndefined();
    trial?.succeeded();
    expect(breaker.enter()).toBeDefined();
    expect(breaker.enter()).toBeDefined();
  });

  it("is open for the whole time again after a trial that fails", () => {
    const clock = { now: 0 };
    const breaker = breakerAt(clock);
    open(breaker);
    clock.now = 1500;
    expect(breaker.enter()?.failed()).toBe(true);
    clock.now = 2499;
    expect(breaker.enter()).toBeUndefined();
    clock.now = 2500;
    expect(breaker.enter()).toBeDefined();
  });

  it("does not stay open because the clock was set back", () => {
    const clock = { now: 1_000_000 };
    const breaker = breakerAt(clock);
    open(breaker);
    clock.now = 0;
    expect(breaker.enter()).toBeDefined();
  });

  it("does what the model does, whatever happens in which order", () => {
    type Step = { enter: true } | { end: number; well: boolean } | { wait: number };
    const step: fc.Arbitrary<Step> = fc.oneof(
      { weight: 3, arbitrary: fc.constant<Step>({ enter: true }) },
      { weight: 4, arbitrary: fc.record({ end: fc.nat(9), well: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ wait: fc.integer({ min: 1, max: 1200 }) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const clock = { now: 0 };
        const breaker = breakerAt(clock);
        const model = new Model();
        const calls: { passage: Passage; id: number }[] = [];
        let ids = 0;
        for (const each of steps) {
          if ("wait" in each) {
            clock.now += each.wait;
          } else if ("enter" in each) {
            const id = ids++;
            const passage = breaker.enter();
            expect(passage !== undefined).toBe(model.enter(id, clock.now));
            if (passage !== undefined) calls.push({ passage, id });
          } else {
            const call = calls[each.end % Math.max(calls.length, 1)];
            if (call === undefined) continue;
            // An ended call stays in the list: its second end must mean nothing.
            const opens = model.end(call.id, each.well, clock.now);
            if (each.well) call.passage.succeeded();
            else expect(call.passage.failed()).toBe(opens);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});

/** The same rules over the plain history: which calls count, and what they have done. */
class Model {
  /** Calls that were let through since the last change of the state, and have not ended. */
  counting = new Set<number>();
  failures = 0;
  openedAt: number | undefined;
  trying = false;

  enter(id: number, now: number): boolean {
    if (this.trying) return false;
    if (this.openedAt !== undefined) {
      if (now < this.openedAt + OPEN_MS) return false;
      this.trying = true;
    }
    this.counting.add(id);
    return true;
  }

  end(id: number, well: boolean, now: number): boolean {
    if (!this.counting.delete(id)) return false;
    if (well) {
      this.failures = 0;
      if (this.trying) this.#change(undefined);
      return false;
    }
    this.failures++;
    if (!this.trying && this.failures < FAILURES) return false;
    this.#change(now);
    return true;
  }

  #change(openedAt: number | undefined): void {
    this.openedAt = openedAt;
    this.trying = false;
    this.failures = 0;
    this.counting.clear();
  }
}
