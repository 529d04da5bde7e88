import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  RevocationFile,
  RevocationFileError,
} from "../../../src/adapters/files/revocation-file.js";
import type { Revocation } from "../../../src/application/revocation.js";

const NOW = 1_790_000_000;
const now = () => NOW;

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hexpush-revocations-"));
  path = join(directory, "revocations.jsonl");
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const text = () => readFileSync(path, "utf8");
const read = () => new RevocationFile(path, { now }).read();

describe("RevocationFile", () => {
  it("makes a file that its owner alone reads, where there is none", () => {
    expect(read()).toEqual([]);
    expect(text()).toBe("");
    if (process.platform !== "win32") expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("keeps what was appended, one JSON object a line", async () => {
    const file = new RevocationFile(path, { now });
    file.read();
    await file.append({ subject: "ann\n", issuedBefore: 5.5 });
    await Promise.all([
      file.append({ tokenId: "1", until: NOW + 1 }),
      file.append({ issuedBefore: 7 }),
    ]);
    expect(text()).toBe(
      '{"subject":"ann\\n","issued_before":5.5}\n' +
        `{"token_id":"1","until":${NOW + 1}}\n` +
        '{"issued_before":7}\n',
    );
    expect(read()).toEqual([
      { subject: "ann\n", issuedBefore: 5.5 },
      { tokenId: "1", until: NOW + 1 },
      { issuedBefore: 7 },
    ]);
  });

  it("keeps the order of what was appended at the same time", async () => {
    const file = new RevocationFile(path, { now });
    const all = Array.from({ length: 60 }, (_, at) => ({ tokenId: `${at}` }));
    await Promise.all(all.map((each) => file.append(each)));
    expect(read()).toEqual(all);
  });

  it("has a line on the disk once it says so", async () => {
    const file = new RevocationFile(path, { now });
    file.read();
    const appended = file.append({ tokenId: "1" });
    expect(text()).toBe("");
    await appended;
    expect(text()).toBe('{"token_id":"1"}\n');
  });

  it("drops what has ended and what a later line widens, also from the file", () => {
    writeFileSync(
      path,
      '{"subject":"ann","issued_before":1,"until":5}\n' +
        `{"token_id":"1","until":${NOW}}\n` +
        `{"token_id":"2","until":${NOW + 1}}\n` +
        '{"issued_before":1}\n{"subject":"ann","issued_before":2}\n{"issued_before":3}\n',
    );
    const left = [
      { subject: "ann", issuedBefore: 2 },
      { tokenId: "2", until: NOW + 1 },
      { issuedBefore: 3 },
    ];
    expect(read()).toEqual(left);
    expect(text()).toBe(
      `{"subject":"ann","issued_before":2}\n{"token_id":"2","until":${NOW + 1}}\n{"issued_before":3}\n`,
    );
    expect(read()).toEqual(left);
    expect(existsSync(`${path}.new`)).toBe(false);
  });

  it("loses nothing but the last line, wherever a crash has cut the file", async () => {
    const names = fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(
        names,
        fc.double({ min: 0, max: 1, noNaN: true }),
        async ([first = "x", ...others], where) => {
          rmSync(path, { force: true });
          const file = new RevocationFile(path, { now });
          const revocations: Revocation[] = [
            { subject: first, issuedBefore: 5 },
            ...others.map((tokenId) => ({ tokenId })),
          ];
          const ends: number[] = [];
          for (const each of revocations) {
            await file.append(each);
            ends.push(statSync(path).size);
          }
          const cut = readFileSync(path).subarray(0, Math.round(where * (ends.at(-1) ?? 0)));
          writeFileSync(path, cut);

          // The line feed alone may be missing, and then the line is whole.
          const left = revocations.filter((_each, at) => cut.length >= (ends[at] ?? 0) - 1);
          const again = new RevocationFile(path, { now });
          expect(again.read()).toEqual(left);
          await again.append({ tokenId: "after the crash" });
          expect(read()).toEqual([...left, { tokenId: "after the crash" }]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("drops a last line of zeros, which some file systems leave after a crash", () => {
    writeFileSync(path, `{"token_id":"1"}\n${"\0".repeat(40)}`);
    expect(read()).toEqual([{ tokenId: "1" }]);
    expect(text()).toBe('{"token_id":"1"}\n');
  });

  it("is not disturbed by what a crash has left of a new file", () => {
    writeFileSync(path, '{"token_id":"1"}\n{"token_id":"1"}\n');
    writeFileSync(`${path}.new`, '{"token_id":"2"}\n{"tok');
    expect(read()).toEqual([{ tokenId: "1" }]);
    expect(text()).toBe('{"token_id":"1"}\n');
  });

  it.each([
    ["no JSON", "secret-1"],
    ["empty", ""],
    ["no object", "[]"],
    ["with an unknown member", '{"subject":"secret-1","issued_befor":1}'],
    ["with a wrong value", '{"token_id":1}'],
    ["of a subject without a time", '{"subject":"secret-1"}'],
  ])("refuses a file with a line that is %s, and leaves it as it is", (_what, line) => {
    const content = `{"token_id":"1"}\n${line}\n{"token_id":"2"}\n`;
    writeFileSync(path, content);
    expect(read).toThrow(new RevocationFileError(`line 2 of ${path} is no revocation`));
    expect(text()).toBe(content);
  });

  it.each([
    ["is a directory", () => mkdirSync(path), "EISDIR"],
    ["is in no directory", () => rmSync(directory, { recursive: true }), "ENOENT"],
  ])("refuses a path that %s, in one line", (_what, prepare, code) => {
    prepare();
    const message = `cannot use the revocation file ${path}: ${code}`;
    expect(read).toThrow(new RevocationFileError(message));
  });

  it("rejects what it can't append, and goes on once it can", async () => {
    const file = new RevocationFile(path, { now });
    file.read();
    rmSync(path);
    mkdirSync(path);
    await expect(file.append({ tokenId: "1" })).rejects.toThrow(RevocationFileError);
    rmSync(path, { recursive: true });
    await file.append({ tokenId: "2" });
    expect(text()).toBe('{"token_id":"2"}\n');
  });

  const prlimit = (soft: number | "unlimited") =>
    spawnSync("prlimit", ["--pid", `${process.pid}`, `--fsize=${soft}:unlimited`]).status;

  it.skipIf(prlimit("unlimited") !== 0)(
    "takes half a line back where the disk is full (here: files may not grow)",
    async () => {
      const file = new RevocationFile(path, { now });
      file.read();
      await file.append({ tokenId: "1" });
      const full = { tokenId: "2".repeat(100) };
      prlimit(statSync(path).size + 50);
      try {
        await expect(file.append(full)).rejects.toThrow("EFBIG");
      } finally {
        prlimit("unlimited");
      }
      expect(text()).toBe('{"token_id":"1"}\n');
      await file.append(full);
      expect(read()).toEqual([{ tokenId: "1" }, full]);
    },
  );

  it.skipIf(prlimit("unlimited") !== 0)(
    "holds exactly what was confirmed where the disk gets full amid many appends",
    async () => {
      const file = new RevocationFile(path, { now });
      file.read();
      const all = Array.from({ length: 40 }, (_, at) => ({
        tokenId: `${at}`.padEnd(at % 3 === 0 ? 200 : 20, "x"),
      }));
      prlimit(1500);
      const results = await Promise.allSettled(all.map((each) => file.append(each))).finally(() =>
        prlimit("unlimited"),
      );
      const confirmed = all.filter((_each, at) => results[at]?.status === "fulfilled");
      expect(confirmed.length).toBeGreaterThan(5);
      expect(confirmed.length).toBeLessThan(40);
      expect(read()).toEqual(confirmed);
    },
  );

  it("writes the file anew from time to time", async () => {
    const file = new RevocationFile(path, { now, compactAfter: 10 });
    file.read();
    for (let at = 1; at <= 95; at++) {
      await file.append({ subject: "ann", issuedBefore: at });
      expect(text().split("\n").length).toBeLessThanOrEqual(12);
    }
    expect(read()).toEqual([{ subject: "ann", issuedBefore: 95 }]);
  });
});
