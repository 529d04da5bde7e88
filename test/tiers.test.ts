// @tier quick: what it needs is only named in its examples
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { TIERS, tiersOf } from "./support/tiers.js";

/** A tree of test files. @returns the tier of test/x.test.ts in it. */
function tierIn(files: Readonly<Record<string, string>>): string | undefined {
  const root = mkdtempSync(join(tmpdir(), "hexpush-tiers-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return tiersOf(root).get("test/x.test.ts");
}

describe("the tier of a test file", () => {
  it.each([
    ["quick", `import { it } from "vitest";`],
    ["slow", `import { spawn } from "node:child_process";`],
    ["slow", `import { connect } from "node:net";`],
    ["slow", "await fetch(server.url);"],
    ["built", `const MAIN = new URL("../dist/main.js", import.meta.url);`],
    ["built", "spawn(process.execPath, ['dist/main.js']);"],
    ["built", `import { createHexpush } from "hexpush";`],
    ["built", `const { Hexpush } = await import("hexpush/client");`],
    ["browser", `import { chromium } from "playwright-core";`],
  ])("is %s with %j in it", (tier, text) => {
    expect(tierIn({ "test/x.test.ts": text })).toBe(tier);
    expect(
      tierIn({
        "test/x.test.ts": `import { help } from "./support/help.js";`,
        "test/support/help.ts": `export * from "./more.mjs";`,
        "test/support/more.mjs": text,
      }),
    ).toBe(tier);
  });

  it("is that of the programs that it starts by their path", () => {
    const program = { "test/program.mjs": `import { x } from "../dist/index.js";` };
    const test = `fork(new URL("program.mjs", import.meta.url));`;

    expect(tierIn({ ...program, "test/x.test.ts": test })).toBe("built");
  });

  it("is the one that its comment names", () => {
    const test = `// @tier slow: waits for the clock\nimport "hexpush";`;

    expect(tierIn({ "test/x.test.ts": test })).toBe("slow");
    expect(() => tierIn({ "test/x.test.ts": "// @tier none: x" })).toThrow("unknown tier none");
  });

  it("does not depend on what the sources import", () => {
    const source = { "src/spawn.ts": `import "node:child_process"; import "hexpush";` };
    const test = `import "../src/spawn.js";`;

    expect(tierIn({ ...source, "test/x.test.ts": test })).toBe("quick");
  });
});

it("every tier of this repository has tests, and the domain's are quick", () => {
  const tiers = tiersOf(fileURLToPath(new URL("..", import.meta.url)));

  expect(new Set(tiers.values())).toEqual(new Set(TIERS));
  const domain = [...tiers].filter(([path]) => path.startsWith("test/domain/"));
  expect(new Set(domain.map(([, tier]) => tier))).toEqual(new Set(["quick"]));
});
