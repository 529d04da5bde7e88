export class Latencies {
  constructor(times: Float64Array, first: number);
  add(text: string): void;
  figures(): { samples: number; p50Ms: number; p90Ms: number; p99Ms: number; mostMs: number };
}
