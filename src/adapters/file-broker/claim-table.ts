import type { IdempotencyClaim, PublishResult } from "../../domain/broker.js";
import {
  type ClaimRecord,
  claimEndKey,
  decodeClaim,
  encodeClaim,
  readClaimEnd,
  textKey,
} from "./records.js";
import type { Store } from "./store.js";

export interface ClaimOptions {
  /** How long a key counts from its first use, in milliseconds. */
  readonly windowMs: number;
  /** Most keys that count at a time; 0 refuses every key. */
  readonly keysMax: number;
}

/** Ended claims that a transaction removes beside as many as it adds. */
const REMOVED_BESIDE = 100;

/** What one transaction changes of the idempotency keys. */
export class ClaimWrites {
  readonly #store: Store;
  readonly #options: ClaimOptions;
  readonly #now: number;
  readonly #added = new Map<string, ClaimRecord>();
  readonly #ended: Buffer[] = [];
  readonly #forgotten: Buffer[] = [];
  #count: number;

  constructor(store: Store, options: ClaimOptions, now: number) {
    this.#store = store;
    this.#options = options;
    this.#now = now;
    this.#count = store.claimCount;
  }

  /** Undefined if the key is free; it is the push's own from then on. */
  claim({ key, fingerprint }: IdempotencyClaim, pushId: string): PublishResult | undefined {
    const known = this.#added.get(key) ?? this.#stored(key);
    if (known !== undefined) {
      if (known.fingerprint !== fingerprint) return { kind: "mismatch" };
      return { kind: "repeated", pushId: known.pushId };
    }
    const { keysMax, windowMs } = this.#options;
    if (this.#count >= keysMax) this.removeEnded(this.#added.size + REMOVED_BESIDE);
    if (this.#count >= keysMax) return { kind: "full", retryAfterMs: this.#untilRoom() };
    this.#count++;
    this.#added.set(key, { fingerprint, pushId, endsAt: this.#now + windowMs });
    return undefined;
  }

  /**
   * Removes up to `limit` that have ended, the oldest first.
   *
   * @returns how many
   */
  removeEnded(limit: number): number {
    const store = this.#store;
    const known = this.#ended.length;
    const ends = store.claimEnds.getKeys({ start: this.#ended.at(-1) ?? Buffer.of(0), limit });
    for (const end of ends) {
      const { endsAt, claimKey } = readClaimEnd(end);
      if (endsAt > this.#now) break;
      if (this.#ended.at(-1)?.equals(end)) continue;
      this.#ended.push(end);
      const record = store.claims.get(claimKey);
      // Used anew since, it has another end.
      if (record === undefined || decodeClaim(record).endsAt !== endsAt) continue;
      this.#forgotten.push(claimKey);
      this.#count--;
    }
    return this.#ended.length - known;
  }

  get isEmpty(): boolean {
    return this.#added.size === 0 && this.#ended.length === 0;
  }

  write(): void {
    const store = this.#store;
    for (const end of this.#ended) store.remove(store.claimEnds, end);
    for (const key of this.#forgotten) store.remove(store.claims, key);
    for (const [text, claim] of this.#added) {
      const key = textKey(text);
      store.put(store.claims, key, encodeClaim(claim));
      store.put(store.claimEnds, claimEndKey(claim.endsAt, key), Buffer.of(0));
    }
  }

  #stored(key: string): ClaimRecord | undefined {
    const record = this.#store.claims.get(textKey(key));
    if (record === undefined) return undefined;
    const claim = decodeClaim(record);
    return claim.endsAt > this.#now ? claim : undefined;
  }

  #untilRoom(): number {
    const start = claimEndKey(this.#now, Buffer.of());
    for (const end of this.#store.claimEnds.getKeys({ start })) {
      const { endsAt } = readClaimEnd(end);
      if (endsAt > this.#now) return endsAt - this.#now;
    }
    return this.#options.windowMs;
  }
}
