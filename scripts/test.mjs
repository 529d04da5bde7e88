// `npm test`: all checks, the fastest first. With arguments (`npm test -- test/domain`,
// `npm test -- --project quick`), only vitest with these arguments. The build and Chromium are
// provided by vitest.config.ts if a selected test needs them.

import { ensure } from "./bootstrap.mjs";

const CI = process.env.CI === "true";
const args = process.argv.slice(2);

async function test() {
  await ensure();
  const { printTotal, run, runVitest, seedNote } = await import("./vitest.mjs");
  const step = (...program) => {
    const code = run(...program);
    if (code !== 0) process.exit(code);
  };

  if (args.length === 0) {
    step("biome: format and lint", "@biomejs/biome/bin/biome", [CI ? "ci" : "check", "."]);
    step("tsc: types", "typescript/bin/tsc", ["-p", "tsconfig.json"]);
  }
  const results = [runVitest(`vitest: ${seedNote}`, args)];
  if (args.length === 0) {
    // The runtimes are a download of 200 MB.
    if (CI) {
      const { testOnOtherNodes } = await import("./node-matrix.mjs");
      results.push(...(await testOnOtherNodes()));
    } else {
      console.log(
        "\nOther versions of Node are tested only if CI=true, or by `npm run test:nodes`.",
      );
    }
  }
  process.exit(printTotal(results));
}

void test();
