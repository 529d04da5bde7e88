import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const SCRIPT = fileURLToPath(new URL("../../scripts/test-resume.mjs", import.meta.url));
const SMALL = ["--clients", "14", "--messages", "600", "--rate", "250"];

interface Figures {
  readonly code: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly notRecovered: number;
  readonly resumes: number;
  readonly output: string;
}

/** The whole program on one broker, with a draw of its own. */
async function resume(...args: readonly string[]): Promise<Figures> {
  const { code, output } = await new Promise<{ code: number; output: string }>((resolve) => {
    const child = execFile(process.execPath, [SCRIPT, ...SMALL, ...args], (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, output: stdout + stderr });
    });
  });
  const figures =
    /lost (\d+), duplicated (\d+), reordered (\d+), not recovered (\d+), resumes (\d+)/.exec(
      output,
    );
  expect(figures, output).not.toBeNull();
  const [lost, duplicated, reordered, notRecovered, resumes] = (figures as RegExpExecArray)
    .slice(1)
    .map(Number) as [number, number, number, number, number];
  return { code, lost, duplicated, reordered, notRecovered, resumes, output };
}

describe.concurrent("clients on bad connections", { timeout: 240_000 }, () => {
  it.each([
    ["memory", ["--broker", "memory"]],
    ["file, killed once", ["--broker", "file", "--kills", "1"]],
  ])("have everything once and in order: %s", async (_, args) => {
    const { code, output, resumes } = await resume(...args);
    expect(code, output).toBe(0);
    expect(resumes).toBeGreaterThan(0);
  });

  it.each([
    ["last-event-id", "memory", "lost"],
    ["history", "memory", "lost"],
    ["disk", "file", "lost"],
    ["keys", "memory", "duplicated"],
    ["turns", "memory", "reordered"],
  ] as const)("without %s the check fails", { retry: 3 }, async (without, broker, fault) => {
    // So few messages may, by chance, meet none of the faults that matter: each retry draws anew.
    const figures = await resume("--broker", broker, "--kills", "1", "--without", without);
    expect(figures.code, figures.output).toBe(1);
    expect(figures[fault], figures.output).toBeGreaterThan(0);
  });
});
