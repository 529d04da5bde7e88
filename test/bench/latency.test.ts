import { expect, it } from "vitest";
import { Latencies } from "../../bench/load/latencies.mjs";
import { readingLag } from "../../bench/load/pacer.mjs";

it("the reading lag of equal turns is half a turn, and 99 in 100 of one", () => {
  const { mean, p99 } = readingLag([2, 2, 2, 2]);
  expect(mean).toBeCloseTo(1, 6);
  expect(p99).toBeCloseTo(1.98, 2);
});

it("the reading lag weighs turns by their length", () => {
  // 99 ms of short turns, one of 100 ms: half of what comes meets the long one.
  const { mean, p99 } = readingLag([...Array.from({ length: 100 }, () => 1), 100]);
  expect(mean).toBeCloseTo((100 + 10_000) / 400, 6);
  expect(p99).toBeCloseTo(98, 1);
  expect(readingLag([])).toEqual({ mean: 0, p99: 0 });
});

it("a latency runs from its own push on", () => {
  const [seconds, nanoseconds] = process.hrtime();
  const now = seconds * 1000 + nanoseconds / 1e6;
  const latencies = new Latencies(Float64Array.of(now - 1000, now - 5000, 0), 10_000_000);
  for (const seq of [10_000_000, 10_000_001]) latencies.add(`[{"data":{"seq":${seq},"x":1}}]`);
  const { samples, p50Ms, p99Ms } = latencies.figures();
  expect(samples).toBe(2);
  expect(p50Ms).toBeGreaterThanOrEqual(1000);
  expect(p50Ms).toBeLessThan(5000);
  expect(p99Ms).toBeGreaterThanOrEqual(5000);
  expect(() => latencies.add('{"seq":10000002}')).toThrow("a delivery of no push");
});
