// `npm run bench`: hexpush beside its yardsticks, in one run. bench/README.md says how to read it.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { disturbance, generatorTable, mainTable, Results, targetLines } from "../bench/report.mjs";
import { launch, SERVERS, startServer } from "../bench/servers.mjs";
import { scenarios as allScenarios } from "../bench/workloads.mjs";

const USAGE = `npm run bench -- [options]
  --quick            few iterations, fewer sockets, one round: does it run at all?
  --only NAME,...    these workloads only: ${names(allScenarios({ quick: false, maxSockets: 1 }))}
  --servers NAME,... these servers only: ${Object.keys(SERVERS).join(", ")}
  --other DIRECTORY  hexpush as built there too, as hexpush-other: another version of it
  --rounds N         interleaved rounds, 3 unless told
  --json FILE        every single figure, for a closer look`;

// What a server or the generator needs besides a workload's sockets: files, push connections, and
// the sockets that the memory workload opens beforehand.
const SPARE_DESCRIPTORS = 700;

const options = readOptions();
if (process.platform !== "linux") stopWith("The benchmark reads /proc, so it runs on Linux only.");
await buildFirst();

const servers = options.servers.filter((name) => {
  const missing = SERVERS[name].missing?.();
  if (missing) console.log(`${name} is left out: ${missing}`);
  return !missing;
});
if (servers.length === 0) stopWith("No server to measure.");

const [serverCpu, generatorCpu] = pinning();
const maxSockets = descriptorLimit() - SPARE_DESCRIPTORS;
const scenarios = allScenarios({ quick: options.quick, maxSockets }).filter(
  ({ name }) => options.only === undefined || options.only.includes(name),
);
if (maxSockets < 10_000) {
  console.log(`The open-file limit allows ${maxSockets} sockets; 10,000 are cut down to that.`);
}

console.log(
  `${cpus()[0].model.trim()}, ${availableParallelism()} CPUs, Node ${process.version}, ` +
    `${options.rounds} interleaved round${options.rounds === 1 ? "" : "s"}` +
    `${options.quick ? " (quick: the figures mean little)" : ""}`,
);

const results = new Results();
const failures = [];
const begin = Date.now();
for (let round = 0; round < options.rounds; round++) {
  for (const scenario of scenarios) {
    // Each round begins with another server, so that none always runs in another one's wake.
    for (let i = 0; i < servers.length; i++) {
      const server = servers[(i + round) % servers.length];
      const isFor = SERVERS[server].only?.includes(scenario.name) !== false;
      if (isFor && scenario.servers?.includes(server) !== false) {
        await measure(server, scenario, round);
      }
    }
  }
}

console.log(`\n${mainTable(results, scenarios, servers)}`);
const generator = generatorTable(results, scenarios, servers);
if (generator) console.log(`\n${generator}`);
const disturbed = disturbance(results);
if (disturbed) console.log(`\n${disturbed}`);
// So few iterations say nothing about a target.
const targets = options.quick ? [] : targetLines(results);
if (targets.length > 0) console.log(`\n${targets.join("\n")}`);
if (options.json) writeFileSync(options.json, `${JSON.stringify(results, null, 1)}\n`);
console.log(`\n${Math.round((Date.now() - begin) / 1000)} s`);
for (const failure of failures) console.log(`FAILED  ${failure}`);
process.exit(failures.length > 0 ? 1 : 0);

/** One fresh server, one generator, one scenario. */
async function measure(name, { name: scenario, servers: _, ...work }, round) {
  progress(`round ${round + 1} of ${options.rounds}: ${scenario}, ${name}`);
  let server;
  try {
    server = await startServer(name, { cpu: serverCpu, collectable: work.collectable });
    const outcome = await generate({ ...work, ...server.job });
    if (outcome.failure) throw new Error(outcome.failure);
    results.add({ server: name, scenario, round, phases: outcome.phases });
  } catch (error) {
    progress("");
    const failure = `${name}, ${scenario}, round ${round + 1}: ${error.message}`;
    failures.push(failure);
    console.log(failure);
    const output = server?.output().trim();
    if (output) console.log(`the server said:\n${output}`);
  } finally {
    await server?.stop();
    progress("");
  }
}

async function generate(job) {
  const script = fileURLToPath(new URL("../bench/load.mjs", import.meta.url));
  const child = launch([process.execPath, script, JSON.stringify(job)], {
    cpu: generatorCpu,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (text) => {
    output += text;
  });
  const [code] = await once(child, "close");
  const line = output.trim().split("\n").at(-1);
  return line ? JSON.parse(line) : { failure: `the load generator ended with code ${code}` };
}

function readOptions() {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        quick: { type: "boolean", default: false },
        only: { type: "string" },
        servers: { type: "string" },
        other: { type: "string" },
        rounds: { type: "string" },
        json: { type: "string" },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    stopWith(`${error.message}\n${USAGE}`);
  }
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
  if (!Number.isInteger(rounds) || rounds < 1) stopWith(`--rounds takes a number from 1\n${USAGE}`);
  const other = SERVERS["hexpush-other"];
  if (values.other !== undefined) other.args[0] = resolve(values.other, "dist/main.js");
  const all = Object.keys(SERVERS).filter((name) => values.other || SERVERS[name] !== other);
  const servers = values.servers?.split(",") ?? all;
  const only = values.only?.split(",");
  const known = allScenarios({ quick: false, maxSockets: 1 }).map(({ name }) => name);
  for (const [list, all] of [
    [servers, Object.keys(SERVERS)],
    [only ?? [], known],
  ]) {
    const unknown = list.find((name) => !all.includes(name));
    if (unknown !== undefined) stopWith(`"${unknown}" is not one of ${all.join(", ")}\n${USAGE}`);
  }
  return { ...values, rounds, servers, only };
}

/** In a fresh clone the bootstrap installs and builds; without one the hint in `missing` must do. */
async function buildFirst() {
  if (!options.servers.some((name) => name.startsWith("hexpush"))) return;
  const bootstrap = new URL("bootstrap.mjs", import.meta.url);
  if (!existsSync(bootstrap)) return;
  const { ensure } = await import(bootstrap.href);
  await ensure({ build: true });
}

/** The first two CPUs that this process may use, where there are two and taskset is there. */
function pinning() {
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

function descriptorLimit() {
  const limit = execFileSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).trim();
  return limit === "unlimited" ? 1_000_000 : Number(limit);
}

function names(scenarios) {
  return scenarios.map(({ name }) => name).join(", ");
}

function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

function stopWith(message) {
  console.error(message);
  process.exit(2);
}
