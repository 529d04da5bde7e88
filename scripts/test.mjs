// `npm test`: everything that must hold, from the cheapest check to the dearest. With arguments
// (`npm test -- test/domain`), vitest alone, with those arguments.

import { spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensure, root } from "./bootstrap.mjs";

const CI = process.env.CI === "true";
const args = process.argv.slice(2);

async function test() {
  const chromium = await ensure({ build: true, browser: true });
  if (chromium === undefined) withoutBrowser();
  // Not inherited when empty: a test asks only whether it is there.
  delete process.env.HEXPUSH_TEST_CHROMIUM;
  if (chromium !== undefined) process.env.HEXPUSH_TEST_CHROMIUM = chromium;

  if (args.length === 0) {
    step("biome: format and lint", "@biomejs/biome/bin/biome", [CI ? "ci" : "check", "."]);
    step("tsc: types", "typescript/bin/tsc", ["-p", "tsconfig.json"]);
  }

  if (!process.env.HEXPUSH_TEST_SEED) process.env.HEXPUSH_TEST_SEED = `${randomInt(2 ** 31)}`;
  const seed = process.env.HEXPUSH_TEST_SEED;
  const scratch = mkdtempSync(join(tmpdir(), "hexpush-test-"));
  const report = join(scratch, "report.json");
  const code = run(
    `vitest: seed ${seed}; repeat with HEXPUSH_TEST_SEED=${seed}`,
    "vitest/vitest.mjs",
    ["run", ...args, "--reporter=default", "--reporter=json", `--outputFile.json=${report}`],
  );
  const counts = count(report);
  rmSync(scratch, { recursive: true, force: true });
  const executed = counts.passed + counts.failed;
  if (executed === 0) console.log("\nNo test was executed.");
  else if (code !== 0 && counts.failed === 0) console.log("\nvitest failed outside any test.");
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
  console.log(`\n${counts.passed} passed, ${counts.failed} failed${skipped}`);
  process.exit(code === 0 && executed === 0 ? 1 : code);
}

function step(title, program, programArgs) {
  const code = run(title, program, programArgs);
  if (code !== 0) process.exit(code);
}

/** Runs a dependency's program under a heading, and says how long it took. */
function run(title, program, programArgs) {
  console.log(`\n== ${title}`);
  const started = performance.now();
  const { status } = spawnSync(
    process.execPath,
    [join(root, "node_modules", program), ...programArgs],
    { cwd: root, stdio: "inherit" },
  );
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`== ${status === 0 ? "ok" : "failed"} after ${seconds} s`);
  return status === null ? 1 : status;
}

function count(report) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  let files = [];
  try {
    files = JSON.parse(readFileSync(report, "utf8")).testResults;
  } catch {
    // vitest ended before it could write one; its own output says why.
  }
  for (const file of files) {
    const statuses = file.assertionResults.map(({ status }) => status);
    for (const status of statuses) {
      if (status === "passed" || status === "failed") counts[status] += 1;
      else counts.skipped += 1;
    }
    // A file that could not even be loaded has no tests to count, and must not vanish.
    if (file.status === "failed" && !statuses.includes("failed")) counts.failed += 1;
  }
  return counts;
}

function withoutBrowser() {
  const advice = "install Debian's chromium package, or set HEXPUSH_TEST_CHROMIUM to one's path";
  if (CI) {
    console.error(`hexpush: no Chromium for the browser tests: ${advice}.`);
    process.exit(1);
  }
  const line = "!".repeat(80);
  console.error(
    `${line}\n!! No Chromium found: THE BROWSER TESTS ARE SKIPPED.\n!! To run them, ${advice}.\n${line}`,
  );
}

void test();
