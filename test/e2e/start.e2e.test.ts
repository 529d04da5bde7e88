import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { blocksOf, readPage } from "../docs/markdown.js";
import { type Program, startProgram } from "../docs/program.js";
import { CLIENT_KINDS, nodeClient } from "../support/phoenix-client.js";
import { socketUrl } from "../support/server.js";

let server: Program;

beforeAll(async () => {
  server = await startProgram(["scripts/start.mjs"], { HEXPUSH_PORT: "0" });
});

afterAll(() => server?.stop());

/** The README's call, as bash runs it. @returns what it prints. */
async function readmePush(): Promise<string> {
  const [, call] = blocksOf(readPage("README.md"));
  const command = `${call?.text}`.replace("127.0.0.1:4004", `127.0.0.1:${server.port}`);
  const { stdout } = await promisify(execFile)("bash", ["-c", command]);
  return stdout;
}

it.each(CLIENT_KINDS)("npm start serves the README's push to $name", async (kind) => {
  const client = await nodeClient(kind, { url: socketUrl(`http://127.0.0.1:${server.port}`) });
  onTestFinished(() => client.disconnect());
  expect(await client.connect()).toBe("open");
  expect(await client.join("test")).toMatchObject({ channel: "test", status: "ok" });

  expect(JSON.parse(await readmePush())).toEqual({
    channel: ["test", "test2"],
    data: "data",
    event: "woohoo",
  });

  expect(await client.messages.next()).toEqual({ channel: "test", event: "woohoo", data: "data" });
});

it("npm start drains at SIGTERM and ends with 0", async () => {
  const other = await startProgram(["scripts/start.mjs"], { HEXPUSH_PORT: "0" });

  expect(await other.stop()).toBe(0);
});
