import { join } from "node:path";
import ts from "typescript";
import { expect, it } from "vitest";
import { blocksOf, pages, readPage } from "./markdown.js";
import { root } from "./program.js";

/** The ```ts blocks, each as a module of its own in the root, where "hexpush" is this package. */
const snippets = new Map(
  pages.flatMap((page) =>
    blocksOf(readPage(page))
      .filter(({ language }) => language === "ts")
      .map(({ text, line }) => {
        const name = `snippet-${page.replaceAll(/\W/g, "-")}-${line}.ts`;
        return [join(root, name), { page, line, text }] as const;
      }),
  ),
);

it("the TypeScript of the documentation compiles", () => {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, root);
  const host = ts.createCompilerHost(options);
  const readSource = host.getSourceFile.bind(host);
  host.getSourceFile = (path, ...rest) => {
    const snippet = snippets.get(path);
    return snippet === undefined
      ? readSource(path, ...rest)
      : ts.createSourceFile(path, snippet.text, ts.ScriptTarget.ES2022, true);
  };
  const exists = host.fileExists.bind(host);
  host.fileExists = (path) => snippets.has(path) || exists(path);

  const program = ts.createProgram([...snippets.keys()], options, host);
  const faults = ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const snippet = snippets.get(file?.fileName ?? "");
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start ?? 0).line;
    const where = `${snippet?.page ?? file?.fileName}:${(snippet?.line ?? 0) + line + 1}`;
    return `${where} ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
  });

  expect(faults).toEqual([]);
  expect(snippets.size).toBeGreaterThan(4);
}, 60_000);
