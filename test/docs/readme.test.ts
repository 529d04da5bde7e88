import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createContext, runInContext } from "node:vm";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { blocksOf, readPage } from "./markdown.js";
import { type Program, root, startServer } from "./program.js";

const blocks = blocksOf(readPage("README.md"));
const page = blocks.find(({ language }) => language === "html")?.text ?? "";

const CURL =
  `curl -X POST http://127.0.0.1:4004/api/push -H 'content-type: application/json' ` +
  `-d '{"channel": ["test", "test2", "test"], "data": "data", "event": "woohoo"}'`;

let server: Program;

beforeAll(async () => {
  server = await startServer();
});

afterAll(() => server.stop());

it("README begins with the two commands, then the documented call and its answer", () => {
  const [commands, call, answer] = blocks;

  expect(commands?.text).toBe("npm start\nnpm test");
  expect(call?.text).toBe(CURL);
  expect(answer?.text).toBe('{"channel":["test","test2"],"data":"data","event":"woohoo"}');
});

describe("the browser client of README", () => {
  it("has ten lines, and is the page among the examples", () => {
    const example = readFileSync(join(root, "examples/browser/index.html"), "utf8");

    expect(page.split("\n").length).toBeLessThanOrEqual(10);
    expect(`${page}\n`).toBe(example);
  });

  // Its scripts, without a browser; test/e2e has a real one.
  it("joins and shows what is pushed", async () => {
    const scripts = [...page.matchAll(/<script(?: src="([^"]+)")?>([^<]*)<\/script>/g)];
    const text = scripts.map(([, src, inline = ""]) =>
      src === undefined ? inline : readFileSync(join(root, "examples/browser", src), "utf8"),
    );
    const shown: string[] = [];
    let wake = (): void => {};
    const log = {
      append(line: string): void {
        shown.push(line);
        wake();
      },
    };
    const next = () =>
      new Promise<void>((resolve) => {
        wake = resolve;
      });
    const context = createContext({ log, WebSocket, setTimeout, clearTimeout, ...closing() });
    const joined = next();
    const script = text.join("\n").replaceAll("127.0.0.1:4004", `127.0.0.1:${server.port}`);
    runInContext(`${script}\nonEnd(() => socket.disconnect());`, context);
    await joined;
    const pushed = next();

    await fetch(`http://127.0.0.1:${server.port}/api/push`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"channel":["test","test2","test"],"data":"data","event":"woohoo"}',
    });
    await pushed;

    expect(shown).toEqual(["joined\n", 'woohoo: "data"\n']);
  });

  const atEnd: (() => void)[] = [];
  const closing = () => ({ onEnd: (end: () => void) => atEnd.push(end) });
  afterAll(() => {
    for (const end of atEnd) end();
  });
});

it.each(["README.md", "docs/guides/sockets.md"])("the JavaScript of %s parses", (path) => {
  for (const { language, text } of blocksOf(readPage(path))) {
    if (language !== "js") continue;
    const { diagnostics } = ts.transpileModule(text, { reportDiagnostics: true });
    expect(diagnostics).toEqual([]);
  }
});

it("the packages that the clients come from are the tested ones", () => {
  const { devDependencies } = createRequire(import.meta.url)("../../package.json") as {
    devDependencies: Record<string, string>;
  };

  expect(devDependencies).toHaveProperty("phoenix");
  expect(devDependencies).toHaveProperty("pushex");
  // What docs/protocol.md says about their close codes was read in these versions.
  const protocol = readPage("docs/protocol.md");
  for (const [name, version = ""] of [
    ["phoenix", devDependencies.phoenix],
    ["phoenix", devDependencies.phoenix17?.replace("npm:phoenix@", "")],
    ["pushex", devDependencies.pushex],
  ]) {
    expect(protocol.includes(`${name} ${version}`), `${name} ${version}`).toBe(true);
  }
});
