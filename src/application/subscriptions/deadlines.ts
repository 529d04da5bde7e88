/** How often it looks for what is due, in milliseconds: the longest delay. */
const SWEEP_MS = 500;

/** Calls back at given times. Kept by whole seconds, so that a sweep is short. */
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

  /** @param at seconds since 1970; never due unless it is a finite number */
  add(item: T, at: number): void {
    if (!Number.isFinite(at)) return;
    const second = Math.ceil(at);
    const sameTime = this.#due.get(second);
    if (sameTime === undefined) this.#due.set(second, new Set([item]));
    else sameTime.add(item);
  }

  /** @param at the time with which it was added */
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
