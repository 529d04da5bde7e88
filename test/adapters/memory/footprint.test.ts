import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL("footprint.mjs", import.meta.url));

interface Footprint {
  readonly channels: number;
  readonly delivered: number;
  /** What the heap grew by, in bytes. */
  readonly measured: number;
  readonly estimated: number;
}

/** In a process of its own, which also must end by itself. */
async function footprint(name: string): Promise<Footprint> {
  const { stdout } = await run(process.execPath, ["--expose-gc", SCRIPT, name], {
    timeout: 55_000,
  });
  return JSON.parse(stdout) as Footprint;
}

describe("a memory broker's history", { timeout: 90_000 }, () => {
  it("of 100 messages of 200 bytes takes at most 60 kB in each channel", async () => {
    const { channels, delivered, measured } = await footprint("hundred");
    expect(delivered).toBe(channels * 100);
    expect(measured / channels).toBeGreaterThan(100 * 200);
    expect(measured / channels).toBeLessThan(60_000);
  });

  it.each(["hundred", "single", "bodies", "wide"])(
    "takes no more than its estimate, and not much less (%s)",
    async (name) => {
      const { measured, estimated } = await footprint(name);
      expect(measured).toBeLessThanOrEqual(estimated);
      expect(measured).toBeGreaterThan(estimated / 1.6);
    },
  );

  it("counts the data of a push in each of its channels, and has it once", async () => {
    const { measured, estimated } = await footprint("shared");
    expect(measured).toBeLessThan(estimated / 5);
  });

  it("stays in its budget, with the names of channels that have gone", async () => {
    const { measured, estimated, delivered } = await footprint("gone");
    expect(delivered).toBe(50_000);
    expect(estimated).toBeLessThanOrEqual(8_000_000);
    expect(measured).toBeLessThanOrEqual(8_000_000);
  });
});
