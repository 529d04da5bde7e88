// `npm run bench`: measures hexpush and its peers in one run. bench/README.md explains the results.
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chart } from "../bench/chart.mjs";
import { describeRun, descriptorLimit, pinning } from "../bench/machine.mjs";
import { readOptions, stopWith } from "../bench/options.mjs";
import {
  disturbance,
  generatorRows,
  lagRows,
  mainRows,
  medianOf,
  Results,
  streamRows,
  table,
  targetLines,
  waitRows,
} from "../bench/report.mjs";
import { resultsPage } from "../bench/results-page.mjs";
import { launch, SERVERS, startServer, timeToReady } from "../bench/servers.mjs";
import { scenarios as allScenarios, selectScenarios, withRate } from "../bench/workloads.mjs";

// What a server or the generator needs besides a workload's sockets: files, push connections, and
// the sockets that the memory workloads open beforehand.
const SPARE_DESCRIPTORS = 700;

const options = readOptions();
const run = options.from ? JSON.parse(readFileSync(options.from, "utf8")) : await measureAll();
const failed = report(run);
process.exit(failed ? 1 : 0);

/** Every scenario on every server in every round; resolves to a `Run` (report.mjs). */
async function measureAll() {
  if (process.platform !== "linux")
    stopWith("The benchmark reads /proc, so it runs on Linux only.");
  await buildFirst();
  const [serverCpu, generatorCpu] = pinning();
  const maxSockets = descriptorLimit() - SPARE_DESCRIPTORS;
  const every = allScenarios({ quick: options.quick, maxSockets });
  const scenarios = selectScenarios(every, options);
  const servers = options.servers.filter((name) => {
    if (!scenarios.some((scenario) => takesPart(name, scenario))) return false;
    const missing = SERVERS[name].missing?.();
    if (missing) console.log(`${name} is left out: ${missing}`);
    return !missing;
  });
  if (servers.length === 0) stopWith("No server to measure.");
  if (maxSockets < 10_000) {
    console.log(`The open-file limit allows ${maxSockets} sockets; 10,000 are cut down to that.`);
  }
  const versions = Object.fromEntries(
    servers.flatMap((name) => Object.entries(SERVERS[name].versions?.() ?? {})),
  );
  const { rounds, quick } = options;
  const about = describeRun({ rounds, quick, serverCpu, generatorCpu, maxSockets, versions });
  console.log(
    `${about.cpu}, ${about.cores} CPUs, Node ${about.node}, ` +
      `${rounds} interleaved round${rounds === 1 ? "" : "s"}` +
      `${quick ? " (quick: the figures mean little)" : ""}`,
  );

  const results = new Results();
  const failures = [];
  const begin = Date.now();
  for (let round = 0; round < rounds; round++) {
    for (const scenario of scenarios) {
      // Each round begins with another server, so that no server always runs after the same one.
      for (let i = 0; i < servers.length; i++) {
        const server = servers[(i + round) % servers.length];
        if (takesPart(server, scenario)) await measure(server, scenario, round);
      }
    }
  }
  const seconds = Math.round((Date.now() - begin) / 1000);
  return { about: { ...about, seconds }, scenarios, servers, runs: results.toJSON(), failures };

  function takesPart(server, scenario) {
    const isFor = SERVERS[server].only?.includes(scenario.name) !== false;
    return isFor && scenario.servers?.includes(server) !== false;
  }

  /** One fresh server, one generator, one scenario. */
  async function measure(name, scenario, round) {
    progress(`round ${round + 1} of ${rounds}: ${scenario.name}, ${name}`);
    const said = { output: () => "" };
    try {
      const phases = await phasesOf(name, scenario, round, said);
      results.add({ server: name, scenario: scenario.name, round, phases });
    } catch (error) {
      progress("");
      const failure = `${name}, ${scenario.name}, round ${round + 1}: ${error.message.replace(/\s+/g, " ")}`;
      failures.push(failure);
      console.log(failure);
      const output = said.output().trim();
      if (output) console.log(`the server said:\n${output}`);
    } finally {
      progress("");
    }
  }

  async function phasesOf(name, scenario, round, said) {
    if (scenario.kind === "start") return { ready: await starts(name, scenario) };
    const rate = scenario.halfRateOf && (await halfRateOf(scenario.halfRateOf, round));
    const paced = scenario.phases?.some((phase) => "rate" in phase);
    const {
      name: _,
      servers: __,
      halfRateOf: ___,
      sse,
      ...work
    } = paced ? withRate(scenario, rate) : scenario;
    const server = await startServer(name, {
      cpu: serverCpu,
      collectable: work.collectable,
      streams: sse !== undefined,
    });
    said.output = server.output;
    try {
      const outcome = await generate({ ...work, ...server.job }, generatorCpu);
      if (outcome.failure) throw new Error(outcome.failure);
      return outcome.phases;
    } finally {
      await server.stop();
    }
  }

  async function starts(name, { starts: count }) {
    const times = [];
    for (let n = 0; n < count; n++) times.push(await timeToReady(name, { cpu: serverCpu }));
    return { ms: medianOf(times) };
  }

  /** Half the pushes per second that a server sustained in this round; measured on the first call. */
  async function halfRateOf({ server, scenario: name, phase }, round) {
    const figure = { scenario: name, phase, metric: "pushesPerSecond", round };
    if (results.median(server, figure) === undefined) {
      const scenario = every.find((one) => one.name === name);
      const phases = scenario.phases.filter((one) => one.name === phase);
      await measure(server, { ...scenario, phases }, round);
    }
    const full = results.median(server, figure);
    if (full === undefined) throw new Error(`no rate of ${server} to halve`);
    return Math.round(full / 2);
  }
}

/** Prints the results and writes the requested files. @returns whether something failed. */
function report(measured) {
  const { about, runs, failures } = measured;
  const results = new Results(runs);
  const shown = { ...measured, results };
  // A quick run has too few iterations to judge a target.
  const targets = about.quick ? [] : targetLines(results);
  const parts = [
    table(mainRows(shown)),
    table(streamRows(shown)),
    table(generatorRows(shown)),
    table(lagRows(shown)),
    disturbance(results),
    disturbance(results) && table(waitRows(shown)),
    targets.join("\n"),
    `${about.seconds} s`,
  ];
  console.log(`\n${parts.filter((part) => part !== "").join("\n\n")}`);
  if (options.json) writeFileSync(options.json, `${JSON.stringify(measured, null, 1)}\n`);
  if (options.results) {
    const file = (name) => join(options.results, name);
    writeFileSync(
      file("RESULTS.md"),
      resultsPage({ run: measured, results, chart: "results.svg" }),
    );
    writeFileSync(file("results.svg"), chart({ run: measured, results }));
    console.log(`\nwritten: ${file("RESULTS.md")}, ${file("results.svg")}`);
  }
  for (const failure of failures) console.log(`FAILED  ${failure}`);
  return failures.length > 0;
}

async function generate(job, cpu) {
  const script = fileURLToPath(new URL("../bench/load.mjs", import.meta.url));
  const child = launch([process.execPath, script, JSON.stringify(job)], {
    cpu,
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

/** In a fresh clone, the bootstrap installs and builds; otherwise `missing` has a hint. */
async function buildFirst() {
  if (!options.servers.some((name) => name.startsWith("hexpush"))) return;
  const bootstrap = new URL("bootstrap.mjs", import.meta.url);
  if (!existsSync(bootstrap)) return;
  const { ensure } = await import(bootstrap.href);
  await ensure({ build: true });
}

function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
