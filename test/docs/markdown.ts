import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./program.js";

/** A fenced block of a page. */
export interface Block {
  /** The first word behind the fence. */
  readonly language: string;
  /** What follows it. */
  readonly info: string;
  readonly text: string;
  /** Where its fence is, counted from 1. */
  readonly line: number;
  /** The nearest heading above it. */
  readonly heading: string;
  /** Nothing but blank lines is between it and the block before. */
  readonly followsBlock: boolean;
}

/** Every page of the documentation, by its path from the root. */
export const pages: readonly string[] = [
  "README.md",
  "CHANGELOG.md",
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".md"))
    .map((path) => `docs/${path}`)
    .sort(),
];

export function readPage(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  let heading = "";
  let open: { fence: string; line: number; lines: string[] } | undefined;
  let followsBlock = false;
  for (const [index, line] of markdown.split("\n").entries()) {
    if (open !== undefined) {
      if (line !== "```") {
        open.lines.push(line);
        continue;
      }
      const [language = "", ...info] = open.fence.slice(3).split(" ");
      const text = open.lines.join("\n");
      blocks.push({ language, info: info.join(" "), text, line: open.line, heading, followsBlock });
      open = undefined;
      followsBlock = true;
    } else if (line.startsWith("```")) {
      open = { fence: line, line: index + 1, lines: [] };
    } else {
      if (line.startsWith("#")) heading = line.replace(/^#+ /, "");
      if (line.trim() !== "") followsBlock = false;
    }
  }
  return blocks;
}
