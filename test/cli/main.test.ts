import { describe, expect, it } from "vitest";
import { SETTINGS } from "../../src/config/settings.js";
import { hexpush, start } from "./program.js";

describe("hexpush", () => {
  it("prints every variable with --help", async () => {
    const { code, stdout } = await hexpush(["--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain("HEXPUSH_API_KEYS");
    expect(stdout).toContain("[4004]");
  });

  it("prints its version with --version", async () => {
    expect((await hexpush(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([[[]], [["pusch"]], [["serve", "--nonsense"]], [["serve", "more"]]])(
    "explains itself and exits with 2 for the arguments %j",
    async (args) => {
      const { code, stdout, stderr } = await hexpush(args);
      expect([code, stdout, stderr]).toEqual([
        2,
        "",
        expect.stringContaining("usage: hexpush serve"),
      ]);
    },
  );

  it.each(["serve", "push", "listen", "token", "bench"])(
    "%s --help prints its own help, and does nothing else",
    async (command) => {
      const { code, stdout, stderr } = await hexpush([command, "--help"]);
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toMatch(new RegExp(`^usage: hexpush ${command} `));
      expect(stdout).toContain("Exit codes: 0");
    },
  );

  it("serve --help names every setting, also what only the file can say", async () => {
    const { stdout } = await hexpush(["serve", "--help"]);
    for (const [key, { variables }] of Object.entries(SETTINGS)) {
      for (const name of variables.length > 0 ? variables : [`"${key}" in the file`]) {
        expect(stdout).toContain(name);
      }
    }
  });

  it("takes --help behind -- for an argument", async () => {
    const { code, stderr } = await hexpush(["push", "a", "e", "--", "--help"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("DATA is not valid JSON")]);
  });

  it("ends without a word where nobody reads on", async () => {
    const help = start(["--help"]);
    help.closeOutput();
    expect(await help.exited()).toBe(0);
    expect(help.notices.items).toEqual([]);
  });
});
