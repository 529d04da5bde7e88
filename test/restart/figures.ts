import type { ClientReport } from "./fleet.js";

/** Most times that lie within one second. */
export function peakPerSecond(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  let peak = 0;
  let first = 0;
  for (const [last, time] of sorted.entries()) {
    while ((sorted[first] as number) <= time - 1000) first++;
    peak = Math.max(peak, last - first + 1);
  }
  return peak;
}

/** The value below which this share lies; 0 of nothing. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** What a restart did to each kind of client, one line a kind. */
export function linesByKind(clients: readonly ClientReport[], listeningAt: number): string[] {
  const kinds = [...new Set(clients.map(({ kind }) => kind))].sort();
  return kinds.map((kind) => {
    const own = clients.filter((client) => client.kind === kind);
    const back = own.flatMap(({ opens }) => opens.filter((at) => at >= listeningAt));
    const after = back.map((at) => at - listeningAt);
    const away = own.map(({ closes, joins }) => {
      const closedAt = closes[0]?.at ?? Number.NaN;
      return (joins.find(({ at }) => at > closedAt)?.at ?? Number.NaN) - closedAt;
    });
    const seconds = (ms: number) => (ms / 1000).toFixed(1);
    return (
      `${kind}: ${own.length}, back ${seconds(quantile(after, 0.5))} s behind the start (median), ` +
      `${seconds(quantile(after, 1))} s the last; away ${seconds(quantile(away, 0.5))} s (median), ` +
      `${seconds(quantile(away, 1))} s at most; connects that failed ` +
      `${(own.reduce((sum, { failed }) => sum + failed, 0) / own.length).toFixed(1)} each`
    );
  });
}
