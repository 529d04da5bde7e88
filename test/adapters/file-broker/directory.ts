import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A new, empty directory. */
export function newDirectory(): string {
  return mkdtempSync(join(tmpdir(), "hexpush-file-broker-"));
}

/** One that goes with the test. */
export function testDirectory(): string {
  const directory = newDirectory();
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
