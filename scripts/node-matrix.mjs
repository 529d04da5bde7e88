// `npm run test:nodes`: the end-to-end tests on each supported version of Node.
//   npm run test:nodes               all versions in the table
//   npm run test:nodes -- 22 26      some of them
// CI runs it as the last step of `npm test`, without the version that runs `npm test` itself.
// The runtimes are npm packages, installed outside package-lock.json into node_modules/.cache.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensure, root } from "./bootstrap.mjs";
import { printTotal, runVitest, seedNote } from "./vitest.mjs";

const VERSIONS = ["20.20.2", "22.23.3", "24.21.0", "26.10.0"];

const TESTS = [
  "test/docs/readme.test.ts",
  "test/e2e/start.e2e.test.ts",
  "test/e2e/clients.e2e.test.ts",
  "test/e2e/streams.e2e.test.ts",
  "test/e2e/drain.e2e.test.ts",
  "test/e2e/order.e2e.test.ts",
  "test/e2e/resume/",
  "test/attach.test.ts",
  "test/examples/embedded-in.test.ts",
];

/** A few runs of each property are enough to see that a runtime differs. */
const PROPERTY_RUNS = "10";

/** Native modules that may fail to load on a version of Node or of the C library. */
const NATIVE = ["uWebSockets.js", "lmdb", "msgpackr-extract"];

const CACHE = join(root, "node_modules", ".cache", "node-runtimes");

const majorOf = (version) => Number(version.split(".")[0]);

/** @returns the outcome of each version, as `runVitest` does. */
export async function testOnOtherNodes(
  versions = VERSIONS.filter((version) => majorOf(version) !== majorOf(process.versions.node)),
) {
  if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch)) {
    console.log(`\nnode-matrix: npm has no Node runtimes for ${process.platform}-${process.arch}.`);
    return [];
  }
  await ensure({ build: true });
  const results = [];
  for (const version of versions) {
    const node = install(version);
    if (node === undefined) {
      results.push({ passed: 0, failed: 1, skipped: 0, code: 1, version, native: [] });
      continue;
    }
    const native = NATIVE.map((name) => ({ name, error: loadError(node, name) }));
    for (const { name, error } of native) {
      console.log(`   ${name}: ${error === undefined ? "loads" : `does not load: ${error}`}`);
    }
    const outcome = runVitest(`Node ${version}: end-to-end tests, ${seedNote}`, TESTS, {
      node,
      env: { HEXPUSH_TEST_RUNS: PROPERTY_RUNS },
    });
    results.push({ ...outcome, version, native });
  }
  summarize(results);
  return results;
}

/** @returns the path of the runtime; undefined if it could not be installed. */
function install(version) {
  const folder = join(CACHE, version);
  const node = join(folder, "node_modules", "node", "bin", "node");
  console.log(`\n== Node ${version}`);
  if (versionOf(node) === `v${version}`) return node;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const packageName = `node@npm:node-${process.platform}-${process.arch}@${version}`;
  const flags = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"];
  const { status, stdout, stderr } = spawnSync(
    "npm",
    ["install", ...flags, "--prefix", folder, packageName],
    { cwd: folder, encoding: "utf8" },
  );
  if (status === 0 && versionOf(node) === `v${version}`) return node;
  console.error(`${stdout}${stderr}node-matrix: ${packageName} could not be installed or started.`);
  return undefined;
}

function versionOf(node) {
  if (!existsSync(node)) return undefined;
  return spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.trim();
}

/** @returns the reason in one line; undefined if the module loads. */
function loadError(node, name) {
  const script = `import(${JSON.stringify(name)}).then(
    () => process.exit(0),
    (error) => { console.log(error.message); process.exit(1); },
  )`;
  const { status, stdout } = spawnSync(node, ["--eval", script], { cwd: root, encoding: "utf8" });
  if (status === 0) return undefined;
  const lines = stdout.split("\n").filter((line) => line.trim() !== "");
  // uWebSockets.js begins with a general sentence; the actual error is its last paragraph.
  return lines.length === 0 ? `exit code ${status}` : lines.at(-1).trim();
}

function summarize(results) {
  console.log("\n== Versions of Node");
  for (const { version, passed, failed, code, native } of results) {
    const missing = native.filter(({ error }) => error !== undefined).map(({ name }) => name);
    const note = missing.length === 0 ? "" : ` (without ${missing.join(", ")})`;
    const outcome = code === 0 ? "ok" : "FAILED";
    console.log(`   ${version.padEnd(8)} ${outcome}, ${passed} passed, ${failed} failed${note}`);
  }
}

async function main(majors) {
  const versions =
    majors.length === 0
      ? VERSIONS
      : VERSIONS.filter((version) => majors.includes(`${majorOf(version)}`));
  if (versions.length === 0) {
    console.error(`node-matrix: give major versions of ${VERSIONS.join(", ")}.`);
    process.exit(2);
  }
  process.exit(printTotal(await testOnOtherNodes(versions)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) void main(process.argv.slice(2));
