import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { DirectoryHeld, DirectoryLock } from "../../../src/adapters/file-broker/directory-lock.js";
import { testDirectory } from "./directory.js";

/** A process that listens as one does that holds the lock. */
async function holder(directory: string) {
  const script = `require("net").createServer().listen("lock.0123456789abcdef", () => console.log("held"))`;
  const child = spawn(process.execPath, ["-e", script], { cwd: directory });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout, "data");
  return {
    async kill() {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

async function locked(directory: string): Promise<DirectoryLock> {
  const lock = await DirectoryLock.acquire(directory);
  onTestFinished(() => lock.release());
  return lock;
}

describe("DirectoryLock", () => {
  it("is refused while this process has it", async () => {
    const directory = testDirectory();
    await locked(directory);
    await expect(DirectoryLock.acquire(directory)).rejects.toBeInstanceOf(DirectoryHeld);
  });

  it("can be had again after its release, which leaves nothing behind", async () => {
    const directory = testDirectory();
    await (await DirectoryLock.acquire(directory)).release();
    expect(readdirSync(directory)).toEqual([]);
    await locked(directory);
  });

  it("is refused while another process has it, and is free once that one was killed", async () => {
    const directory = testDirectory();
    const other = await holder(directory);
    await expect(DirectoryLock.acquire(directory)).rejects.toBeInstanceOf(DirectoryHeld);
    await other.kill();
    await locked(directory);
    expect(readdirSync(directory)).toEqual([expect.stringMatching(/^lock\.(?!0123456789abcdef)/)]);
    await expect(DirectoryLock.acquire(directory)).rejects.toBeInstanceOf(DirectoryHeld);
  });

  it("is had by one of many that come at once, also where a killed process has left its own", async () => {
    const directory = testDirectory();
    await (await holder(directory)).kill();
    const asked = await Promise.allSettled(Array.from({ length: 20 }, () => locked(directory)));
    const reasons = asked.flatMap((each) => (each.status === "rejected" ? [each.reason] : []));
    expect(reasons).toHaveLength(19);
    for (const reason of reasons) expect(reason).toBeInstanceOf(DirectoryHeld);
  });

  it("works in a directory whose path is too long for a socket's address", async () => {
    const directory = join(testDirectory(), "long".repeat(40));
    mkdirSync(directory);
    const lock = await locked(directory);
    expect(readdirSync(directory)).toHaveLength(1);
    await expect(DirectoryLock.acquire(directory)).rejects.toBeInstanceOf(DirectoryHeld);
    await lock.release();
    expect(readdirSync(directory)).toEqual([]);
  });
});
