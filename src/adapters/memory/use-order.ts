/** Something in a `UseOrder`: holds its own neighbours, so that a use costs no search and no memory. */
export interface Used<T> {
  older: T | undefined;
  newer: T | undefined;
}

/** Things in the order in which they were last used. */
export class UseOrder<T extends Used<T>> {
  #oldest: T | undefined;
  #newest: T | undefined;

  get oldest(): T | undefined {
    return this.#oldest;
  }

  /** Makes it the newest; new ones are added so. */
  use(item: T): void {
    if (item === this.#newest) return;
    this.remove(item);
    item.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = item;
    else this.#newest.newer = item;
    this.#newest = item;
  }

  /** Does nothing if it is not in. */
  remove(item: T): void {
    const { older, newer } = item;
    if (older !== undefined) older.newer = newer;
    else if (this.#oldest === item) this.#oldest = newer;
    if (newer !== undefined) newer.older = older;
    else if (this.#newest === item) this.#newest = older;
    item.older = undefined;
    item.newer = undefined;
  }
}
