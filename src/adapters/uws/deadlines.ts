/** How often what is due is looked for, in milliseconds: the most that one outlives its time. */
const SWEEP_MS = 500;

/** Ends things at times that they came with. Kept by whole seconds, so that a sweep is short. */
export class Deadlines<T> {
  readonly #due = new Map<number, Set<T>>();
  readonly #onDue: (item: T) => void;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;

  /** @param now seconds since 1970 */
  constructor(onDue: (item: T) => void, now: () => number) {
    this.#onDue = onDue;
    this.#now = now;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.sweep(), SWEEP_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** @param at seconds since 1970; what is no finite number never comes */
  add(item: T, at: number): void {
    if (!Number.isFinite(at)) return;
    const second = Math.ceil(at);
    const sameTime = this.#due.get(second);
    if (sameTime === undefined) this.#due.set(second, new Set([item]));
    else sameTime.add(item);
  }

  /** @param at as it was added with */
  remove(item: T, at: number): void {
    const second = Math.ceil(at);
    const sameTime = this.#due.get(second);
    sameTime?.delete(item);
    if (sameTime?.size === 0) this.#due.delete(second);
  }

  sweep(): void {
    const now = this.#now();
    for (const [second, items] of this.#due) {
      if (second > now) continue;
      this.#due.delete(second);
      for (const item of items) this.#onDue(item);
    }
  }
}
