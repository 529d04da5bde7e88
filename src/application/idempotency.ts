import type { MaybePromise } from "../domain/auth-policy.js";
import { isPromise } from "../domain/maybe-promise.js";

export interface IdempotencyOptions {
  /** How long a key is remembered after its first use, in milliseconds. @defaultValue 300000 */
  readonly windowMs?: number;
  /** Maximum number of keys remembered at a time; 0 refuses every key. */
  readonly keysMax: number;
  /** Milliseconds. */
  readonly now: () => number;
}

export type IdempotentResult<T> =
  | { readonly kind: "first"; readonly value: T }
  /** The work was not done again; `value` is what it returned the first time. */
  | { readonly kind: "repeated"; readonly value: T }
  /** The key was used for different work. */
  | { readonly kind: "mismatch" }
  /** No more keys can be remembered; retry after so many milliseconds. */
  | { readonly kind: "full"; readonly retryAfterMs: number };

const WINDOW_MS = 300_000;
/** How many expired entries may stay in the order before it is rebuilt. */
const ORDER_SLACK = 1024;

interface Entry<T> {
  readonly fingerprint: string;
  readonly endsAt: number;
  /** A promise while the work is in progress. */
  value: MaybePromise<T>;
}

/**
 * Does each piece of work once, by a key that its caller chose, however often it is requested within
 * the window. A repeat that arrives while the work is in progress waits for it. Failed work counts as
 * never done: one of those waiting does it.
 *
 * No key is forgotten early. If there is no room, a new key is refused.
 */
export class IdempotencyStore<T> {
  readonly #entries = new Map<string, Entry<T>>();
  /**
   * All entries in the order of creation, and so of expiry, from `#head` on. The map has the same
   * order, but finding its first entry steps over all deleted entries.
   */
  #order: { readonly key: string; readonly entry: Entry<T> }[] = [];
  #head = 0;
  readonly #windowMs: number;
  readonly #keysMax: number;
  readonly #now: () => number;

  constructor({ windowMs = WINDOW_MS, keysMax, now }: IdempotencyOptions) {
    this.#windowMs = windowMs;
    this.#keysMax = keysMax;
    this.#now = now;
  }

  /**
   * Does the work unless it was done under this key. Answers at once if the work does, and is not in
   * progress already.
   *
   * @param fingerprint equal for equal work, different for any other
   * @param work must not claim the same key before it returns: the key is known only then.
   * @throws what the work throws; a promise rejects if the work does.
   */
  claim(
    key: string,
    fingerprint: string,
    work: () => MaybePromise<T>,
  ): MaybePromise<IdempotentResult<T>> {
    this.#forget();
    const known = this.#entries.get(key);
    if (known !== undefined) {
      if (known.fingerprint !== fingerprint) return { kind: "mismatch" };
      if (!isPromise(known.value)) return { kind: "repeated", value: known.value };
      return known.value.then(
        (value) => ({ kind: "repeated", value }),
        () => {
          // The first caller gets the error. The work was not done, so this caller may do it.
          this.#forgetFailed(key, known);
          return this.claim(key, fingerprint, work);
        },
      );
    }
    if (this.#entries.size >= this.#keysMax) {
      return { kind: "full", retryAfterMs: this.#untilRoom() };
    }
    const value = work();
    const entry: Entry<T> = { fingerprint, endsAt: this.#now() + this.#windowMs, value };
    this.#entries.set(key, entry);
    this.#order.push({ key, entry });
    if (!isPromise(value)) return { kind: "first", value };
    return value.then(
      (done) => {
        entry.value = done;
        return { kind: "first", value: done };
      },
      (error: unknown) => {
        this.#forgetFailed(key, entry);
        throw error;
      },
    );
  }

  get size(): number {
    return this.#entries.size;
  }

  #forgetFailed(key: string, entry: Entry<T>): void {
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
  }

  #forget(): void {
    const now = this.#now();
    for (let oldest = this.#oldest(); oldest !== undefined; oldest = this.#oldest()) {
      if (oldest.entry.endsAt > now) return;
      this.#entries.delete(oldest.key);
    }
  }

  #untilRoom(): number {
    const oldest = this.#oldest();
    return oldest === undefined ? this.#windowMs : Math.max(0, oldest.entry.endsAt - this.#now());
  }

  /** The oldest entry that is still known. */
  #oldest(): { readonly key: string; readonly entry: Entry<T> } | undefined {
    for (;;) {
      const first = this.#order[this.#head];
      if (first === undefined || this.#entries.get(first.key) === first.entry) return first;
      this.#head++;
      if (this.#head >= ORDER_SLACK && this.#head * 2 >= this.#order.length) {
        this.#order = this.#order.slice(this.#head);
        this.#head = 0;
      }
    }
  }
}
