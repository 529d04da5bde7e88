import { checkRevocation, type Revocation, type RevocationInput } from "./revocation.js";

export interface RevocationsOptions {
  /** Seconds since 1970. */
  readonly now: () => number;
  /** Maximum number of revocations at a time. @defaultValue 100000 */
  readonly max?: number;
}

export type RevokeResult =
  | {
      readonly ok: true;
      /** The revocation in force from now on; wider than requested if it was merged with another. */
      readonly revocation: Revocation;
    }
  /** `invalid`: the caller's fault (422). `full`: there is no room for another one (503). */
  | { readonly ok: false; readonly code: "invalid" | "full"; readonly message: string };

/** With fewer entries, a search for ended ones is not worth its cost. */
const SWEEP_MIN = 1024;

/**
 * The revoked tokens, in memory.
 *
 * A revocation without `until` is kept forever. A second revocation of the same subject or token is
 * merged into the first: the later times apply.
 */
export class Revocations {
  readonly #now: () => number;
  readonly #max: number;
  readonly #subjects = new Map<string, Revocation>();
  readonly #tokens = new Map<string, Revocation>();
  /** At most one entry, with the key "": `issuedBefore` without a subject. */
  readonly #everyone = new Map<string, Revocation>();
  /** No entry ends before this time. */
  #firstEnd = Number.POSITIVE_INFINITY;
  #sweepSize = SWEEP_MIN;

  constructor({ now, max = 100_000 }: RevocationsOptions) {
    this.#now = now;
    this.#max = max;
  }

  revoke(input: RevocationInput): RevokeResult {
    const now = this.#now();
    const checked = checkRevocation(input, now);
    if (!checked.ok) return { ok: false, code: "invalid", message: checked.message };
    if (hasEnded(checked.revocation, now)) {
      const message = "Invalid revocation: until must be later than now.";
      return { ok: false, code: "invalid", message };
    }
    const revocation = this.#put(checked.revocation, now);
    if (revocation !== undefined) return { ok: true, revocation };
    const message = `There are ${this.#max} revocations already; no other one can be kept.`;
    return { ok: false, code: "full", message };
  }

  /** Whether a token with these claims is revoked; false if they are not an object. */
  covers(claims: unknown): boolean {
    if (typeof claims !== "object" || claims === null) return false;
    const { sub, jti, iat } = claims as Readonly<Record<string, unknown>>;
    // Comparisons with NaN are false, so that any time covers a token without `iat`.
    const issued = Number.isFinite(iat) ? (iat as number) : Number.NaN;
    const all = this.#inForce(this.#everyone, "");
    if (all?.issuedBefore !== undefined && !(issued >= all.issuedBefore)) return true;
    const subject = typeof sub === "string" ? this.#inForce(this.#subjects, sub) : undefined;
    if (subject?.issuedBefore !== undefined && !(issued > subject.issuedBefore)) return true;
    return typeof jti === "string" && this.#inForce(this.#tokens, jti) !== undefined;
  }

  /** All revocations that have not ended. */
  entries(): Revocation[] {
    const now = this.#now();
    return this.#maps()
      .flatMap((map) => [...map.values()])
      .filter((revocation) => !hasEnded(revocation, now));
  }

  /**
   * Adds revocations that `entries` returned earlier, without those that have ended since.
   *
   * @throws {RangeError} if there are too many: dropping some would accept revoked tokens.
   */
  load(revocations: Iterable<Revocation>): void {
    const now = this.#now();
    for (const revocation of revocations) {
      if (!hasEnded(revocation, now) && this.#put(revocation, now) === undefined) {
        throw new RangeError(`more than ${this.#max} revocations`);
      }
    }
  }

  #put(revocation: Revocation, now: number): Revocation | undefined {
    const { map, key } = this.#place(revocation);
    const old = map.get(key);
    if (old === undefined && !this.#hasRoom(now)) return undefined;
    const merged = old === undefined || hasEnded(old, now) ? revocation : widened(old, revocation);
    map.set(key, Object.freeze({ ...merged }));
    this.#firstEnd = Math.min(this.#firstEnd, merged.until ?? Number.POSITIVE_INFINITY);
    return map.get(key);
  }

  #place({ subject, tokenId }: Revocation) {
    if (tokenId !== undefined) return { map: this.#tokens, key: tokenId };
    if (subject !== undefined) return { map: this.#subjects, key: subject };
    return { map: this.#everyone, key: "" };
  }

  #maps() {
    return [this.#everyone, this.#subjects, this.#tokens];
  }

  #inForce(map: Map<string, Revocation>, key: string): Revocation | undefined {
    const revocation = map.get(key);
    return revocation === undefined || hasEnded(revocation, this.#now()) ? undefined : revocation;
  }

  /** Drops ended entries each time their number has doubled, and if there is no room. */
  #hasRoom(now: number): boolean {
    const count = () => this.#maps().reduce((sum, map) => sum + map.size, 0);
    const size = count();
    if (size < this.#sweepSize && size < this.#max) return true;
    if (now >= this.#firstEnd) this.#sweep(now);
    const left = count();
    this.#sweepSize = Math.max(SWEEP_MIN, 2 * left);
    return left < this.#max;
  }

  #sweep(now: number): void {
    this.#firstEnd = Number.POSITIVE_INFINITY;
    for (const map of this.#maps()) {
      for (const [key, revocation] of map) {
        if (hasEnded(revocation, now)) map.delete(key);
        else this.#firstEnd = Math.min(this.#firstEnd, revocation.until ?? this.#firstEnd);
      }
    }
  }
}

function hasEnded({ until }: Revocation, now: number): boolean {
  return until !== undefined && now >= until;
}

/** A revocation that covers everything that either covers, for as long as either does. */
function widened(old: Revocation, { until, ...added }: Revocation): Revocation {
  const { until: oldUntil, issuedBefore } = old;
  const later =
    issuedBefore === undefined || added.issuedBefore === undefined
      ? {}
      : { issuedBefore: Math.max(issuedBefore, added.issuedBefore) };
  const end =
    until === undefined || oldUntil === undefined ? {} : { until: Math.max(until, oldUntil) };
  return { ...added, ...later, ...end };
}
