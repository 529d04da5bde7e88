import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { blocksOf, readPage } from "../docs/markdown.js";
import { cleanEnvironment, root } from "../docs/program.js";

const FOLDER = "examples/testing";

/** What vitest's own reporter for JSON says, as far as it is used here. */
interface Report {
  readonly numPassedTests: number;
  readonly numTotalTests: number;
}

it("the example's tests pass under a vitest of their own", async () => {
  const own = Object.entries(cleanEnvironment()).filter(
    ([name]) => !name.startsWith("VITEST") && name !== "NODE_ENV" && name !== "TEST",
  );
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [vitest, "run", "--root", FOLDER, "--reporter=json"],
    { cwd: root, env: Object.fromEntries(own) },
  );
  const { numPassedTests, numTotalTests } = JSON.parse(stdout) as Report;
  expect([numPassedTests, numTotalTests]).toEqual([3, 3]);
}, 60_000);

it.each([
  ["application", "orders.mjs", 0],
  ["tests", "orders.test.mjs", 1],
])("the guide shows the example's %s", (_what, file, at) => {
  const shown = blocksOf(readPage("docs/guides/testing.md")).filter(
    ({ language }) => language === "js",
  );
  expect(`${shown[at]?.text}\n`).toBe(readFileSync(join(root, FOLDER, file), "utf8"));
});
