import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const BENCH = fileURLToPath(new URL("../../scripts/bench.mjs", import.meta.url));

it("the bench measures hexpush beside the floor, and every delivery arrives", {
  timeout: 120_000,
}, () => {
  const args = ["--quick", "--only", "post,channels-1k", "--servers", "floor,hexpush"];
  const { status, stdout, stderr } = spawnSync(process.execPath, [BENCH, ...args], {
    encoding: "utf8",
  });
  expect(status, stderr).toBe(0);
  expect(stdout).toMatch(/POST a second.*\d/);
  expect(stdout).toMatch(/channels of one subscriber.*\d/);
});
