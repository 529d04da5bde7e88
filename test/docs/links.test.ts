import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { blocksOf, pages, readPage } from "./markdown.js";
import { root } from "./program.js";

/** As GitHub makes them of headings. */
function anchorsOf(page: string): Set<string> {
  const headings = readPage(page).matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...headings].map(([, text = ""]) =>
      text
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

/** The links of a page to files of the repository: target from the root, and anchor. */
function linksOf(page: string) {
  const blocks = blocksOf(readPage(page));
  const prose = blocks.reduce((rest, block) => rest.replace(block.text, ""), readPage(page));
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = ""]) => {
    if (/^https?:/.test(link)) return [];
    const [path = "", anchor] = link.split("#");
    return [{ link, anchor, target: path === "" ? page : join(dirname(page), path) }];
  });
}

function brokenLinks(page: string): string[] {
  const broken = linksOf(page).filter(({ target, anchor }) => {
    if (!existsSync(join(root, target))) return true;
    if (anchor === undefined || statSync(join(root, target)).isDirectory()) return false;
    return !anchorsOf(target).has(anchor);
  });
  return broken.map(({ link }) => link);
}

/** What package.json publishes; every page is part of that. */
const { files } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  files: string[];
};

function isPublished(target: string): boolean {
  return files.some((file) => target === file || target.startsWith(`${file}/`));
}

it.each(pages)("every link of %s leads somewhere", (page) => {
  expect(brokenLinks(page)).toEqual([]);
});

it.each(pages)("every link of %s leads to a file that is published with it", (page) => {
  expect(isPublished(page)).toBe(true);
  const targets = linksOf(page).map(({ target }) => target);
  expect(targets.filter((target) => !isPublished(target))).toEqual([]);
});
