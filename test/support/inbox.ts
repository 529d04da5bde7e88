/** How long a test waits for one event; a loaded machine may need long. */
export const PATIENCE_MS = 30_000;

/** `promise`, or a failure that names what did not happen in time. */
export async function within<T>(
  promise: Promise<T>,
  awaited: string | (() => string),
  ms = PATIENCE_MS,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const what = typeof awaited === "string" ? awaited : awaited();
      reject(new Error(`nothing for ${ms} ms: ${what}`));
    }, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What has come in, in order, for a test to take out as soon as it is there. */
export class Inbox<T> {
  readonly #name: string;
  readonly #items: T[] = [];
  #wake: (() => void) | undefined;
  #changed = this.#nextChange();

  constructor(name: string) {
    this.#name = name;
  }

  /** What is there and not taken yet. */
  get items(): readonly T[] {
    return this.#items;
  }

  push(item: T): void {
    this.#items.push(item);
    this.#wake?.();
  }

  /** Takes the first item that matches, now or once it comes. */
  next(matches: (item: T) => boolean = () => true): Promise<T> {
    return this.#once("one", () => {
      const at = this.#items.findIndex(matches);
      return at === -1 ? undefined : this.#items.splice(at, 1);
    }).then(([item]) => item as T);
  }

  /** Takes the first `count` items, once they are there. */
  take(count: number): Promise<T[]> {
    return this.#once(`${count}`, () =>
      this.#items.length < count ? undefined : this.#items.splice(0, count),
    );
  }

  /** Takes everything up to the first item that matches, and that item too. */
  takeUntil(matches: (item: T) => boolean): Promise<T[]> {
    return this.#once("the end", () => {
      const at = this.#items.findIndex(matches);
      return at === -1 ? undefined : this.#items.splice(0, at + 1);
    });
  }

  /** Waits until an item that matches is there, and takes none. */
  async seen(matches: (item: T) => boolean): Promise<void> {
    await this.#once("one", () => (this.#items.some(matches) ? [] : undefined));
  }

  /** The first answer of `attempt` that is not undefined: asked now and at each item that comes. */
  #once(awaited: string, attempt: () => T[] | undefined): Promise<T[]> {
    const poll = async (): Promise<T[]> => {
      for (;;) {
        const found = attempt();
        if (found !== undefined) return found;
        await this.#changed;
      }
    };
    return within(poll(), () => `${awaited} of ${this.#name}, where there is ${this.#shown()}`);
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#changed = this.#nextChange();
        resolve();
      };
    });
  }

  #shown(): string {
    const last = this.#items.slice(-5).map((item) => JSON.stringify(item));
    return this.#items.length === 0 ? "nothing" : `${this.#items.length}, last ${last.join(", ")}`;
  }
}
