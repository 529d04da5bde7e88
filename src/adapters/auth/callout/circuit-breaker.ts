export interface CircuitBreakerOptions {
  /** So many failures in a row open the breaker. */
  readonly failuresToOpen: number;
  /** How long it stays open before it lets a trial through, in milliseconds. */
  readonly openMs: number;
  /** In milliseconds. */
  readonly now: () => number;
}

/** One call that the breaker let through. Its end is told once; a second time means nothing. */
export interface Passage {
  succeeded(): void;
  /** @returns whether this failure opened the breaker. */
  failed(): boolean;
}

type State =
  | { readonly name: "closed"; failuresInARow: number }
  | { readonly name: "open"; readonly since: number }
  /** The one trial is under way. */
  | { readonly name: "trying" };

/**
 * Spares a service that keeps failing, and those who would wait for it in vain.
 *
 * Closed, it lets every call through. After some failures in a row it is open: no call passes for
 * a while. Then one trial passes at a time: its success closes the breaker, its failure opens it
 * again. Calls that were under way when it opened say nothing about the state that came after.
 */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions;
  #state: State = { name: "closed", failuresInARow: 0 };

  constructor(options: CircuitBreakerOptions) {
    this.#options = options;
  }

  /** @returns undefined if the call must not be made; else it must be told how the call ended. */
  enter(): Passage | undefined {
    if (this.#state.name === "open" && this.#isOver(this.#state.since)) {
      this.#state = { name: "trying" };
      return this.#passage(this.#state);
    }
    return this.#state.name === "closed" ? this.#passage(this.#state) : undefined;
  }

  #isOver(since: number): boolean {
    const elapsed = this.#options.now() - since;
    // A clock that was set back must not keep the breaker open for longer.
    return elapsed < 0 || elapsed >= this.#options.openMs;
  }

  #passage(state: State): Passage {
    let told = false;
    // A state object stands for one period, so that a late end is recognised by its own.
    const isCurrent = (): boolean => {
      const first = !told;
      told = true;
      return first && this.#state === state;
    };
    return {
      succeeded: () => {
        if (isCurrent()) this.#succeed(state);
      },
      failed: () => isCurrent() && this.#fail(state),
    };
  }

  #succeed(state: State): void {
    if (state.name === "closed") state.failuresInARow = 0;
    else this.#state = { name: "closed", failuresInARow: 0 };
  }

  #fail(state: State): boolean {
    if (state.name === "closed") {
      state.failuresInARow++;
      if (state.failuresInARow < this.#options.failuresToOpen) return false;
    }
    this.#state = { name: "open", since: this.#options.now() };
    return true;
  }
}
