import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { startFailure, startServer } from "../support/server.js";

/** One line on standard error, and the exit code 1. */
async function expectRefusal(env: Record<string, string>, line: string | RegExp, port?: number) {
  const exit = await startFailure({ env, ...(port === undefined ? {} : { port }) });
  expect(exit.code).toBe(1);
  expect(exit.stderr).toMatch(/^hexpush: [^\n]+\n$/);
  expect(exit.stderr).toMatch(line);
}

describe("hexpush serve", () => {
  it("warns loudly where everyone may push, and names uWebSockets.js's package", async () => {
    const server = await startServer();
    onTestFinished(() => server.kill());
    const lines = server.logs.items.map((line) => JSON.stringify(line)).join("\n");
    expect(lines).toContain("DEVELOPMENT MODE");
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  it("is silent about it where a key is set, and shows no key", async () => {
    const server = await startServer({ env: { HEXPUSH_API_KEYS: "very-secret-key" } });
    onTestFinished(() => server.kill());
    const lines = server.logs.items.map((line) => JSON.stringify(line)).join("\n");
    expect(lines).not.toContain("DEVELOPMENT MODE");
    expect(lines).not.toContain("very-secret-key");
  });

  it.each(["0.0.0.0", "example.com"])(
    "refuses to listen on %s without a policy, and says what to set",
    async (host) => {
      await expectRefusal({ HEXPUSH_HOST: host }, /open to everyone: set HEXPUSH_API_KEYS/);
    },
  );

  it("listens on any address where a key is set", async () => {
    const server = await startServer({ env: { HEXPUSH_HOST: "0.0.0.0", HEXPUSH_API_KEYS: "k" } });
    onTestFinished(() => server.kill());
    const push = (authorization: string) =>
      fetch(`http://127.0.0.1:${server.port}/api/push`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization },
        body: '{"channel":"a","event":"e","data":1}',
      });
    expect((await push("Bearer k")).status).toBe(200);
    expect((await push("Bearer other")).status).toBe(403);
  });

  it("reads its file of keys again on SIGHUP, and keeps the present ones where it is wrong", async () => {
    const folder = mkdtempSync(join(tmpdir(), "hexpush-keys-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const keys = join(folder, "keys");
    writeFileSync(keys, "first\n");
    const server = await startServer({ env: { HEXPUSH_API_KEYS_FILE: keys } });
    onTestFinished(() => server.kill());
    const push = async (key: string) => {
      const { status } = await fetch(`${server.url}/api/push`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
        body: '{"channel":"a","event":"e","data":1}',
      });
      return status;
    };
    const reload = async (content: string) => {
      writeFileSync(keys, content);
      server.signal("SIGHUP");
      return (await server.logs.next(({ msg }) => msg.startsWith("SIGHUP"))).msg;
    };
    expect([await push("first"), await push("second")]).toEqual([200, 403]);
    expect(await reload("second\n")).toContain("reloaded the files");
    expect([await push("first"), await push("second")]).toEqual([403, 200]);
    expect(await reload("third surname=x\n")).toContain("the present keys stay");
    expect([await push("second"), await push("third")]).toEqual([200, 403]);
  });

  it("says in one line that its port is in use", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void holder.close());
    await new Promise((resolve) => holder.once("listening", resolve));
    const { port } = holder.address() as { port: number };
    await expectRefusal({}, `cannot listen on 127.0.0.1 port ${port}: the port is in use`, port);
  });

  it("shares its port with no other hexpush", async () => {
    const server = await startServer();
    onTestFinished(() => server.kill());
    await expectRefusal({}, "the port is in use", server.port);
  });

  it.each<[Record<string, string>, RegExp]>([
    [{ HEXPUSH_KEY: "wonderland" }, /HEXPUSH_KEY is the key that hexpush push sends/],
    [{ HEXPUSH_LOG_LEVEL: "loud" }, /HEXPUSH_LOG_LEVEL must be one of/],
    [{ HEXPUSH_API_KEYS: "sha256:short" }, /HEXPUSH_API_KEYS: key 1: "sha256:" must be followed/],
    [
      { HEXPUSH_ALLOWED_ORIGINS: "example.com" },
      /HEXPUSH_ALLOWED_ORIGINS: "example.com" is no origin/,
    ],
  ])("names the wrong variable in %j in one line", async (env, line) => {
    await expectRefusal(env, line);
  });

  it("does not mind what is for the other commands", async () => {
    const server = await startServer({
      env: {
        HEXPUSH_URL: "http://127.0.0.1:1",
        HEXPUSH_TOKEN: "t",
        HEXPUSH_KEY: "wonderland",
        HEXPUSH_API_KEYS: "wonderland",
      },
    });
    expect(await server.stop()).toBe(0);
  });
});
