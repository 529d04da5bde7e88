import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { root } from "./docs/program.js";

const run = promisify(execFile);

const SERVER = `
  import { createHexpush, type HexpushOptions, type MessageId } from "hexpush";
  import { PushService } from "hexpush/core";
  import { startTestServer } from "hexpush/testing";
  const options: HexpushOptions = { port: 0, apiKeys: ["key"], bodyLimit: 1000 };
  export const parts = [createHexpush(options), PushService, startTestServer];
  export type Id = MessageId;
  // @ts-expect-error: the option is misspelt
  createHexpush({ apiKeyz: ["key"] });
  // @ts-expect-error: the option has another type
  createHexpush({ port: "4004" });`;

const CORE = `
  import { PushService } from "hexpush/core";
  export const service = PushService;`;

const CLIENT = `
  import { Hexpush } from "hexpush/client";
  export const news = new Hexpush("ws://127.0.0.1:4004/push_socket").subscribe("news");`;

let folder: string;

/** A project with the packed package and its dependencies, as `npm install hexpush` leaves them. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hexpush-types-"));
  // The build is there: by `npm test`, or `npm run build`.
  const pack = ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder];
  const { stdout } = await run("npm", pack, { cwd: root });
  const modules = join(folder, "node_modules");
  mkdirSync(modules);
  await run("tar", ["-xzf", join(folder, stdout.trim()), "-C", modules]);
  symlinkSync("package", join(modules, "hexpush"));
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  for (const name of Object.keys(dependencies)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
  writeFileSync(join(folder, "package.json"), '{"private": true, "type": "module"}');
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const NODE = { module: "NodeNext", moduleResolution: "NodeNext" };
const BUNDLER = { module: "ESNext", moduleResolution: "Bundler" };

describe("the package's types, checked with the libraries' (skipLibCheck: false)", () => {
  it.each([
    ["the server in Node", SERVER, { ...NODE, lib: ["ES2022"] }],
    ["the server in Node, beside the types of a page", SERVER, { ...NODE, lib: ["ES2022", "DOM"] }],
    ["the core without types of Node or a page", CORE, { ...NODE, lib: ["ES2022"] }],
    ["the client in a page", CLIENT, { ...BUNDLER, lib: ["ES2022", "DOM"] }],
    ["the client in a page, without a bundler", CLIENT, { ...NODE, lib: ["ES2022", "DOM"] }],
    ["the client without types of Node or a page", CLIENT, { ...BUNDLER, lib: ["ES2022"] }],
  ])(
    "%s",
    async (_name, source, options) => {
      writeFileSync(join(folder, "consumer.ts"), source);
      const compilerOptions = {
        target: "ES2022",
        types: [],
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        noEmit: true,
        ...options,
      };
      const project = JSON.stringify({ compilerOptions, files: ["consumer.ts"] });
      writeFileSync(join(folder, "tsconfig.json"), project);
      const tsc = join(root, "node_modules/typescript/bin/tsc");
      const errors = await run(process.execPath, [tsc], { cwd: folder }).then(
        () => "",
        ({ stdout }: { stdout: string }) => stdout,
      );
      expect(errors).toBe("");
    },
    120_000,
  );
});
