// @tier quick: it names folders, and imports nothing that it needs a network for
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cruise, type ICruiseResult } from "dependency-cruiser";
import extractDepcruiseOptions from "dependency-cruiser/config-utl/extract-depcruise-options";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const page = readFileSync(join(root, "CONTRIBUTING.md"), "utf8");

/** Files and folders of the repository that the page names; NAME stands for one to be written. */
const named = [...page.matchAll(/`([^`\s]+)`/g)]
  .map(([, path = ""]) => path)
  .filter((path) => /^(?:src|test|docs|scripts|bench)\/|^[.\w-]+\.(?:md|mjs)$/.test(path))
  .filter((path) => !path.includes("NAME"));

/** `adapters/uws` for a file in that folder, `core` for src/core.ts. */
function folderOf(source: string): string {
  const [, folder = ""] = /^src\/((?:adapters|protocol)\/[^/]+|[^/.]+)/.exec(source) ?? [];
  return folder;
}

it("CONTRIBUTING.md names only files and folders that exist", () => {
  expect(named.length).toBeGreaterThan(50);
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

it("the map in CONTRIBUTING.md agrees with the imports", async () => {
  const rules = await extractDepcruiseOptions(join(root, ".dependency-cruiser.mjs"));
  const { output } = await cruise(["src"], { ...rules, baseDir: root });
  const imports = new Map<string, Set<string>>();
  for (const { source, dependencies } of (output as ICruiseResult).modules) {
    for (const { resolved } of dependencies) {
      const [from, to] = [folderOf(source), folderOf(resolved)];
      if (from === "" || to === "" || from === to) continue;
      imports.set(from, (imports.get(from) ?? new Set()).add(to));
    }
  }
  const lines = [...imports].map(([from, to]) => `${from} -> ${[...to].sort().join(", ")}`);

  const map = /```text\n([^`]*)\n```/.exec(page)?.[1]?.split("\n") ?? [];
  expect([...map].sort()).toEqual(lines.sort());
  // A folder comes before what it imports, so every arrow points down.
  const order = map.map((line) => line.split(" -> ")[0] ?? "");
  for (const [from, to] of imports) {
    const below = [...to].filter((each) => order.includes(each));
    expect(below.filter((each) => order.indexOf(each) < order.indexOf(from))).toEqual([]);
  }
});

it("CONTRIBUTING.md covers every file of the subscriptions, the protocols and the servers", () => {
  const folders = [
    "src/application/subscriptions",
    "src/protocol",
    ...["uws", "ws", "sse", "koa", "node"].map((name) => `src/adapters/${name}`),
  ];
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts"))
      .map((path) => `${folder}/${path.replaceAll("\\", "/")}`),
  );
  // `src/adapters/` alone would cover everything.
  const covering = named.filter((path) => path.split("/").length > 3 || path.endsWith(".ts"));

  const isCovered = (file: string) =>
    covering.some((path) => path === file || (path.endsWith("/") && file.startsWith(path)));
  expect(files.length).toBeGreaterThan(50);
  expect(files.filter((file) => !isCovered(file))).toEqual([]);
});
