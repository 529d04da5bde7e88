export type Listener = (...args: never) => void;

interface Binding {
  readonly fn: Listener;
}

/** Functions by event name. */
export class Bindings {
  readonly #byEvent = new Map<string, readonly Binding[]>();

  get isEmpty(): boolean {
    return this.#byEvent.size === 0;
  }

  /** @returns a function that removes this binding, and no other binding of the same function */
  add(event: string, fn: Listener): () => void {
    const binding = { fn };
    this.#byEvent.set(event, [...this.#of(event), binding]);
    return () => {
      const others = this.#of(event).filter((other) => other !== binding);
      if (others.length > 0) this.#byEvent.set(event, others);
      else this.#byEvent.delete(event);
    };
  }

  remove(event: string): void {
    this.#byEvent.delete(event);
  }

  clear(): void {
    this.#byEvent.clear();
  }

  run(event: string, ...args: unknown[]): void {
    for (const { fn } of this.#of(event)) runApart(fn, ...args);
  }

  #of(event: string): readonly Binding[] {
    return this.#byEvent.get(event) ?? [];
  }
}

/** Calls a function of the application. An error is rethrown later, so that other functions run. */
export function runApart(fn: Listener | undefined, ...args: unknown[]): void {
  try {
    (fn as ((...args: unknown[]) => void) | undefined)?.(...args);
  } catch (error) {
    setTimeout(() => {
      throw error;
    });
  }
}
