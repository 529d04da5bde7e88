// Runs vitest and counts its tests, so that several runs can end with one total line.

import { spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./bootstrap.mjs";

if (!process.env.HEXPUSH_TEST_SEED) process.env.HEXPUSH_TEST_SEED = `${randomInt(2 ** 31)}`;

export const seedNote = `seed ${process.env.HEXPUSH_TEST_SEED}; repeat with HEXPUSH_TEST_SEED=${process.env.HEXPUSH_TEST_SEED}`;

/** Runs a dependency's program below a heading and prints how long it took. @returns its exit code. */
export function run(title, program, args, { node = process.execPath, env = {} } = {}) {
  console.log(`\n== ${title}`);
  const started = performance.now();
  const { status } = spawnSync(node, [join(root, "node_modules", program), ...args], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`== ${status === 0 ? "ok" : "failed"} after ${seconds} s`);
  return status === null ? 1 : status;
}

/** @returns the exit code of vitest and the number of tests by outcome. */
export function runVitest(title, args, options) {
  const scratch = mkdtempSync(join(tmpdir(), "hexpush-test-"));
  const report = join(scratch, "report.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const code = run(title, "vitest/vitest.mjs", ["run", ...args, ...reporters], options);
  const counts = count(report);
  rmSync(scratch, { recursive: true, force: true });
  const executed = counts.passed + counts.failed;
  if (executed === 0) console.log("\nNo test was executed.");
  else if (code !== 0 && counts.failed === 0) console.log("\nvitest failed outside any test.");
  return { ...counts, code: code === 0 && executed === 0 ? 1 : code };
}

/** Adds the outcomes of several runs and prints the line that CI reads. @returns the exit code. */
export function printTotal(results) {
  const sum = (name) => results.reduce((total, result) => total + result[name], 0);
  const skipped = sum("skipped") > 0 ? `, ${sum("skipped")} skipped` : "";
  console.log(`\n${sum("passed")} passed, ${sum("failed")} failed${skipped}`);
  const failed = results.find(({ code }) => code !== 0);
  return failed === undefined ? 0 : failed.code;
}

function count(report) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  let files = [];
  try {
    files = JSON.parse(readFileSync(report, "utf8")).testResults;
  } catch {
    // vitest ended before it could write a report; its own output says why.
  }
  for (const file of files) {
    const statuses = file.assertionResults.map(({ status }) => status);
    for (const status of statuses) {
      if (status === "passed" || status === "failed") counts[status] += 1;
      else counts.skipped += 1;
    }
    // A file that could not be loaded has no tests to count, but it must not vanish.
    if (file.status === "failed" && !statuses.includes("failed")) counts.failed += 1;
  }
  return counts;
}
