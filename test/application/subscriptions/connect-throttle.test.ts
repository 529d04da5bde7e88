import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  ConnectThrottle,
  type WaitingConnect,
} from "../../../src/application/subscriptions/connect-throttle.js";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

type End = "passed" | "admitted" | "turned away" | "refused" | "left";

/** One that comes, as a transport lets it in. */
class Comer implements WaitingConnect {
  end: End | undefined;
  endedAt = 0;

  constructor(
    readonly number: number,
    readonly gate: ConnectThrottle,
    readonly onAdmit: (comer: Comer) => void = () => {},
  ) {
    if (gate.tryAdmit()) this.#ended("passed");
    else if (!gate.wait(this)) this.#ended("refused");
    if (this.end === "passed") onAdmit(this);
  }

  admit(): void {
    this.#ended("admitted");
    this.onAdmit(this);
  }

  reject(): void {
    this.#ended("turned away");
  }

  leave(): void {
    this.gate.leave(this);
    this.#ended("left");
  }

  #ended(end: End): void {
    if (this.end !== undefined) throw new Error(`${this.number} has ended twice`);
    this.end = end;
    this.endedAt = performance.now();
  }
}

function come(gate: ConnectThrottle, count: number): Comer[] {
  return Array.from({ length: count }, (_, number) => new Comer(number, gate));
}

function ends(comers: readonly Comer[]): Partial<Record<End | "waits", number>> {
  const counts: Partial<Record<End | "waits", number>> = {};
  for (const { end = "waits" } of comers) counts[end] = (counts[end] ?? 0) + 1;
  return counts;
}

describe("the gate of a starting node", () => {
  it("admits a tenth of a second's worth at once, and the rest in its time", () => {
    const gate = new ConnectThrottle({ rate: 100 });
    gate.start();
    const comers = come(gate, 110);
    expect(ends(comers)).toEqual({ passed: 10, waits: 100 });
    expect(gate.waitSeconds).toBe(1);
    vi.advanceTimersByTime(500);
    expect(ends(comers)).toEqual({ passed: 10, admitted: 50, waits: 50 });
    // Nobody overtakes.
    expect(ends(come(gate, 1))).toEqual({ waits: 1 });
    vi.advanceTimersByTime(500);
    expect(ends(comers)).toEqual({ passed: 10, admitted: 100 });
  });

  it("turns away who would wait for more than 3 seconds, and says so once", () => {
    const warn = vi.fn();
    const gate = new ConnectThrottle({ rate: 10, log: { warn } });
    gate.start();
    expect(ends(come(gate, 100))).toEqual({ passed: 1, waits: 30, refused: 69 });
    expect(gate.waiting).toBe(30);
    expect(warn.mock.calls).toEqual([
      [{ rate: 10, waiting: 30 }, "too many connects at once: some are rejected"],
    ]);
  });

  it("keeps one waiting even at the lowest rate", () => {
    const gate = new ConnectThrottle({ rate: 1 });
    gate.start();
    const comers = come(gate, 5);
    expect(ends(comers)).toEqual({ passed: 1, waits: 3, refused: 1 });
    vi.advanceTimersByTime(3_000);
    expect(ends(comers)).toEqual({ passed: 1, admitted: 3, refused: 1 });
  });

  it("gives the place of one that has gone to the next", () => {
    const gate = new ConnectThrottle({ rate: 10 });
    gate.start();
    const comers = come(gate, 4);
    comers[1]?.leave();
    vi.advanceTimersByTime(100);
    expect(comers.map(({ end }) => end)).toEqual(["passed", "left", "admitted", undefined]);
  });

  it("turns away those who wait once it stops", () => {
    const gate = new ConnectThrottle({ rate: 10 });
    gate.start();
    const comers = come(gate, 4);
    gate.stop();
    expect(ends(comers)).toEqual({ passed: 1, "turned away": 3 });
    expect(vi.getTimerCount()).toBe(0);
    expect(ends(come(gate, 100))).toEqual({ passed: 100 });
  });

  it("bounds again at the next start", () => {
    const gate = new ConnectThrottle({ rate: 10 });
    gate.start();
    gate.stop();
    gate.start();
    expect(ends(come(gate, 4))).toEqual({ passed: 1, waits: 3 });
  });
});

describe("a gate that bounds nothing", () => {
  it.each([
    ["before its start", () => new ConnectThrottle({ rate: 1 })],
    [
      "at a rate of 0",
      () => {
        const gate = new ConnectThrottle({ rate: 0 });
        gate.start();
        return gate;
      },
    ],
    [
      "30 seconds after its start",
      () => {
        const gate = new ConnectThrottle({ rate: 1 });
        gate.start();
        vi.advanceTimersByTime(30_000);
        return gate;
      },
    ],
  ])("admits all at once, without a timer: %s", (_when, make) => {
    expect(ends(come(make(), 10_000))).toEqual({ passed: 10_000 });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("does not end its start over the heads of those who wait", () => {
    const gate = new ConnectThrottle({ rate: 10, startMs: 50 });
    gate.start();
    const comers = come(gate, 20);
    vi.advanceTimersByTime(60);
    const late = come(gate, 5);
    expect(ends(late)).toEqual({ waits: 5 });
    vi.advanceTimersByTime(2_500);
    expect(ends([...comers, ...late])).toEqual({ passed: 1, admitted: 24 });
    expect(ends(come(gate, 100))).toEqual({ passed: 100 });
  });

  it("ends its start while some wait, and admits all of them", () => {
    const throttle = new ConnectThrottle({ rate: 10, startMs: 50 });
    throttle.start();
    const comers = come(throttle, 31);
    expect(ends(comers)).toEqual({ passed: 1, waits: 30 });
    vi.advanceTimersByTime(160);
    expect(ends(comers)).toEqual({ passed: 1, admitted: 30 });
    expect(throttle.waiting).toBe(0);
    expect(throttle.tryAdmit()).toBe(true);
  });
});

it("spreads returns over the time in which they are admitted, and over a second at least", () => {
  const gate = new ConnectThrottle({ rate: 500 });
  expect([0, 500, 5_000].map((sockets) => gate.spreadMs(sockets))).toEqual([1_000, 1_000, 10_000]);
  expect(new ConnectThrottle({ rate: 0 }).spreadMs(5_000)).toBe(1_000);
});

describe("whoever comes and goes when", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("come" as const), count: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 2_000 }) }),
    fc.record({ do: fc.constant("leave" as const), which: fc.nat() }),
  );

  it("keeps the rate and the order, and forgets nobody", () => {
    const scripts = fc.array(step, { maxLength: 40 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), scripts, (rate, steps) => {
        const gate = new ConnectThrottle({ rate, startMs: 1_000_000 });
        gate.start();
        const comers: Comer[] = [];
        const order: Comer[] = [];
        for (const each of steps) {
          if (each.do === "pass") vi.advanceTimersByTime(each.ms);
          else if (each.do === "leave") {
            const waiting = comers.filter(({ end }) => end === undefined);
            waiting[each.which % waiting.length]?.leave();
          } else {
            for (let count = 0; count < each.count; count++) {
              comers.push(new Comer(comers.length, gate, (comer) => order.push(comer)));
            }
          }
          const waiting = comers.filter(({ end }) => end === undefined).length;
          expect(gate.waiting).toBe(waiting);
          expect(waiting).toBeLessThanOrEqual(rate * 3);
        }
        vi.advanceTimersByTime(3_100);
        expect(comers.filter(({ end }) => end === undefined)).toEqual([]);
        expect(order.map(({ number }) => number)).toEqual(
          order.map(({ number }) => number).sort((a, b) => a - b),
        );
        const burst = Math.max(1, rate / 10);
        for (const [first, { endedAt: from }] of order.entries()) {
          for (const [last, { endedAt: to }] of order.entries()) {
            if (last < first) continue;
            const most = burst + (rate * (to - from)) / 1000;
            expect(last - first + 1).toBeLessThanOrEqual(most + 1e-6);
          }
        }
        gate.stop();
      }),
      { numRuns: 100 },
    );
  });
});
