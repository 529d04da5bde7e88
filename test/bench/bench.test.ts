import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";

const BENCH = fileURLToPath(new URL("../../scripts/bench.mjs", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "hexpush-bench-test-"));

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function bench(...args: string[]) {
  return spawnSync(process.execPath, [BENCH, ...args], { encoding: "utf8" });
}

const file = (name: string) => join(directory, name);

it("the bench measures hexpush beside the floor, and every delivery arrives", {
  timeout: 600_000,
}, () => {
  const workloads = ["--only", "post,batch,channels-1k,steady,start,sse-fanout-1k"];
  const { status, stdout, stderr } = bench(
    ...["--quick", ...workloads, "--servers", "floor,hexpush", "--json", file("run.json")],
  );
  expect(status, `${stdout}${stderr}`).toBe(0);
  expect(stdout).toMatch(/POST a second.*\d/);
  expect(stdout).toMatch(/pushes a second, 100 in each POST.* - +\d/);
  expect(stdout).toMatch(/channels of one subscriber.*\d/);
  expect(stdout).toMatch(/100 pushes a second to 100 subscribers +\d/);
  expect(stdout).toMatch(/99 in 100 within +\d.*\(\d/);
  expect(stdout).toMatch(/CPU µs a delivery, 100 streams.* - +\d/);
  expect(stdout).toMatch(/to its first answer +\d.*\(\d/);

  const again = bench("--from", file("run.json"), "--results", directory);
  expect(again.status, again.stderr).toBe(0);
  expect(again.stdout).toContain(
    stdout.slice(stdout.indexOf("median ("), stdout.lastIndexOf(" s\n")),
  );
  expect(readFileSync(file("RESULTS.md"), "utf8")).toContain(
    "| median (times the floor) | floor |",
  );
  expect(readFileSync(file("results.svg"), "utf8")).toContain("</svg>");
});

it("the bench refuses workloads and servers that it does not know", () => {
  expect(bench("--only", "nothing")).toMatchObject({ status: 2 });
  expect(bench("--servers", "nothing")).toMatchObject({ status: 2 });
  expect(bench("--rounds", "0")).toMatchObject({ status: 2 });
});
