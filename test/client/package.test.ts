import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { root } from "../docs/program.js";
import { startServer, type TestServer } from "../support/server.js";

const run = promisify(execFile);

let folder: string;
let server: TestServer;

/** A project that has what `npm install hexpush` brings of hexpush, and `ws`. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hexpush-consumer-"));
  // The build is there: by `npm test`, or `npm run build`.
  const pack = ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder];
  const { stdout } = await run("npm", pack, { cwd: root });
  const modules = join(folder, "node_modules");
  mkdirSync(join(modules, "@types"), { recursive: true });
  await run("tar", ["-xzf", join(folder, stdout.trim()), "-C", modules]);
  symlinkSync("package", join(modules, "hexpush"));
  for (const name of ["ws", "@types/ws", "@types/node"]) {
    symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
  writeFileSync(join(folder, "package.json"), '{"private": true, "type": "module"}');
  server = await startServer();
});

afterAll(async () => {
  await server?.kill();
  rmSync(folder, { recursive: true, force: true });
});

it.each(["websocket", "sse"])("the package's client runs in Node, over %s", async (transport) => {
  writeFileSync(
    join(folder, "consumer.js"),
    `import { Hexpush } from "hexpush/client";
    import { WebSocket } from "ws";

    const [, , url, transport] = process.argv;
    const client = new Hexpush(url + "/push_socket", { WebSocket, transports: [transport] });
    const news = client.subscribe("news");
    news.on("joined", () =>
      fetch(url + "/api/push", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ channel: "news", event: "e", data: 1 }),
      }),
    );
    news.bind("e", async (data) => {
      console.log(client.transport, data);
      await client.disconnect();
    });
    await client.connect();`,
  );
  // It ends by itself: a client that has disconnected holds nothing open.
  const args = ["consumer.js", server.url, transport];
  const { stdout } = await run(process.execPath, args, { cwd: folder, timeout: 55_000 });

  expect(stdout).toBe(`${transport} 1\n`);
});

it.each([
  [
    "in a page, with a bundler",
    { module: "ESNext", moduleResolution: "Bundler", lib: ["ES2022", "DOM"], types: [] },
    `const client = new Hexpush<Channels>("/push_socket", { WebSocket, EventSource });`,
  ],
  [
    "in Node",
    { module: "NodeNext", moduleResolution: "NodeNext", lib: ["ES2022"], types: ["node"] },
    `import { WebSocket } from "ws";
    const client = new Hexpush<Channels>("ws://127.0.0.1:4004/push_socket", { WebSocket });`,
  ],
])(
  "the package's types are seen %s",
  async (_where, options, make) => {
    writeFileSync(
      join(folder, "consumer.ts"),
      `import { Hexpush, HexpushError, type Disconnect } from "hexpush/client";
    interface Channels { news: { headline: { title: string } } }
    ${make}
    const news = client.subscribe("news");
    news.bind("headline", ({ title }) => title.toUpperCase());
    news.on("recovered", ({ recovered }: { recovered: boolean }) => recovered);
    news.on("error", (error) => error instanceof HexpushError && error.code === "token");
    // @ts-expect-error: no such event
    news.bind("headlines", () => undefined);
    // @ts-expect-error: no such channel
    client.subscribe("nws");
    export const told = ({ code, willReconnect }: Disconnect) => willReconnect && code.toFixed();`,
    );
    const compilerOptions = { target: "ES2022", strict: true, noEmit: true, ...options };
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({ compilerOptions, files: ["consumer.ts"] }),
    );
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const faults = await run(process.execPath, [tsc], { cwd: folder }).then(
      () => "",
      ({ stdout }: { stdout: string }) => stdout,
    );

    expect(faults).toBe("");
  },
  60_000,
);
