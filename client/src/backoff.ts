/** Maximum delay that a server's hint may ask for. */
const HINT_MS_MAX = 600_000;

export interface Bounds {
  readonly minMs: number;
  readonly maxMs: number;
}

/**
 * Milliseconds before attempt `tries` (from 1): random between `minMs` and a ceiling that doubles
 * with each try up to `maxMs`, so that clients of the same server do not reconnect at the same time.
 */
export function backoffMs(tries: number, { minMs, maxMs }: Bounds, random: () => number): number {
  // 2 ** 30 is over any delay that makes sense; beyond it, minMs * 2 ** tries becomes Infinity.
  const ceiling = Math.max(minMs, Math.min(maxMs, 2 * minMs * 2 ** Math.min(tries, 30)));
  return minMs + random() * (ceiling - minMs);
}

/** The milliseconds in a close reason `retry in 1234`, with which the server spreads its clients. */
export function hintMs(reason: string): number | undefined {
  const digits = /^retry in (\d{1,9})\b/.exec(reason)?.[1];
  return digits === undefined ? undefined : Math.min(Number(digits), HINT_MS_MAX);
}
