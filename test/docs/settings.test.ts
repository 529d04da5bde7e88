import { expect, it } from "vitest";
import { COMMAND_VARIABLES } from "../../src/cli/environment.js";
import { SETTINGS } from "../../src/config/settings.js";
import { blocksOf, pages, readPage } from "./markdown.js";

const PAGE = "docs/guides/configuration.md";

const settings = Object.entries(SETTINGS).map(([key, { variables, defaultValue }]) => ({
  variables: [...variables],
  key,
  defaultValue: defaultValue === undefined ? "none" : String(defaultValue),
}));

/** The rows of the table whose first cell names a variable. */
function rows() {
  return readPage(PAGE)
    .split("\n")
    .filter((line) => /^\| (?:`HEXPUSH_|the file only \|)/.test(line))
    .map((line) => {
      const [, variables = "", key = "", defaultValue = ""] = line
        .split("|")
        .map((cell) => cell.trim());
      return {
        variables: [...variables.matchAll(/`(\w+)`/g)].map((match) => match[1]),
        key: key.replaceAll("`", ""),
        defaultValue: defaultValue.replaceAll("`", ""),
      };
    });
}

it(`${PAGE} lists every setting with its variables, its key and its default`, () => {
  expect(rows()).toEqual(settings);
});

it("no page tells to set a variable that does not exist", () => {
  const known = new Set<string>([
    ...settings.flatMap(({ variables }) => variables),
    ...COMMAND_VARIABLES,
  ]);
  for (const page of pages) {
    // Commands that are shown with their refusal name wrong ones on purpose.
    const blocks = blocksOf(readPage(page));
    const refused = blocks.filter(
      ({ language }, index) => language === "text" || blocks[index + 1]?.language === "text",
    );
    const text = refused.reduce((rest, block) => rest.replace(block.text, ""), readPage(page));
    const named = [...text.matchAll(/HEXPUSH_[A-Z_]*[A-Z]/g)].map(([name]) => name);
    const unknown = named.filter((name) => !known.has(name) && !name.startsWith("HEXPUSH_TEST"));
    expect({ page, unknown }).toEqual({ page, unknown: [] });
  }
});
