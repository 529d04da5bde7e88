import { expect, it } from "vitest";
import { TOKENS } from "../../src/index.js";
import { readPage } from "./markdown.js";

const PAGE = "docs/guides/embedding.md";

it(`${PAGE} lists every token`, () => {
  const [, table = ""] = readPage(PAGE).split("| token | bound to |\n|---|---|\n");
  const rows = table.split("\n\n")[0]?.split("\n") ?? [];
  const named = rows.flatMap((row) => {
    const [, tokens = ""] = row.split("|");
    return [...tokens.matchAll(/`(\w+)`/g)].map(([, name]) => name);
  });
  expect(named.sort()).toEqual(Object.keys(TOKENS).sort());
});
