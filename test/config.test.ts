import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { type Config, ConfigError } from "../src/config/config.js";
import { createConfig, loadConfig } from "../src/config/load.js";
import { SETTINGS } from "../src/config/settings.js";

const folders: string[] = [];

function file(content: string): string {
  const folder = mkdtempSync(join(tmpdir(), "hexpush-config-"));
  folders.push(folder);
  const path = join(folder, "hexpush.json");
  writeFileSync(path, content);
  return path;
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

describe("the configuration", () => {
  it("has the documented defaults", () => {
    expect(loadConfig({})).toEqual({
      host: "127.0.0.1",
      port: 4004,
      apiKeys: undefined,
      apiKeysFile: undefined,
      jwtSecret: undefined,
      jwtPublicKeyFile: undefined,
      jwksUrl: undefined,
      jwtAudience: undefined,
      jwtIssuer: undefined,
      jwtLeeway: 5,
      jwtPush: false,
      jwtOperate: false,
      authUrl: undefined,
      authSecret: undefined,
      authTimeout: 2,
      authOperate: false,
      authCombine: "first-deny",
      publicChannels: undefined,
      broker: "memory:",
      historySize: 100,
      historyTtl: 120,
      historyMemory: 268_435_456,
      channels: undefined,
      policyTimeout: 5,
      revocationsFile: undefined,
      allowedOrigins: undefined,
      websockets: "auto",
      drainTimeout: 10,
      drainSockets: true,
      connectRate: 1000,
      logLevel: "info",
      requestLog: false,
      bodyLimit: 8_000_000,
      frameLimit: 65_536,
      channelNameLimit: 1024,
      eventNameLimit: 255,
      channelsPerPush: 1000,
      pushesPerBatch: 100,
      idempotencyKeys: 100_000,
      traces: 10_000,
      channelsPerSocket: 1000,
      sendBufferLimit: 1_048_576,
    } satisfies Config);
    expect(createConfig()).toEqual(loadConfig({}));
  });

  it("reads the environment over the file over the defaults", () => {
    const path = file('{"port": 5000, "drainTimeout": 0.5, "apiKeys": ["a", "b"]}');
    const config = loadConfig({ HEXPUSH_PORT: "6000", UNRELATED: "x" }, path);
    expect(config).toMatchObject({
      port: 6000,
      drainTimeout: 0.5,
      apiKeys: ["a", "b"],
      host: "127.0.0.1",
    });
  });

  it("takes PORT, and HEXPUSH_PORT over it", () => {
    expect(loadConfig({ PORT: "5000" }).port).toBe(5000);
    expect(loadConfig({ PORT: "5000", HEXPUSH_PORT: "6000" }).port).toBe(6000);
  });

  it("reads lists separated by commas", () => {
    expect(loadConfig({ HEXPUSH_API_KEYS: "a, b ,c" }).apiKeys).toEqual(["a", "b", "c"]);
  });

  it("reads the scopes of a key behind a blank, and no other words", () => {
    const keysOf = (text: string) => loadConfig({ HEXPUSH_API_KEYS: text }).apiKeys;
    expect(keysOf("a, b scopes=push+read ,c\tscopes=operate,scopes=push")).toEqual([
      "a",
      { key: "b", scopes: ["push", "read"] },
      { key: "c", scopes: ["operate"] },
      "scopes=push",
    ]);
    // What is refused later: no key contains a blank.
    expect(keysOf("a name=b, c scopes=push read")).toEqual(["a name=b", "c scopes=push read"]);
    for (const scopes of ["", "all", "push+", "Push"]) {
      const load = () => keysOf(`SECRET scopes=${scopes}`);
      expect(load).toThrow(/^HEXPUSH_API_KEYS must be .*scopes=push\+read\+operate/);
      expect(load).not.toThrow("SECRET");
    }
  });

  it("is frozen", () => {
    expect(Object.isFrozen(loadConfig({}))).toBe(true);
  });

  it.each<[Record<string, string>, string]>([
    [{ HEXPUSH_PORT: "abc" }, 'HEXPUSH_PORT must be a whole number from 0 to 65535, not "abc"'],
    [{ HEXPUSH_PORT: "65536" }, 'HEXPUSH_PORT must be a whole number from 0 to 65535, not "65536"'],
    [{ HEXPUSH_PORT: "-1" }, "HEXPUSH_PORT must be"],
    [{ HEXPUSH_PORT: "80.5" }, "HEXPUSH_PORT must be"],
    [{ HEXPUSH_PORT: "1e3" }, "HEXPUSH_PORT must be"],
    [{ PORT: "x" }, "PORT must be"],
    [{ HEXPUSH_PORT: "" }, "HEXPUSH_PORT is empty"],
    [{ HEXPUSH_API_KEYS: "" }, "HEXPUSH_API_KEYS is empty"],
    [
      { HEXPUSH_API_KEYS: "a,,b" },
      "HEXPUSH_API_KEYS must be one or more keys, separated by commas",
    ],
    [{ HEXPUSH_LOG_LEVEL: "loud" }, "HEXPUSH_LOG_LEVEL must be one of silent, fatal"],
    [
      { HEXPUSH_DRAIN_TIMEOUT: "-1" },
      "HEXPUSH_DRAIN_TIMEOUT must be a number of seconds from 0 to 3600",
    ],
    [{ HEXPUSH_HOST: "a b" }, "HEXPUSH_HOST must be an address"],
    [
      { HEXPUSH_API_KEY: "a" },
      "HEXPUSH_API_KEY is not a setting of this version; did you mean HEXPUSH_API_KEYS?",
    ],
    [{ HEXPUSH_BODY_LIMIT: "0" }, "HEXPUSH_BODY_LIMIT must be"],
  ])("names what is wrong in %j in one line", (env, message) => {
    expect(() => loadConfig(env)).toThrow(ConfigError);
    expect(() => loadConfig(env)).toThrow(message);
    expect(() => loadConfig(env)).not.toThrow(/\n/);
  });

  it("never shows a key, right or wrong", () => {
    expect(() => loadConfig({ HEXPUSH_API_KEYS: "secret1,,secret2" })).not.toThrow(/secret/);
  });

  it.each([
    ["nonsense", "is not valid JSON"],
    ["[]", "must hold a JSON object"],
    ['{"prot": 1}', 'is not a setting; did you mean "port"?'],
    ['{"port": "80"}', 'must be a whole number from 0 to 65535, not "80"'],
    ['{"apiKeys": "secret"}', "must be one or more keys"],
    ['{"__proto__": 1}', '"__proto__" in'],
  ])("refuses the file %s", (content, message) => {
    const path = file(content);
    expect(() => loadConfig({}, path)).toThrow(ConfigError);
    expect(() => loadConfig({}, path)).toThrow(message);
    expect(() => loadConfig({}, path)).not.toThrow("secret");
  });

  it("says so if the file cannot be read", () => {
    expect(() => loadConfig({}, "no/such/file.json")).toThrow("cannot read no/such/file.json");
  });

  it("gives a configuration or a ConfigError for any value of any variable", () => {
    const names = Object.values(SETTINGS).flatMap((setting) => setting.variables);
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.string(), (name, value) => {
        try {
          loadConfig({ [name]: value });
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
          expect((error as Error).message).toContain(name);
        }
      }),
    );
  });
});
