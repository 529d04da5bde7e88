import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Revocation, RevocationInput } from "../../src/application/revocation.js";
import { Revocations } from "../../src/application/revocations.js";
import { cpuTimeMs } from "../support/cpu-time.js";

const NOW = 1_790_000_000;

function create(max?: number) {
  const clock = { now: NOW };
  const options = { now: () => clock.now, ...(max === undefined ? {} : { max }) };
  return { clock, revocations: new Revocations(options) };
}

function revoked(input: RevocationInput) {
  const { revocations } = create();
  expect(revocations.revoke(input).ok).toBe(true);
  return revocations;
}

describe("Revocations", () => {
  it("covers nothing before something is revoked", () => {
    const { revocations } = create();
    for (const claims of [{ sub: "ann", jti: "1", iat: 1 }, {}, null, undefined, "ann", 7, []]) {
      expect(revocations.covers(claims)).toBe(false);
    }
  });

  it("covers a subject's tokens that were issued until now, and none of later", () => {
    const revocations = revoked({ subject: "ann" });
    expect(revocations.covers({ sub: "ann", iat: NOW - 1000 })).toBe(true);
    expect(revocations.covers({ sub: "ann", iat: NOW })).toBe(true);
    expect(revocations.covers({ sub: "ann", iat: NOW + 1 })).toBe(false);
    expect(revocations.covers({ sub: "bob", iat: NOW - 1000 })).toBe(false);
    expect(revocations.covers({ iat: NOW - 1000 })).toBe(false);
  });

  it("covers a subject's tokens that were issued until a given time", () => {
    const revocations = revoked({ subject: "ann", issuedBefore: NOW - 50 });
    expect(revocations.covers({ sub: "ann", iat: NOW - 50 })).toBe(true);
    expect(revocations.covers({ sub: "ann", iat: NOW - 49 })).toBe(false);
  });

  it.each([undefined, null, "1", Number.NaN, Number.POSITIVE_INFINITY])(
    "covers a token that says %j for when it was issued",
    (iat) => {
      expect(revoked({ subject: "ann" }).covers({ sub: "ann", iat })).toBe(true);
      expect(revoked({ issuedBefore: 5 }).covers({ iat })).toBe(true);
    },
  );

  it("covers exactly the token with a revoked id", () => {
    const revocations = revoked({ tokenId: "7" });
    expect(revocations.covers({ jti: "7", sub: "ann", iat: NOW + 1000 })).toBe(true);
    expect(revocations.covers({ jti: "77" })).toBe(false);
    expect(revocations.covers({ jti: 7 })).toBe(false);
    expect(revocations.covers({ sub: "7" })).toBe(false);
  });

  it("covers every token that was issued before a time", () => {
    const revocations = revoked({ issuedBefore: NOW });
    expect(revocations.covers({ iat: NOW - 1 })).toBe(true);
    expect(revocations.covers({ iat: NOW })).toBe(false);
    expect(revocations.covers({})).toBe(true);
  });

  it("forgets a revocation at its end", () => {
    const { clock, revocations } = create();
    revocations.revoke({ tokenId: "1", until: NOW + 10 });
    clock.now = NOW + 9.9;
    expect(revocations.covers({ jti: "1" })).toBe(true);
    clock.now = NOW + 10;
    expect(revocations.covers({ jti: "1" })).toBe(false);
    expect(revocations.entries()).toEqual([]);
  });

  it("holds the later times where a subject is revoked again", () => {
    const { revocations } = create();
    revocations.revoke({ subject: "ann", issuedBefore: 200, until: NOW + 10 });
    const again = revocations.revoke({ subject: "ann", issuedBefore: 100, until: NOW + 20 });
    const revocation = { subject: "ann", issuedBefore: 200, until: NOW + 20 };
    expect(again).toEqual({ ok: true, revocation });
    expect(revocations.entries()).toEqual([revocation]);
    revocations.revoke({ subject: "ann", issuedBefore: 150 });
    expect(revocations.entries()).toEqual([{ subject: "ann", issuedBefore: 200 }]);
  });

  it("does not revive what has ended", () => {
    const { clock, revocations } = create();
    revocations.revoke({ subject: "ann", issuedBefore: 200, until: NOW + 10 });
    clock.now = NOW + 10;
    revocations.revoke({ subject: "ann", issuedBefore: 100 });
    expect(revocations.covers({ sub: "ann", iat: 200 })).toBe(false);
  });

  it("refuses another one where it is full, and still widens those that it has", () => {
    const { clock, revocations } = create(2);
    revocations.revoke({ tokenId: "1", until: NOW + 10 });
    revocations.revoke({ subject: "ann" });
    const message = "There are 2 revocations already; no other one can be kept.";
    expect(revocations.revoke({ tokenId: "2" })).toEqual({ ok: false, code: "full", message });
    expect(revocations.revoke({ subject: "ann" }).ok).toBe(true);
    expect(revocations.covers({ jti: "2" })).toBe(false);
    clock.now = NOW + 10;
    expect(revocations.revoke({ tokenId: "2" }).ok).toBe(true);
  });

  it("keeps 100,000 where nothing else is said, and stays quick", () => {
    const { clock, revocations } = create();
    const started = cpuTimeMs();
    let refused = 0;
    for (let at = 0; at < 100_000; at++) {
      if (!revocations.revoke({ tokenId: `${at}`, until: NOW + 1 + at }).ok) refused++;
    }
    expect(refused).toBe(0);
    expect(revocations.revoke({ tokenId: "x" })).toMatchObject({ code: "full" });
    clock.now = NOW + 50_000;
    expect(revocations.revoke({ tokenId: "x" }).ok).toBe(true);
    expect(revocations.entries()).toHaveLength(50_001);
    expect(cpuTimeMs() - started).toBeLessThan(5000);
  });

  it("is the same after its entries were loaded elsewhere", () => {
    const { revocations } = create();
    revocations.revoke({ subject: "ann" });
    revocations.revoke({ tokenId: "1", until: NOW + 10 });
    revocations.revoke({ issuedBefore: 5 });
    const { clock, revocations: other } = create();
    clock.now = NOW + 10;
    other.load(revocations.entries());
    expect(other.entries()).toEqual([{ issuedBefore: 5 }, { subject: "ann", issuedBefore: NOW }]);
    expect(() => create(2).revocations.load(revocations.entries())).toThrow(
      new RangeError("more than 2 revocations"),
    );
  });

  it.each([
    [{}, "one of subject, token_id, issued_before is required"],
    [{ until: NOW + 1 }, "one of subject, token_id, issued_before is required"],
    [{ subject: 1 }, "subject must be a string"],
    [{ subject: "" }, "subject must not be empty"],
    [{ subject: null }, "subject must be a string"],
    [{ subject: "é".repeat(513) }, "subject must not be longer than 1024 bytes in UTF-8"],
    [{ tokenId: ["1"] }, "token_id must be a string"],
    [{ tokenId: "\ud800" }, "token_id must be well-formed Unicode"],
    [{ tokenId: "1", subject: "ann" }, "token_id stands alone"],
    [{ tokenId: "1", issuedBefore: 1 }, "token_id stands alone"],
    [{ issuedBefore: "1" }, "issued_before must be a number of seconds since 1970"],
    [{ issuedBefore: -1 }, "issued_before must be a number of seconds"],
    [{ issuedBefore: Number.NaN }, "issued_before must be a number of seconds"],
    [{ issuedBefore: NOW * 1000 }, "issued_before must be a number of seconds"],
    [{ subject: "ann", until: NOW * 1000 }, "until must be a number of seconds"],
    [{ subject: "ann", until: NOW }, "until must be later than now"],
    [{ subject: 1, until: "x" }, "subject must be a string; until must be a number"],
  ])("refuses %j", (input, message) => {
    const { revocations } = create();
    const result = revocations.revoke(input);
    expect(result).toMatchObject({ ok: false, code: "invalid" });
    expect(result).toHaveProperty("message", expect.stringContaining(message));
    expect(revocations.entries()).toEqual([]);
  });

  it("answers like a list of all that holds", () => {
    const name = fc.constantFrom("ann", "bob", "__proto__");
    const time = fc.integer({ min: NOW - 5, max: NOW + 15 });
    const until = fc.option(time, { nil: undefined, freq: 4 });
    const input: fc.Arbitrary<Plain> = fc.oneof(
      { weight: 2, arbitrary: fc.record({ tokenId: name, until }) },
      { weight: 2, arbitrary: fc.record({ subject: name, issuedBefore: time, until }) },
      { weight: 2, arbitrary: fc.record({ subject: name, until }) },
      { weight: 1, arbitrary: fc.record({ issuedBefore: time, until }) },
      fc.record(
        { subject: fc.oneof(name, fc.constant("")), tokenId: name, issuedBefore: time, until },
        { requiredKeys: [] },
      ),
    );
    const claims = fc.record({ sub: name, jti: name, iat: time }, { requiredKeys: [] });
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ revoke: input }) },
      { weight: 3, arbitrary: fc.record({ ask: claims }) },
      fc.record({ pass: fc.integer({ min: 1, max: 6 }) }),
      fc.constant({ reload: true }),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.array(step, { maxLength: 40 }),
        (max, steps) => {
          const clock = { now: NOW };
          const options = { now: () => clock.now, max };
          let real = new Revocations(options);
          const model = new NaiveList(max);
          for (const each of steps) {
            if ("pass" in each) clock.now += each.pass;
            if ("revoke" in each) {
              const result = real.revoke(each.revoke as RevocationInput);
              expect(result.ok ? "ok" : result.code).toBe(model.revoke(each.revoke, clock.now));
            }
            if ("ask" in each)
              expect(real.covers(each.ask)).toBe(model.covers(each.ask, clock.now));
            if ("reload" in each) {
              const entries = real.entries();
              real = new Revocations(options);
              real.load(entries);
            }
            expect(sorted(real.entries())).toEqual(sorted(model.left(clock.now)));
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

function sorted(revocations: readonly Revocation[]): string[] {
  return revocations
    .map(({ subject, tokenId, issuedBefore, until }) =>
      JSON.stringify({ subject, tokenId, issuedBefore, until }),
    )
    .sort();
}

type Plain = { [K in keyof Revocation]?: Revocation[K] | undefined };

/** The rules of the guide with nothing but a list. */
class NaiveList {
  #list: Revocation[] = [];

  constructor(readonly max: number) {}

  left(now: number): Revocation[] {
    return this.#list.filter(({ until = now + 1 }) => until > now);
  }

  revoke({ subject, tokenId, issuedBefore, until }: Plain, now: number): string {
    const named = [subject, tokenId].filter((name) => name !== undefined);
    if (named.length === 2 || named.includes("")) return "invalid";
    if (tokenId !== undefined && issuedBefore !== undefined) return "invalid";
    if (named.length === 0 && issuedBefore === undefined) return "invalid";
    if (until !== undefined && until <= now) return "invalid";
    this.#list = this.left(now);
    const old = this.#list.find((each) => each.subject === subject && each.tokenId === tokenId);
    if (old === undefined && this.#list.length === this.max) return "full";
    const times = tokenId !== undefined ? [] : [issuedBefore ?? now, old?.issuedBefore ?? 0];
    const ends = old === undefined ? [until] : [until, old.until];
    const entry: Plain = {
      subject,
      tokenId,
      issuedBefore: times.length === 0 ? undefined : Math.max(...times),
      until: ends.includes(undefined) ? undefined : Math.max(...(ends as number[])),
    };
    this.#list = [...this.#list.filter((each) => each !== old), entry as Revocation];
    return "ok";
  }

  covers({ sub, jti, iat = 0 }: { sub?: string; jti?: string; iat?: number }, now: number) {
    return this.left(now).some(({ subject, tokenId, issuedBefore = 0 }) => {
      if (tokenId !== undefined) return tokenId === jti;
      return subject === undefined ? iat < issuedBefore : subject === sub && iat <= issuedBefore;
    });
  }
}
