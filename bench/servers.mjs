// Which servers there are, and the one function that starts any of them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { get } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { lastingPort } from "../scripts/lasting-port.mjs";
import { API_KEY } from "./load/content.mjs";
import { family } from "./load/process-stats.mjs";
import { PEERS } from "./peers.mjs";

const local = (path) => fileURLToPath(new URL(path, import.meta.url));

/**
 * The catalogue. To add a peer, add an entry:
 * - `args` are Node's arguments, or `command` starts another program;
 * - `env` is what it needs to listen on 127.0.0.1 and the given port; it also gets a fresh directory
 *   if `scratch` is set, and a second port for pushes if `pushesApart` is;
 * - `tidy` is set if it is several processes;
 * - `dialect` is its protocol if that is not Phoenix's, `streamDialect` that of its event streams if
 *   it has them;
 * - `missing` returns a sentence if it cannot run here;
 * - `only` are the workloads that it is measured with, `versions` what it is made of.
 */
const HEXPUSH = {
  streamDialect: "event-stream",
  args: [local("../dist/main.js"), "serve"],
  env: (port) => ({
    HEXPUSH_HOST: "127.0.0.1",
    HEXPUSH_PORT: String(port),
    HEXPUSH_LOG_LEVEL: "warn",
    // The generator opens its sockets at once, as no clients do; the others bound nothing either.
    HEXPUSH_CONNECT_RATE: "0",
  }),
  missing: () =>
    existsSync(local("../dist/main.js"))
      ? undefined
      : "dist/main.js does not exist: run `npm run build` first",
};

export const SERVERS = {
  floor: {
    title: "floor",
    args: [local("servers/floor.mjs")],
    env: (port) => ({ PORT: String(port) }),
  },
  hexpush: { title: "hexpush", ...HEXPUSH },
  // The same with one API key of each kind: what a policy costs.
  "hexpush-key": {
    title: "hexpush with API keys",
    ...HEXPUSH,
    env: (port) => ({ ...HEXPUSH.env(port), HEXPUSH_API_KEYS: `another-key,${API_KEY}` }),
    only: ["post"],
  },
  // The same without ids and history: what those cost.
  "hexpush-no-history": {
    title: "hexpush without history",
    ...HEXPUSH,
    env: (port) => ({ ...HEXPUSH.env(port), HEXPUSH_HISTORY_SIZE: "0" }),
    only: ["fanout-1k", "channels-1k", "post", "post-1k", "history"],
  },
  // The same with everything on the disk before it is answered.
  "hexpush-file": {
    title: "hexpush on the file broker",
    ...HEXPUSH,
    scratch: true,
    env: (port, directory) => ({ ...HEXPUSH.env(port), HEXPUSH_BROKER: `file:${directory}` }),
    only: ["post", "post-1k"],
  },
  // Another build, such as a commit before: `--other DIRECTORY`. It must know the same settings.
  "hexpush-other": {
    title: "another build of hexpush",
    ...HEXPUSH,
    args: ["dist/main.js", "serve"],
    missing: () =>
      existsSync(SERVERS["hexpush-other"].args[0]) ? undefined : "--other names no built checkout",
    only: [
      ...["fanout-1k", "channels-1k", "post", "batch", "post-1k", "memory", "connect"],
      ...["sse-fanout-1k", "sse-memory", "sse-connect"],
    ],
  },
  ...PEERS,
};

/** A server that does not end at SIGTERM within this time is killed. */
const TIDY_MS = 2_000;

const started = new Set();
/** Of servers that keep something on the disk. */
const directories = new Set();

// Whatever ends this process, the servers and generators that it started (and no others) end too.
process.on("exit", () => {
  for (const child of started) killFamily(child);
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
]) {
  process.once(signal, () => process.exit(code));
}

/** A server may be several processes, and those outlive the first one's end. */
function killFamily(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  for (const pid of family(child.pid)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It was quicker.
    }
  }
}

/**
 * Starts a program with the open-file limit raised to its maximum, pinned to a CPU if `cpu` is a
 * number. The shell and taskset both `exec`, so the child's pid is the program's own.
 */
export function launch(command, { cpu, env = {}, stdio }) {
  const pin = cpu === undefined ? [] : ["taskset", "-c", String(cpu)];
  const raise = 'ulimit -n "$(ulimit -Hn)" 2>/dev/null; exec "$@"';
  const child = spawn("sh", ["-c", raise, "sh", ...pin, ...command], {
    env: { ...cleanEnvironment(), ...env },
    stdio,
  });
  started.add(child);
  child.once("exit", () => started.delete(child));
  return child;
}

/**
 * Starts a server of the catalogue and resolves once it accepts connections. With `streams` the
 * generator opens event streams to it.
 */
export async function startServer(
  name,
  {
    cpu,
    collectable = false,
    streams = false,
    isUp = SERVERS[name].isUp ?? accepts,
    everyMs = 25,
  } = {},
) {
  const server = SERVERS[name];
  const port = await lastingPort();
  const pushPort = server.pushesApart ? await lastingPort() : undefined;
  const preload = collectable ? ["--import", local("servers/gc-on-signal.mjs")] : [];
  const directory = server.scratch
    ? mkdtempSync(join(dataDirectory(), "hexpush-bench-"))
    : undefined;
  if (directory) directories.add(directory);
  const command = server.command?.(port, directory) ?? [
    ...[process.execPath, ...preload, ...server.args],
  ];
  const launched = performance.now();
  const child = launch(command, {
    cpu,
    env: { NODE_ENV: "production", ...server.env(port, directory, pushPort) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const keep = (text) => {
    output = (output + text).slice(-4000);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);

  const deadline = Date.now() + 20_000;
  while (!(await isUp(port))) {
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
      killFamily(child);
      throw new Error(`${name} did not start on port ${port}\n${output}`);
    }
    await sleep(everyMs);
  }
  const upMs = performance.now() - launched;
  return {
    name,
    /** What the generator must know of it; the signal to collect garbage is for Node alone. */
    job: {
      ...{ port, pushPort, pid: child.pid },
      dialect: streams ? server.streamDialect : server.dialect,
      collectable: collectable && server.command === undefined,
    },
    /** From its start until it was seen to be up. */
    upMs,
    output: () => output,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        // What has children ends them itself, and waits for them.
        if (server.tidy) {
          child.kill("SIGTERM");
          await Promise.race([once(child, "exit"), sleep(TIDY_MS)]);
        }
        killFamily(child);
        if (started.has(child)) await once(child, "exit");
      }
      if (directory) rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** For how many ms a fresh server lets the first that asks for /health/ready wait. */
export async function timeToReady(name, { cpu }) {
  const server = await startServer(name, { cpu, isUp: answers, everyMs: 2 });
  await server.stop();
  return server.upMs;
}

const TMPFS = 0x01021994;

/** On a disk: what is synced to a directory that is in memory costs next to nothing. */
export function dataDirectory() {
  return statfsSync(tmpdir()).type === TMPFS ? local("..") : tmpdir();
}

/** The caller's own HEXPUSH_* settings and Node options must not colour the comparison. */
function cleanEnvironment() {
  const unwanted = /^(HEXPUSH_|NODE_OPTIONS$|PORT$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([key]) => !unwanted.test(key)));
}

/** Any answer but "not yet" (503): only hexpush knows the route. */
function answers(port) {
  return new Promise((resolve) => {
    const request = get({ port, host: "127.0.0.1", path: "/health/ready", agent: false });
    request.once("error", () => resolve(false));
    request.once("response", (response) => {
      response.resume();
      resolve(response.statusCode !== 503);
    });
  });
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
