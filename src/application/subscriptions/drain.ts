import type { Connects } from "./connects.js";
import type { Subscriptions } from "./subscriptions.js";

/** Between the last close and the end of all connections, in milliseconds: time to arrive. */
const GOODBYE_MS = 150;
/** Sockets are closed in batches, one in each of these intervals, in milliseconds. */
const STEP_MS = 50;
/** Few sockets need no spreading: at least so many are closed in each batch. */
const BATCH_MIN = 50;
/** The share of the drain time over which sockets are closed; the rest is for requests in flight. */
const SPREAD = 0.8;

/**
 * Closes the sockets of a node that stops, spread over time, and tells their clients when to come
 * back (docs/adr/0008-drain.md).
 */
export class Drain {
  readonly #connects: Connects;
  readonly #subscriptions: Subscriptions;
  readonly #random: () => number;
  #spreadMs = 0;

  /** @param random from 0 up to 1, to spread when clients come back. */
  constructor(connects: Connects, subscriptions: Subscriptions, random = Math.random) {
    this.#connects = connects;
    this.#subscriptions = subscriptions;
    this.#random = random;
  }

  /**
   * Rejects connects, closes all sockets, and resolves when none is open and `idle` has resolved, at
   * the latest when the time is over.
   *
   * @param timeoutMs 0 closes everything at once.
   * @param isSpread whether sockets are closed over the time, or only at its end
   * @param idle what else must end first, such as requests in flight
   */
  async stop(timeoutMs: number, isSpread: boolean, idle?: Promise<unknown>): Promise<void> {
    this.begin();
    const timeout = new AbortController();
    const { signal } = timeout;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    const drained = isSpread ? this.run(timeoutMs, signal) : this.wait(signal);
    await Promise.race([Promise.all([drained, idle]), deadline]);
    timeout.abort();
    clearTimeout(timer);
    await this.finish(timeoutMs);
  }

  /** Rejects connects from now on. */
  begin(): void {
    this.#spreadMs = this.#connects.spreadMs(this.#subscriptions.size);
    this.#connects.drain(this.#spreadMs);
  }

  /**
   * Closes all sockets within most of `timeoutMs`, and resolves when none is open.
   *
   * @param signal ends it early.
   */
  async run(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const steps = Math.max(1, Math.floor((timeoutMs * SPREAD) / STEP_MS));
    const batch = Math.max(BATCH_MIN, Math.ceil(this.#subscriptions.size / steps));
    let leftMs = Math.ceil(this.#subscriptions.size / batch) * STEP_MS + GOODBYE_MS;
    while (this.#subscriptions.size > 0 && !signal.aborted) {
      leftMs = Math.max(GOODBYE_MS, leftMs - STEP_MS);
      this.#close(batch, leftMs);
      if (this.#subscriptions.size > 0) await delay(STEP_MS);
    }
  }

  /** Resolves when no socket is open; closes none. */
  async wait(signal: AbortSignal): Promise<void> {
    while (this.#subscriptions.size > 0 && !signal.aborted) await delay(STEP_MS);
  }

  /** Closes what is still open, and gives it a moment to arrive. */
  async finish(timeoutMs: number): Promise<void> {
    const goodbyeMs = Math.min(GOODBYE_MS, timeoutMs);
    this.#close(Number.POSITIVE_INFINITY, goodbyeMs);
    await delay(goodbyeMs);
  }

  /** @param afterMs when this node will have gone: before that nobody can come back. */
  #close(count: number, afterMs: number): void {
    for (const socket of this.#subscriptions.sockets(count)) {
      const retryMs = Math.floor(afterMs + this.#random() * this.#spreadMs);
      this.#subscriptions.close(socket, { kind: "drain", retryMs });
    }
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
