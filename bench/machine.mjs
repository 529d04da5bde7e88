// What a reader of figures must know of the machine and of the run.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";

/**
 * `cpus` are the CPUs that server and generator are pinned to, if they are; `versions` those of
 * the servers, by name.
 */
export function describeRun({ rounds, quick, serverCpu, generatorCpu, maxSockets, versions }) {
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: commit(),
    cpu: cpus()[0]?.model.trim() ?? "an unknown CPU",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `Linux ${/^[\d.]+/.exec(release())?.[0] ?? release()}`,
    virtual: virtual(),
    node: process.version,
    rounds,
    quick,
    pinned: serverCpu === undefined ? undefined : { server: serverCpu, generator: generatorCpu },
    maxSockets,
    versions: { "uWebSockets.js": packageVersion("uWebSockets.js"), ...versions },
  };
}

/** The version of a package as it is installed. */
export function packageVersion(name) {
  const manifest = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(manifest, "utf8")).version;
}

/** The measured commit, or nothing outside a repository; "changed" if files differ from the commit. */
function commit() {
  try {
    const git = (...args) =>
      execFileSync("git", args, {
        cwd: new URL("..", import.meta.url),
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      }).trim();
    // The results themselves are no change of what is measured.
    const changes = git("status", "--porcelain", "--", ".", ":!bench/RESULTS.md", ":!bench/*.svg");
    return `${git("rev-parse", "--short", "HEAD")}${changes === "" ? "" : ", changed"}`;
  } catch {
    return undefined;
  }
}

/** Whether the CPU says that it is a virtual machine's. */
function virtual() {
  try {
    return /^flags\s*:.*\bhypervisor\b/m.test(readFileSync("/proc/cpuinfo", "utf8"));
  } catch {
    return false;
  }
}

/** The first two CPUs that this process may use, if there are two and taskset is installed. */
export function pinning() {
  const list = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  const allowed = (list ?? "").split(",").flatMap((part) => {
    const [from, to = from] = part.split("-").map(Number);
    return Array.from({ length: to - from + 1 }, (_, index) => from + index);
  });
  try {
    execFileSync("taskset", ["--version"], { stdio: "ignore" });
    if (allowed.length >= 2) return allowed;
    console.log("Only one CPU: server and generator share it, and rates mean little.");
  } catch {
    console.log("No taskset (util-linux): nothing is pinned to a CPU, expect more noise.");
  }
  return [];
}

/** How many files a process may have open, once it has raised its limit as far as it goes. */
export function descriptorLimit() {
  const limit = execFileSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).trim();
  return limit === "unlimited" ? 1_000_000 : Number(limit);
}
