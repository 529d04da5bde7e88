import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cruise, type ICruiseResult } from "dependency-cruiser";
import extractDepcruiseOptions from "dependency-cruiser/config-utl/extract-depcruise-options";
import ts from "typescript";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const rulesFile = join(root, ".dependency-cruiser.mjs");

/** By rule: what, planted in the sound tree, must break it. */
const violating: Record<string, [path: string, text: string][]> = {
  "no-cycles": [
    ["src/domain/push.ts", `export * from "./ports.js"; export type Push = string;`],
    ["src/domain/push.ts", `import type { Port } from "./ports.js"; export type Push = Port;`],
  ],
  "domain-imports-domain-only": [
    ["src/domain/x.ts", `import "../application/service.js";`],
    ["src/domain/x.ts", `import type { S } from "../application/service.js";`],
    ["src/domain/x.ts", `import "../protocol/http/routes.js";`],
    ["src/domain/x.ts", `export type X = import("../application/service.js").S;`],
    ["src/domain/x.ts", `export const x = () => import("../application/service.js");`],
    ["src/domain/x.ts", `export * from "../application/service.js";`],
    ["src/domain/x.ts", `import { readFileSync } from "node:fs";`],
    ["src/domain/x.ts", `import { readFileSync } from "fs";`],
    ["src/domain/x.ts", `import Koa from "koa";`],
    ["src/domain/x.ts", `import x from "not-there";`],
  ],
  "application-imports-inwards-only": [
    ["src/application/x.ts", `import type { R } from "../protocol/http/routes.js";`],
    ["src/application/x.ts", `import "../adapters/koa/app.js";`],
    ["src/application/x.ts", `import "node:events";`],
    ["src/application/x.ts", `import type Koa from "koa";`],
  ],
  "protocol-imports-inwards-only": [
    ["src/protocol/http/x.ts", `import "../../adapters/koa/app.js";`],
    ["src/protocol/http/x.ts", `import type { S } from "../../adapters/uws/server.js";`],
    ["src/protocol/http/x.ts", `import "../phoenix/codec.js";`],
    ["src/protocol/http/x.ts", `import "../../config/load.js";`],
    ["src/protocol/http/x.ts", `import { STATUS_CODES } from "node:http";`],
    ["src/protocol/http/x.ts", `import type Koa from "koa";`],
  ],
  "protocol-has-a-folder": [["src/protocol/http/x.ts", `import "../shared.js";`]],
  "adapter-imports-inwards-only": [
    ["src/adapters/koa/x.ts", `import "../uws/server.js";`],
    ["src/adapters/koa/x.ts", `import type { S } from "../uws/server.js";`],
    ["src/adapters/koa/x.ts", `import "../../container.js";`],
    ["src/adapters/koa/x.ts", `import "../../config/load.js";`],
  ],
  "adapter-has-a-folder": [["src/adapters/koa/x.ts", `import "../shared.js";`]],
  "adapters-are-picked-in-the-container": [
    ["src/config/load.ts", `import "../adapters/koa/app.js";`],
  ],
  "core-has-no-adapter": [["src/core.ts", `export * from "./adapters/koa/app.js";`]],
  "inversify-in-the-container-only": [
    ["src/adapters/koa/x.ts", `import { Container } from "inversify";`],
    ["src/config/load.ts", `import type { Container } from "inversify";`],
    ["src/config/load.ts", `import "reflect-metadata";`],
  ],
  "uwebsockets-in-its-adapter-only": [
    ["src/adapters/koa/x.ts", `import uws from "uWebSockets.js";`],
    ["src/config/load.ts", `import type { WebSocket } from "uWebSockets.js";`],
  ],
  "ws-in-its-adapter-and-clients-only": [
    ["src/adapters/uws/x.ts", `import { WebSocket } from "ws";`],
    ["src/protocol/phoenix/x.ts", `import type { WebSocket } from "ws";`],
  ],
  "nothing-imports-main": [["src/config/load.ts", `import "../main.js";`]],
  "src-imports-src-and-dependencies-only": [
    ["src/config/load.ts", `import "../../test/helper.js";`],
    ["src/adapters/koa/x.ts", `import "../uws/sever.js";`],
  ],
  "published-code-uses-declared-dependencies-only": [["src/config/load.ts", `import "vitest";`]],
};

const dependencies = {
  inversify: "1",
  koa: "1",
  "reflect-metadata": "1",
  "uWebSockets.js": "1",
  ws: "1",
};
const devDependencies = { vitest: "1" };

/** hexpush in miniature: every import that is allowed, by kind. */
const soundTree = {
  "src/domain/push.ts": `export type Push = string;`,
  "src/domain/ports.ts": `import type { Push } from "./push.js"; export type Port = Push;`,
  "src/application/service.ts": `import type { Port } from "../domain/ports.js"; export type S = Port;`,
  "src/protocol/http/routes.ts": `import "./push.js"; import type { S } from "../../application/service.js"; export type R = S;`,
  "src/protocol/http/push.ts": `import "../../domain/push.js";`,
  "src/protocol/phoenix/codec.ts": `import "../../domain/push.js";`,
  "src/adapters/koa/app.ts": `import "node:http"; import "koa"; import "./body.js"; import "../../application/service.js"; import "../../protocol/http/routes.js";`,
  "src/adapters/koa/body.ts": `import type { Push } from "../../domain/push.js"; export type B = Push;`,
  "src/adapters/uws/server.ts": `import "uWebSockets.js"; import "./socket.js"; export type S = 1;`,
  "src/adapters/uws/socket.ts": `import type { WebSocket } from "uWebSockets.js"; import "./codec.js";`,
  "src/adapters/uws/codec.ts": `import "../../domain/push.js";`,
  "src/config/load.ts": `import "node:fs";`,
  "src/container.ts": `import "reflect-metadata"; import "inversify"; import "./config/load.js"; import "./adapters/koa/app.js"; import "./adapters/uws/server.js";`,
  "src/core.ts": `export * from "./domain/push.js"; export * from "./application/service.js"; export * from "./protocol/http/routes.js";`,
  "src/index.ts": `export * from "./core.js"; export * from "./container.js"; import "inversify"; import "./adapters/koa/app.js";`,
  "src/main.ts": `import "./index.js";`,
};

/** Every violation in the tree's src folder, as "rule: from -> to". */
async function check(tree: string): Promise<{ modules: number; violations: string[] }> {
  const rules = await extractDepcruiseOptions(rulesFile);
  const { output } = await cruise(["src"], { ...rules, baseDir: tree });
  const { modules, summary } = output as ICruiseResult;
  return {
    modules: modules.filter(({ source }) => source.startsWith("src/")).length,
    violations: summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`),
  };
}

describe("the architecture", () => {
  it("has every import point inwards", async () => {
    const { modules, violations } = await check(root);

    expect(violations).toEqual([]);
    expect(modules).toBeGreaterThan(5); // an empty cruise finds nothing wrong either
  });

  it("has no decorator", () => {
    const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts"))
      .map((path) => ({ path, text: readFileSync(join(root, "src", path), "utf8") }));

    expect(sources.filter(({ text }) => hasDecorator(text)).map(({ path }) => path)).toEqual([]);
  });
});

describe("the rules of the architecture", () => {
  let tree: string;

  beforeEach(() => {
    tree = mkdtempSync(join(tmpdir(), "hexpush-architecture-"));
    plant("package.json", JSON.stringify({ type: "module", dependencies, devDependencies }));
    for (const name of ["inversify", "koa", "reflect-metadata", "uWebSockets.js", "vitest"]) {
      plant(`node_modules/${name}/package.json`, JSON.stringify({ name, main: "index.js" }));
      plant(`node_modules/${name}/index.js`, "module.exports = {};");
    }
    for (const [path, text] of Object.entries(soundTree)) plant(path, text);
  });

  afterEach(() => {
    rmSync(tree, { recursive: true, force: true });
  });

  function plant(path: string, text: string): void {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  }

  it("find nothing wrong with a sound tree", async () => {
    const { modules, violations } = await check(tree);

    expect(violations).toEqual([]);
    expect(modules).toBe(Object.keys(soundTree).length);
  });

  describe.each(Object.entries(violating))("%s", (rule, plants) => {
    it.each(plants)("is broken in %s by %s", async (path, text) => {
      plant(path, text);
      plant("src/adapters/shared.ts", "export {};");
      plant("src/protocol/shared.ts", "export {};");
      plant("test/helper.ts", "export {};");

      const { violations } = await check(tree);

      // Of a cycle, dependency-cruiser reports one edge, which need not be the planted one.
      const at = rule === "no-cycles" ? `${rule}: ` : `${rule}: ${path} -> `;
      expect(violations.filter((violation) => violation.startsWith(at))).toHaveLength(1);
    });
  });

  it("have a planted violation each", async () => {
    const { ruleSet } = await extractDepcruiseOptions(rulesFile);

    expect(ruleSet?.forbidden?.map(({ name }) => name)).toEqual(Object.keys(violating));
  });

  it("see a decorator", () => {
    expect(hasDecorator("@injectable() export class X {}")).toBe(true);
    expect(hasDecorator("export class X { constructor(@inject(T) t: T) {} }")).toBe(true);
    expect(hasDecorator("/** @deprecated */ export class X {}")).toBe(false);
  });
});

function hasDecorator(source: string): boolean {
  const visit = (node: ts.Node): boolean =>
    ts.isDecorator(node) || ts.forEachChild(node, visit) === true;
  return visit(ts.createSourceFile("x.ts", source, ts.ScriptTarget.Latest, true));
}
