import { backoffMs, hintMs } from "./backoff.js";
import type { Close } from "./transport.js";
import type { HexpushOptions } from "./types.js";

/** A connection that lasted this long resets the number of attempts. */
const STABLE_MS = 10_000;
const MIN_MS = 500;
const MAX_MS = 30_000;

/** The delay before the next attempt, depending on the previous ones. */
export class Retries {
  readonly #options: HexpushOptions;
  readonly #random: () => number;
  #tries = 0;
  /** When the current connection opened; 0 if there is none. */
  #openedAt = 0;

  constructor(options: HexpushOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  /** Resets the number of attempts. */
  forget(): void {
    this.#tries = 0;
  }

  opened(): void {
    this.#openedAt = Date.now();
  }

  /** The connection was lost. Idempotent. */
  lost(): void {
    if (this.#openedAt === 0) return;
    if (Date.now() - this.#openedAt >= STABLE_MS) this.#tries = 0;
    this.#openedAt = 0;
  }

  /** Milliseconds from the end of an attempt or a connection to the next attempt. */
  delayMs(close: Close): number {
    const { code, reason } = close;
    const hint = code === 1012 ? hintMs(reason) : undefined;
    if (hint !== undefined) {
      // A drain is not a failed attempt: the server may be away for some seconds.
      this.#tries = 0;
      return hint;
    }
    this.#tries += 1;
    if (isTokenOver(close) && this.#tries === 1) return 0;
    const { socketReconnectAlgorithm, reconnect } = this.#options;
    if (socketReconnectAlgorithm !== undefined) return socketReconnectAlgorithm(this.#tries);
    const bounds = { minMs: reconnect?.minMs ?? MIN_MS, maxMs: reconnect?.maxMs ?? MAX_MS };
    // A server that drains or is overloaded closes many clients at the same time.
    const extra = code === 1012 || code === 1013 ? 2 : 0;
    return backoffMs(this.#tries + extra, bounds, this.#random);
  }
}

/** Whether the server closed the connection because the token has expired or was revoked. */
export function isTokenOver({ code, reason }: Close): boolean {
  return code === 1008 && /\btoken (expired|revoked)\b/.test(reason);
}
