import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import type { ApiKeyScope } from "../../../../src/adapters/auth/api-keys/api-key.js";
import { readApiKeyFile } from "../../../../src/adapters/auth/api-keys/api-key-file.js";

const folder = mkdtempSync(join(tmpdir(), "hexpush-keys-"));
const file = join(folder, "keys.txt");

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function read(content: string | Uint8Array) {
  writeFileSync(file, content);
  return readApiKeyFile(file);
}

/** The message, in which the file is FILE. */
function refusalOf(content: string | Uint8Array, path = file): string {
  try {
    writeFileSync(file, content);
    readApiKeyFile(path);
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError);
    return (error as TypeError).message.replaceAll(path, "FILE");
  }
  throw new Error("the file was not refused");
}

describe("a file of API keys", () => {
  it("holds one key a line, with its name, channels and scopes", () => {
    expect(
      read(
        [
          "# who may push",
          "",
          "plain-key",
          "  key=with=signs\tname=backend   channels=orders.*,news  ",
          "last channels=* name=admin scopes=push+operate",
        ].join("\n"),
      ),
    ).toEqual([
      { key: "plain-key" },
      { key: "key=with=signs", name: "backend", channels: ["orders.*", "news"] },
      { key: "last", channels: ["*"], name: "admin", scopes: ["push", "operate"] },
    ]);
  });

  it.each([["\ufeffone\r\ntwo\r\n"], ["one\rtwo"], ["\n\n  one\n #two\n\ttwo"]])(
    "may be written by any editor: %j",
    (content) => {
      expect(read(content)).toEqual([{ key: "one" }, { key: "two" }]);
    },
  );

  it("may be a JSON array, in which names and patterns hold any characters", () => {
    const keys = ["one", { key: "#two", name: "two b", channels: ["a,b", "c d*"] }, { key: "[" }];
    expect(read(`\n ${JSON.stringify(keys, undefined, 2)}`)).toEqual(keys);
  });

  it("gives back what was written", () => {
    const word = fc.stringMatching(/^[\x21-\x2b\x2d-\x7e]{1,10}$/);
    const entry = fc.record(
      {
        key: word.filter((key) => !/^(?:[#[{]|name=|channels=|scopes=|sha256:)/i.test(key)),
        name: word,
        channels: fc.array(word, { minLength: 1, maxLength: 3 }),
        scopes: fc.uniqueArray(fc.constantFrom<ApiKeyScope>("push", "read"), { minLength: 1 }),
      },
      { requiredKeys: ["key"] },
    );
    const distinct = { minLength: 1, maxLength: 4, comparator: alike };
    fc.assert(
      fc.property(fc.uniqueArray(entry, distinct), (entries) => {
        const lines = entries.map(({ key, name, channels, scopes }) =>
          [
            key,
            ...(name === undefined ? [] : [`name=${name}`]),
            ...(channels === undefined ? [] : [`channels=${channels.join(",")}`]),
            ...(scopes === undefined ? [] : [`scopes=${scopes.join("+")}`]),
          ].join(" "),
        );
        expect(read(lines.join("\n"))).toEqual(entries);
        expect(read(JSON.stringify(entries))).toEqual(entries);
      }),
      { numRuns: 50 },
    );
  });

  it.each([
    ["", "FILE holds no key"],
    ["# only a comment\n\n", "FILE holds no key"],
    ["[]", "FILE holds no key"],
    [
      "good\nbad SECRET",
      "FILE, line 2: only name=NAME, channels=PATTERN,PATTERN and scopes=SCOPE+SCOPE may follow a key",
    ],
    ["good nAme=SECRET", "FILE, line 1: only name=NAME"],
    ["good SECRET=", "FILE, line 1: only name=NAME"],
    ["\nname=backend SECRET", "FILE, line 2: must begin with the key"],
    ["channels=a", "FILE, line 1: must begin with the key"],
    ["SECRET name=a name=b", "FILE, line 1: has name= twice"],
    ["SECRET channels=a channels=b", "FILE, line 1: has channels= twice"],
    ["scopes=push", "FILE, line 1: must begin with the key"],
    ["SECRET scopes=push scopes=push", "FILE, line 1: has scopes= twice"],
    ["SECRET scopes=", "FILE, line 1: the scopes must be one or more of push, read, operate"],
    ["SECRET scopes=push,read", "FILE, line 1: the scopes must be"],
    ["SECRET scopes=push+SECRET", "FILE, line 1: the scopes must be"],
    ["SECRET scopes=operate channels=a", 'FILE, line 1: the scope "operate" concerns'],
    ["SECRET name=", "FILE, line 1: the name must be 1 to 100 characters"],
    ["SECRET channels=", "FILE, line 1: the channels must be a list"],
    ["SECRET channels=a,,b", "FILE, line 1: the channels must be a list"],
    ["SECRET channels=a, b", "FILE, line 1: only name=NAME"],
    ["#\nSECRET\n\nSECRET", "FILE, line 4: has the same key as FILE, line 2"],
    ["one name=a\ntwo\nSECRET name=a", "FILE, line 3: has the same name as FILE, line 1"],
    ["SECRETé", "FILE, line 1: must be one or more printable ASCII characters"],
    ["sha256:SECRET", 'FILE, line 1: "sha256:" must be followed by 64 hexadecimal digits'],
    ['["SECRET", ]', "FILE is not valid JSON"],
    ['{"SECRET": "backend"}', "FILE must hold a JSON array of keys"],
    [
      '["good", {"SECRET": 1}]',
      "FILE, entry 2: has a member other than key, name, channels and scopes",
    ],
    ['[{"key": "SECRET", "__proto__": {}}]', "FILE, entry 1: has a member other than"],
    ['["good", 5]', "FILE, entry 2: must be a string or an object"],
    ['[{"name": "SECRET"}]', "FILE, entry 1: the key must be a string"],
    ['[{"key": "SECRET", "channels": "a"}]', "FILE, entry 1: the channels must be a list"],
    ['["SECRET", {"key": "SECRET"}]', "FILE, entry 2: has the same key as FILE, entry 1"],
  ])("is refused with one line where it holds %j", (content, message) => {
    const refused = refusalOf(content);
    expect(refused).toContain(message);
    expect(refused).toMatch(/^.+$/);
    expect(refused).not.toContain("SECRET");
  });

  it("is refused where it is not UTF-8", () => {
    expect(refusalOf(Uint8Array.of(0x61, 0xff))).toBe("FILE is not UTF-8");
  });

  it("is refused where it can't be read", () => {
    expect(refusalOf("", join(folder, "nowhere"))).toBe("cannot read FILE (ENOENT)");
    expect(refusalOf("", folder)).toBe("cannot read FILE (EISDIR)");
  });
});

function alike(
  one: { key: string; name?: string },
  other: { key: string; name?: string },
): boolean {
  return one.key === other.key || (one.name !== undefined && one.name === other.name);
}
