import type { MaybePromise } from "../domain/auth-policy.js";
import { isPromise } from "../domain/maybe-promise.js";

/** Opens the broker on first use, once for concurrent callers, and again after a failure. */
export class LazyBroker {
  readonly #start: () => MaybePromise<void>;
  #opening: { readonly done: MaybePromise<void> } | undefined;
  #isClosed = false;

  constructor(start: () => MaybePromise<void>) {
    this.#start = start;
  }

  /** Opens it even after `close`. Synchronous if the broker's start is. */
  open(): MaybePromise<void> {
    this.#isClosed = false;
    if (this.#opening !== undefined) return this.#opening.done;
    const started = this.#start();
    const done = isPromise(started) ? this.#forgetFailure(started) : started;
    this.#opening = { done };
    return done;
  }

  /** For callers that must not reopen the broker of a stopped server. */
  openUnlessClosed(): MaybePromise<void> {
    return this.#isClosed ? undefined : this.open();
  }

  /** Resolves once the broker may be stopped. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const opening = this.#opening;
    this.#opening = undefined;
    // The caller of `open` gets the error.
    await Promise.resolve(opening?.done).catch(() => {});
  }

  async #forgetFailure(started: Promise<void>): Promise<void> {
    try {
      await started;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }
}
