import { expect, it } from "vitest";
import { testDirectory } from "./directory.js";
import { startNode } from "./node.js";

it("starts over a hundred thousand messages at once", async () => {
  const directory = testDirectory();
  const before = await startNode(directory);
  const channel = Array.from({ length: 1000 }, (_, n) => `${n}`);
  const data = JSON.stringify("x".repeat(100));
  await Promise.all(
    Array.from({ length: 100 }, (_, n) => before.publish({ channel, event: `${n}`, data })),
  );
  await before.broker.stop();
  const startedAt = performance.now();
  const after = await startNode(directory);
  const took = performance.now() - startedAt;
  expect((await after.history("999")).events).toHaveLength(100);
  // A quarter of it is plenty on a quiet machine: nothing is read through.
  expect(took).toBeLessThan(1000);
});
