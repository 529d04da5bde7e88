import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { MaybePromise } from "../../src/domain/auth-policy.js";
import type { History } from "../../src/domain/broker.js";
import { Json } from "../../src/domain/json.js";
import type { Message } from "../../src/domain/message.js";
import { Resume } from "../../src/domain/resume.js";
import { turn } from "../support/manual-broker.js";

/*
 * Any order of pushes, reads that answer at once or later, clients that need a pause, failures and
 * stops, against the one rule: the client gets what follows its position, each message once and in
 * order, up to the live messages, unless the history has dropped some of it.
 */

interface Read {
  readonly since: number;
  readonly limit: number;
  taken: History | undefined;
  readonly resolve: (history: History) => void;
  readonly reject: (error: Error) => void;
}

const message = (sequence: number, size: number): Message => ({
  channel: "a",
  event: "e",
  data: Json.of("x".repeat(size)),
  id: `e-${sequence}`,
});

class World {
  newest: number;
  /** The newest ones, oldest first. */
  kept: Message[] = [];
  readonly sizes: number[] = [];
  readonly reads: Read[] = [];
  readonly yields: (() => void)[] = [];
  readonly got: string[] = [];
  /** Messages that the client takes before it needs a pause. */
  credit = Number.POSITIVE_INFINITY;
  answersAtOnce: boolean;
  failsNext = false;
  lost: { error: unknown } | undefined;
  /** Whether a read was answered with "not recovered", or failed. */
  mustBeLost = false;
  isLive = false;
  isStopped = false;
  /** Whether `flush` is called as soon as it caught up; a stream of several channels waits. */
  readonly flushesAtOnce: boolean;
  readonly resume: Resume;

  constructor(
    readonly historySize: number,
    readonly before: number,
    readonly since: number,
    answersAtOnce: boolean,
    flushesAtOnce: boolean,
  ) {
    this.answersAtOnce = answersAtOnce;
    this.flushesAtOnce = flushesAtOnce;
    this.newest = 0;
    for (let each = 0; each < before; each++) this.keep(1);
    this.resume = new Resume({
      read: (from, limit) => this.read(Number(from.split("-")[1]), limit),
      canSend: () => this.credit > 0,
      send: (sent) => {
        if (this.isStopped) throw new Error("sent after it was stopped");
        this.credit--;
        this.got.push(sent.id ?? "");
      },
      yield: (next) => void this.yields.push(next),
      caughtUp: () => {
        if (this.flushesAtOnce) this.flush();
      },
      lost: (error) => {
        expect(this.lost).toBeUndefined();
        this.lost = { error };
      },
    });
  }

  keep(size: number): Message {
    const kept = message(++this.newest, size);
    this.kept = [...this.kept, kept].slice(-this.historySize);
    return kept;
  }

  push(size: number): void {
    const pushed = this.keep(size);
    if (this.isLive && !this.isStopped) this.got.push(pushed.id ?? "");
    else this.resume.hold(pushed);
  }

  flush(): void {
    if (!this.isLive && !this.isStopped && this.resume.flush()) {
      this.isLive = true;
      this.resume.stop();
    }
  }

  read(since: number, limit: number): MaybePromise<History> {
    if (this.failsNext) {
      this.failsNext = false;
      this.mustBeLost = true;
      throw new Error("the history is broken");
    }
    if (this.answersAtOnce) return this.answer({ since, limit });
    return new Promise((resolve, reject) => {
      this.reads.push({ since, limit, taken: undefined, resolve, reject });
    });
  }

  answer({ since, limit }: { since: number; limit: number }): History {
    const position = `e-${this.newest}`;
    const missing = this.newest - since;
    if (missing > this.kept.length) {
      this.mustBeLost = true;
      return { position, recovered: false, messages: [] };
    }
    const after = missing === 0 ? [] : this.kept.slice(-missing);
    return { position, recovered: true, messages: after.slice(0, limit) };
  }

  snapshot(): void {
    for (const read of this.reads) read.taken ??= this.answer(read);
  }

  async answerAll(): Promise<void> {
    for (const read of this.reads.splice(0)) read.resolve(read.taken ?? this.answer(read));
    await turn();
  }
}

type Step =
  | { readonly kind: "push"; readonly count: number; readonly size: number }
  | { readonly kind: "credit"; readonly count: number }
  | { readonly kind: "snapshot" | "answer" | "yield" | "read" | "flush" | "stop" }
  | { readonly kind: "fail" | "failNext" }
  | { readonly kind: "answersAtOnce"; readonly value: boolean };

const step = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("push"),
      count: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 300 })),
      size: fc.constantFrom(1, 1, 1, 2_000, 100_000),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("credit"), count: fc.integer({ min: 0, max: 100 }) }),
  },
  {
    weight: 20,
    arbitrary: fc.record({
      kind: fc.constantFrom("snapshot", "answer", "answer", "yield", "read", "read", "flush"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("fail", "failNext", "stop") }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("answersAtOnce"), value: fc.boolean() }),
  },
) as fc.Arbitrary<Step>;

async function apply(world: World, { kind, ...given }: Step): Promise<void> {
  const {
    count = 0,
    size = 1,
    value = false,
  } = given as {
    count?: number;
    size?: number;
    value?: boolean;
  };
  switch (kind) {
    case "push":
      for (let each = 0; each < count; each++) world.push(size);
      break;
    case "credit":
      world.credit = count;
      break;
    case "snapshot":
      world.snapshot();
      break;
    case "answer":
      await world.answerAll();
      break;
    case "yield":
      world.yields.shift()?.();
      break;
    case "read":
      // The client has read; the transport says so at any time, also if there is nothing to do.
      world.resume.run();
      break;
    case "flush":
      world.flush();
      break;
    case "fail": {
      const read = world.reads.shift();
      if (read === undefined || world.isStopped) break;
      world.mustBeLost = true;
      read.reject(new Error("the history is broken"));
      await turn();
      break;
    }
    case "failNext":
      world.failsNext = true;
      break;
    case "stop":
      world.isStopped = true;
      world.resume.stop();
      break;
    case "answersAtOnce":
      world.answersAtOnce = value;
  }
}

function check(world: World): void {
  const first = world.since + 1;
  expect(world.got).toEqual(world.got.map((_, index) => `e-${first + index}`));
  if (world.isStopped) return;
  expect(world.lost !== undefined).toBe(world.mustBeLost && !hasOpenLoss(world));
  if (world.isLive) expect(world.got).toHaveLength(world.newest - world.since);
}

/** A snapshot that says "not recovered" has no effect before it is answered. */
function hasOpenLoss({ reads }: World): boolean {
  return reads.some(({ taken }) => taken?.recovered === false);
}

describe("Resume", () => {
  it("sends what follows once and in order, whatever comes between, and catches up", async () => {
    const start = fc
      .record({
        historySize: fc.constantFrom(1, 10, 63, 64, 65, 400, 5000),
        before: fc.integer({ min: 0, max: 700 }),
        behind: fc.integer({ min: 0, max: 700 }),
        held: fc.integer({ min: 0, max: 20 }),
        answersAtOnce: fc.boolean(),
        flushesAtOnce: fc.boolean(),
      })
      .map((each) => ({
        ...each,
        behind: Math.min(each.behind, each.before, each.historySize),
      }));
    await fc.assert(
      fc.asyncProperty(start, fc.array(step, { maxLength: 60 }), async (given, steps) => {
        const since = given.before - given.behind;
        const { historySize, before, answersAtOnce, flushesAtOnce } = given;
        const world = new World(historySize, before, since, answersAtOnce, flushesAtOnce);
        // While the position was read messages came; it is as of some moment in that time.
        for (let each = 0; each < given.held; each++) world.push(1);
        world.resume.startFrom(`e-${since}`, given.behind === 0);
        world.resume.run();
        for (const each of steps) {
          await apply(world, each);
          check(world);
        }
        // Pushes pause, the client reads and the history answers: it must catch up.
        world.failsNext = false;
        world.credit = Number.POSITIVE_INFINITY;
        for (let rest = 0; rest < 3 * Math.ceil(world.newest / 64) + 10; rest++) {
          await world.answerAll();
          while (world.yields.length > 0) world.yields.shift()?.();
          world.resume.run();
          world.flush();
          check(world);
        }
        if (!world.isStopped && world.lost === undefined) expect(world.isLive).toBe(true);
        if (world.isLive && !world.isStopped) {
          world.push(1);
          check(world);
        }
      }),
      { numRuns: 150 },
    );
  });

  it("begins at a position that was read while messages were held", () => {
    for (let at = 0; at <= 5; at++) {
      const got: string[] = [];
      const resume = new Resume({
        read: () => {
          throw new Error("nothing has to be read");
        },
        canSend: () => true,
        send: ({ id }) => void got.push(id ?? ""),
        yield: () => {},
        caughtUp: () => {},
        lost: () => expect.unreachable(),
      });
      for (let sequence = 1; sequence <= 5; sequence++) resume.hold(message(sequence, 1));
      resume.startFrom(`e-${at}`, true);
      resume.run();
      expect(got).toEqual(["e-1", "e-2", "e-3", "e-4", "e-5"].slice(at));
    }
  });

  it.each([
    ["messages", 1, 256],
    ["characters", 100_000, 2],
  ])("holds a bounded number of %s", (_unit, size, most) => {
    const got: string[] = [];
    const reads: string[] = [];
    const resume = new Resume({
      read: (since) => {
        reads.push(since);
        return new Promise(() => {});
      },
      canSend: () => true,
      send: ({ id }) => void got.push(id ?? ""),
      yield: () => {},
      caughtUp: () => {},
      lost: () => expect.unreachable(),
    });
    resume.startFrom("e-0", true);
    resume.run();
    for (let sequence = 1; sequence <= most; sequence++) resume.hold(message(sequence, size));
    resume.flush();
    expect(got).toHaveLength(most);
    for (let sequence = most + 1; sequence <= 2 * most + 1; sequence++) {
      resume.hold(message(sequence, size));
    }
    expect(resume.flush()).toBe(false);
    // More than that is not held, but read from the history.
    expect(got).toHaveLength(most);
    expect(reads).toEqual([`e-${most}`]);
  });
});
