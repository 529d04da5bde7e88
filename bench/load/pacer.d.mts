export function readingLag(turns: readonly number[]): { mean: number; p99: number };
