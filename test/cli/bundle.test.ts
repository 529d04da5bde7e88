import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const dist = (path: string) =>
  readFileSync(fileURLToPath(new URL(`../../dist/${path}`, import.meta.url)), "utf8");

/** What a module loads before it runs; a type or a dynamic import is none of it. */
function staticImports(code: string): string[] {
  const names = [...code.matchAll(/^(?:import|\} from) .*?"([^"\n]+)";$/gm)].map(
    ([, name]) => name,
  );
  return [...new Set(names as string[])].filter((name) => !name.startsWith("node:")).sort();
}

// scripts/bundle-server.mjs and docs/adr/0022-start.md say why.
describe("the built server", () => {
  it("loads at its start what every server needs, and nothing else", () => {
    expect(staticImports(dist("cli/serve.js"))).toEqual([
      "./options.js",
      "./usage-error.js",
      "@koa/cors",
      "@koa/router",
      "koa",
      "koa-bodyparser",
      "pino",
      "qs",
    ]);
  });

  it("is ASCII, so that its text takes one byte a character in memory", () => {
    expect(dist("cli/serve.js").match(/[^\0-\x7f]/)).toBeNull();
  });

  it("comes with the licences of what is in it", () => {
    const inBundle = dist("cli/serve.js").matchAll(/^\/\/ node_modules\/((?:@[^/]+\/)?[^/]+)\//gm);
    const packages = [...new Set([...inBundle].map(([, name]) => name as string))].sort();
    const notices = dist("THIRD-PARTY-NOTICES.txt");

    expect(packages).toContain("@inversifyjs/core");
    for (const name of packages) expect(notices).toMatch(new RegExp(`^${name} \\d`, "m"));
    const texts = notices.split(/^-{80}$/m).slice(1);
    for (const text of texts) expect(text).toMatch(/Permission is hereby granted|Apache License/);
  });
});
