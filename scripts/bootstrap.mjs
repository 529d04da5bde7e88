// Lets `npm start` and `npm test` work from a bare clone: installs and builds what is missing, and
// returns within milliseconds when nothing is. Depends on Node alone, since it runs before
// `npm ci` has. Neither this file nor those that import it may use `?.`, `??` or top-level await:
// an old Node would fail on the syntax, before it can print which version is needed.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { constants } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`hexpush needs Node 20.19 or newer; this is Node ${process.versions.node}.`);
  process.exit(1);
}

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const at = (...parts) => join(root, ...parts);
const LOCK = at(".bootstrap", "lock");
const LOCKFILE = at("package-lock.json");
const INSTALL_STAMP = at("node_modules", ".hexpush-lock");
const BUILD_STAMP = at("dist", ".hexpush-build");
// A sibling of dist, not a folder below .bootstrap: source maps hold paths relative to their own
// depth, and must still be right after the rename.
const STAGING = at(".build");

class BootstrapError extends Error {}

/**
 * Prepares the checkout to run. If that fails, prints one line and ends the process. Returns the path
 * of a Chromium if `browser` is requested and one is available.
 */
export async function ensure({ build = false, browser = false } = {}) {
  try {
    const ready = () => isInstalled() && (!build || isBuilt());
    if (!ready()) {
      await exclusively(async () => {
        if (!isInstalled()) await install();
        if (build && !isBuilt()) await compile();
      });
    }
    return browser ? await chromium() : undefined;
  } catch (error) {
    if (!(error instanceof BootstrapError)) throw error;
    console.error(`hexpush: ${error.message}`);
    process.exit(1);
  }
}

// --- dependencies -------------------------------------------------------------------------------

function isInstalled() {
  const lockfile = readIfThere(LOCKFILE);
  if (lockfile === undefined) throw new BootstrapError("package-lock.json is missing.");
  // No dependency compiles anything for one Node version, so the stamp names the platform only:
  // another Node on the same checkout needs no second installation.
  const platform = `${process.platform}-${process.arch}`;
  const wanted = `${platform} ${sha256(lockfile)}\n`;
  const stamp = readIfThere(INSTALL_STAMP);
  if (stamp === wanted) return true;
  if (stamp !== undefined && !stamp.startsWith(`${platform} `)) return false;
  if (!npmInstalled(JSON.parse(lockfile))) return false;
  writeFileSync(INSTALL_STAMP, wanted);
  return true;
}

/** Whether a manual npm run has already installed what the lockfile says. */
function npmInstalled(lockfile) {
  const hidden = readIfThere(at("node_modules", ".package-lock.json"));
  if (hidden === undefined) return false;
  const installed = JSON.parse(hidden).packages;
  return Object.keys(lockfile.packages).every((path) => {
    if (path === "") return true;
    const wanted = lockfile.packages[path];
    const found = installed[path];
    if (found === undefined) return wanted.optional === true;
    return (
      found.version === wanted.version &&
      found.integrity === wanted.integrity &&
      (wanted.optional === true || existsSync(at(path, "package.json")))
    );
  });
}

async function install() {
  say("installing dependencies (npm ci)");
  // NODE_ENV=production would leave out the compiler.
  const args = ["ci", "--include=dev", "--no-audit", "--no-fund"];
  const npm = process.env.npm_execpath;
  const { code, output, error } =
    npm !== undefined && basename(npm) === "npm-cli.js"
      ? await run(process.execPath, [npm, ...args])
      : await run("npm", args, { shell: process.platform === "win32" });
  if (error !== undefined) throw new BootstrapError(`npm could not be run: ${error.message}`);
  if (code === 0 && npmInstalled(JSON.parse(readFileSync(LOCKFILE, "utf8")))) {
    rmSync(INSTALL_STAMP, { force: true });
    if (isInstalled()) return;
  }
  process.stderr.write(output);
  throw new BootstrapError(
    code === 0
      ? "`npm ci` reported success, but node_modules is not what package-lock.json says."
      : `installing the dependencies failed (\`npm ci\` ended with ${code}; its output is above).`,
  );
}

// --- build --------------------------------------------------------------------------------------

function isBuilt() {
  return readIfThere(BUILD_STAMP) === buildInputs();
}

/** One line that changes when a file that the build reads is edited, added, removed or renamed. */
function buildInputs() {
  const files = ["package-lock.json", "package.json", "tsconfig.build.json", "tsconfig.json"];
  const walk = (folder) => {
    for (const entry of readdirSync(at(folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) walk(path);
      else files.push(path);
    }
  };
  files.push("scripts/build-client.mjs", "scripts/bundle-server.mjs");
  walk("client");
  walk("src");
  const lines = files.sort().map((file) => {
    const { mtimeMs, size } = statSync(at(file));
    return `${file} ${mtimeMs} ${size}`;
  });
  return `${sha256(lines.join("\n"))}\n`;
}

async function compile() {
  say("building dist/");
  // Taken before the compiler runs, so that an edit in the meantime makes the stamp stale.
  const inputs = buildInputs();
  rmSync(STAGING, { recursive: true, force: true });
  mkdirSync(STAGING);
  // If this process is killed, its leftovers must not show up in `git status`.
  writeFileSync(join(STAGING, ".gitignore"), "*\n");
  const tsc = at("node_modules", "typescript", "bin", "tsc");
  let { code, output } = await run(process.execPath, [
    ...[tsc, "-p", "tsconfig.build.json"],
    ...["--outDir", STAGING, "--noEmitOnError"],
  ]);
  for (const [script, folder] of [
    ["build-client.mjs", join(STAGING, "client")],
    ["bundle-server.mjs", STAGING],
  ]) {
    if (code !== 0) break;
    ({ code, output } = await run(process.execPath, [at("scripts", script), folder]));
  }
  if (code !== 0) {
    rmSync(STAGING, { recursive: true, force: true });
    process.stderr.write(output);
    throw new BootstrapError("the build failed (the compiler's output is above).");
  }
  unlinkSync(join(STAGING, ".gitignore"));
  writeFileSync(join(STAGING, basename(BUILD_STAMP)), inputs);

  // Swapped as a whole: no output of a removed source stays, and nobody sees half a build.
  const old = at(".bootstrap", "old-dist");
  rmSync(old, { recursive: true, force: true });
  if (existsSync(at("dist"))) renameSync(at("dist"), old);
  renameSync(STAGING, at("dist"));
  rmSync(old, { recursive: true, force: true });
}

// --- browser ------------------------------------------------------------------------------------

const BROWSERS = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/usr/bin/google-chrome-stable",
];

async function chromium() {
  const chosen = process.env.HEXPUSH_TEST_CHROMIUM;
  if (chosen) {
    if (starts(chosen)) return chosen;
    throw new BootstrapError(`HEXPUSH_TEST_CHROMIUM=${chosen} cannot be run.`);
  }
  const found = BROWSERS.find(starts);
  if (found !== undefined || !mayInstallPackages()) return found;

  say("installing chromium for the browser tests (apt-get)");
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const aptGet = (...args) => run("apt-get", args, { env, stdio: ["ignore", 2, 2] });
  await aptGet("-qq", "update");
  await aptGet("-qq", "install", "-y", "--no-install-recommends", "chromium");
  return BROWSERS.find(starts);
}

/** Ubuntu ships a /usr/bin/chromium-browser that only prints how to install one. */
function starts(path) {
  return existsSync(path) && spawnSync(path, ["--version"], { timeout: 20_000 }).status === 0;
}

function mayInstallPackages() {
  const isRoot = typeof process.getuid === "function" && process.getuid() === 0;
  return isRoot && existsSync("/usr/bin/apt-get");
}

// --- one at a time ------------------------------------------------------------------------------

const HEARTBEAT = 1_000;
// A pid alone is not enough: after a restart, mainly in a container, another process may have it.
const ABANDONED_AFTER = 15_000;

async function exclusively(work) {
  mkdirSync(dirname(LOCK), { recursive: true });
  const mine = `${process.pid}`;
  let announced = false;
  while (!tryLock(mine)) {
    const holder = readIfThere(LOCK);
    if (holder === undefined) continue;
    if (isAbandoned(holder)) {
      breakLock(holder);
      continue;
    }
    if (!announced) say(`waiting for process ${holder}, which installs or builds`);
    announced = true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const heartbeat = setInterval(() => {
    try {
      utimesSync(LOCK, new Date(), new Date());
    } catch {
      // The lock file was removed by hand; the work continues.
    }
  }, HEARTBEAT);
  try {
    await work();
  } finally {
    clearInterval(heartbeat);
    if (readIfThere(LOCK) === mine) unlinkSync(LOCK);
  }
}

function tryLock(content) {
  try {
    writeFileSync(LOCK, content, { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

function isAbandoned(holder) {
  try {
    if (Date.now() - statSync(LOCK).mtimeMs > ABANDONED_AFTER) return true;
  } catch {
    return false;
  }
  const pid = Number(holder);
  // Empty: its holder is between creating the file and writing to it.
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}

/** Two processes may find the same lock abandoned; the slower must not remove the faster's new lock. */
function breakLock(holder) {
  const aside = `${LOCK}.${process.pid}`;
  try {
    renameSync(LOCK, aside);
    if (readFileSync(aside, "utf8") !== holder) linkSync(aside, LOCK);
  } catch {
    // Another process was faster; the caller tries again.
  }
  rmSync(aside, { force: true });
}

// --- helpers ------------------------------------------------------------------------------------

/** Runs a program to its end and collects its output; it dies with this process. */
function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const stdio = ["ignore", "pipe", "pipe"];
    const child = spawn(command, args, { cwd: root, stdio, ...options });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      stream.setEncoding("utf8");
      stream.on("data", (chunk) => {
        output += chunk;
      });
    }
    const stop = (signal) => {
      child.kill(signal);
      process.exit(128 + constants.signals[signal]);
    };
    process.on("SIGINT", stop);
    process.on("SIGTERM", stop);
    const settle = (result) => {
      process.off("SIGINT", stop);
      process.off("SIGTERM", stop);
      resolve({ output, ...result });
    };
    child.on("error", (error) => settle({ code: 1, error }));
    child.on("close", (code, signal) => settle({ code: code === null ? signal : code }));
  });
}

function readIfThere(path) {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

function sha256(text) {
  return createHash("sha256").update(text).digest("hex");
}

/** On standard error: standard output belongs to the server's log. */
function say(line) {
  console.error(`hexpush: ${line}`);
}
