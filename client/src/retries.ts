import { backoffMs, hintMs } from "./backoff.js";
import type { Close } from "./transport.js";
import type { HexpushOptions } from "./types.js";

/** A connection that has lasted so long was a good one: the next attempt is a first one again. */
const STABLE_MS = 10_000;
const MIN_MS = 500;
const MAX_MS = 30_000;

/** How long to wait before the next attempt, by what became of those before. */
export class Retries {
  readonly #options: HexpushOptions;
  readonly #random: () => number;
  #tries = 0;
  /** When the connection opened that is up, or was until `lost`; 0 where there is none. */
  #openedAt = 0;

  constructor(options: HexpushOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  /** The next attempt is a first one. */
  forget(): void {
    this.#tries = 0;
  }

  opened(): void {
    this.#openedAt = Date.now();
  }

  /** No connection is up any more. */
  lost(): void {
    if (this.#openedAt === 0) return;
    if (Date.now() - this.#openedAt >= STABLE_MS) this.#tries = 0;
    this.#openedAt = 0;
  }

  /** In milliseconds, from the end of an attempt or a connection to the next attempt. */
  delayMs(close: Close): number {
    const { code, reason } = close;
    const hint = code === 1012 ? hintMs(reason) : undefined;
    if (hint !== undefined) {
      // To be sent away by a server that drains is no failure: nobody may be there for some seconds.
      this.#tries = 0;
      return hint;
    }
    this.#tries += 1;
    if (isTokenOver(close) && this.#tries === 1) return 0;
    const { socketReconnectAlgorithm, reconnect } = this.#options;
    if (socketReconnectAlgorithm !== undefined) return socketReconnectAlgorithm(this.#tries);
    const bounds = { minMs: reconnect?.minMs ?? MIN_MS, maxMs: reconnect?.maxMs ?? MAX_MS };
    // A server that drains or is overloaded says so to many at once.
    const extra = code === 1012 || code === 1013 ? 2 : 0;
    return backoffMs(this.#tries + extra, bounds, this.#random);
  }
}

/** The server has closed the connection because its token is not good any longer. */
export function isTokenOver({ code, reason }: Close): boolean {
  return code === 1008 && /\btoken (expired|revoked)\b/.test(reason);
}
