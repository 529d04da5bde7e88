import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jwtVerify } from "jose";
import { describe, expect, it, onTestFinished } from "vitest";
import { anId } from "../support/message-ids.js";
import { RawClient } from "../support/raw-client.js";
import { startServer } from "../support/server.js";
import { hexpush } from "./program.js";

const SECRET = "0123456789abcdef-geheim-äöü-0123";
const env = { HEXPUSH_JWT_SECRET: SECRET };

function claimsOf(token: string, secret = SECRET) {
  return jwtVerify(token, new TextEncoder().encode(secret), { algorithms: ["HS256"] });
}

function file(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "hexpush-token-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "secret");
  writeFileSync(path, text);
  return path;
}

describe("hexpush token", () => {
  it("prints a token that the secret verifies, for an hour", async () => {
    const args = ["token", "--sub", "ann", "--channels", "news,user:ann:*", "--push", "chat:*"];
    const { code, stdout, stderr } = await hexpush(args, { env });

    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const { payload, protectedHeader } = await claimsOf(stdout.trim());
    expect(protectedHeader).toEqual({ alg: "HS256", typ: "JWT" });
    expect(payload).toEqual({
      sub: "ann",
      channels: ["news", "user:ann:*"],
      push: ["chat:*"],
      iat: expect.any(Number),
      exp: (payload.iat ?? 0) + 3600,
      jti: expect.stringMatching(/^[\da-f-]{36}$/),
    });
    expect(Math.abs(Date.now() / 1000 - (payload.iat ?? 0))).toBeLessThan(60);
  });

  it("prints a token that the server with the same secret takes, to join and to push", async () => {
    const server = await startServer({ env: { ...env, HEXPUSH_JWT_PUSH: "true" } });
    onTestFinished(() => server.kill());
    const args = ["token", "--sub", "ann", "--channels", "chat:*", "--push", "chat:*"];
    const token = (await hexpush(args, { env })).stdout.trim();
    const client = await RawClient.connect(server.wsUrl, "2.0.0", { token });
    await client.join("chat:1");
    await expect(client.join("news")).rejects.toThrow("unauthorized");
    const pushing = { env: { HEXPUSH_URL: server.url, HEXPUSH_KEY: token } };
    expect((await hexpush(["push", "chat:1", "hello", "1"], pushing)).code).toBe(0);
    expect((await client.frames.next()).payload).toEqual({ data: 1, event: "hello", id: anId });
    expect((await hexpush(["push", "news", "hello", "1"], pushing)).code).toBe(1);
    client.close();
  });

  it("prints the claims too with --json, and takes further ones", async () => {
    const args = ["token", "--sub=ann", "--push=a", "--push=b", "--expires", "60", "--json"];
    const further = ["--audience", "web", "--issuer", "shop", "--claims", '{"role":"admin"}'];
    const { stdout } = await hexpush([...args, ...further], { env });

    const { token, claims } = JSON.parse(stdout) as { token: string; claims: { iat: number } };
    expect((await claimsOf(token)).payload).toEqual(claims);
    expect(claims).toMatchObject({
      channels: [],
      push: ["a", "b"],
      aud: "web",
      iss: "shop",
      role: "admin",
      exp: claims.iat + 60,
    });
  });

  it("gives each token an id of its own, and no right to push that was not asked for", async () => {
    const args = ["token", "--sub", "ann", "--channels", "*", "--json"];
    const runs = await Promise.all([hexpush(args, { env }), hexpush(args, { env })]);
    const claims = runs.map(({ stdout }) => JSON.parse(stdout).claims as Record<string, unknown>);
    expect(claims[0]?.jti).not.toBe(claims[1]?.jti);
    expect(claims[0]).not.toHaveProperty("push");
  });

  it("takes the secret from a file, without the line end behind it", async () => {
    const other = "another secret of more than 32 bytes";
    const args = ["token", "--sub", "ann", "--channels", "*", "--secret-file", file(`${other}\n`)];
    const { stdout } = await hexpush(args, { env });
    expect((await claimsOf(stdout.trim(), other)).payload.sub).toBe("ann");
  });

  it.each<[string, Record<string, string>, string]>([
    ["no secret", {}, "no secret: set HEXPUSH_JWT_SECRET"],
    ["a short one", { HEXPUSH_JWT_SECRET: "my-password" }, "HEXPUSH_JWT_SECRET has 11 bytes"],
  ])("exits with 1 with %s, and does not show it", async (_, given, reason) => {
    const args = ["token", "--sub", "ann", "--channels", "*"];
    const { code, stdout, stderr } = await hexpush(args, { env: given });
    expect([code, stdout, stderr]).toEqual([1, "", expect.stringContaining(reason)]);
    expect(stderr).not.toContain("my-password");
  });

  it("counts the bytes of a file's secret too", async () => {
    const args = ["token", "--sub", "ann", "--channels", "*", "--secret-file"];
    const short = await hexpush([...args, file(`${"x".repeat(31)}\n`)], { env });
    expect([short.code, short.stderr]).toEqual([1, expect.stringContaining("31 bytes")]);
    expect((await hexpush([...args, file("x".repeat(32))], { env })).code).toBe(0);
    expect((await hexpush([...args, "not-there"], { env })).code).toBe(1);
  });

  it.each<[string, string[]]>([
    ["--sub is needed", ["--channels", "*"]],
    ["--channels or --push is needed", ["--sub", "ann"]],
    ["--channels contains an empty pattern", ["--sub", "ann", "--channels", "a,"]],
    ["--expires must be", ["--sub", "ann", "--channels", "*", "--expires", "1h"]],
    ["--claims must be a JSON object", ["--sub", "ann", "--channels", "*", "--claims", "[]"]],
    [
      '--claims must not contain "sub"',
      ["--sub", "a", "--channels", "*", "--claims", '{"sub":"b"}'],
    ],
    ["--secret", ["--sub", "ann", "--channels", "*", "--secret", SECRET]],
  ])("is a usage error: %s", async (reason, args) => {
    const { code, stdout, stderr } = await hexpush(["token", ...args], { env });
    expect([code, stdout, stderr]).toEqual([2, "", expect.stringContaining(reason)]);
    expect(stderr).not.toContain(SECRET);
  });
});
