import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { dirname } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** A server of ours in a process of its own, listening on a free port. */
export interface Program {
  readonly port: number;
  /** @returns the exit code. */
  stop(): Promise<number | null>;
}

/** The environment without what would change a server's settings. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => name !== "PORT" && !name.startsWith("HEXPUSH_"),
  );
  return Object.fromEntries(own);
}

/** Starts `node ARGS…` and waits for the line that names its address. */
export async function startProgram(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Program> {
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...cleanEnvironment(), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "exit") as Promise<[number | null]>;
  const port = await listeningPort(child);
  return {
    port,
    async stop() {
      child.kill("SIGTERM");
      const [code] = await exited;
      return code;
    },
  };
}

/** `hexpush serve` as it is built. */
export function startServer(env: NodeJS.ProcessEnv = {}): Promise<Program> {
  return startProgram(["dist/main.js", "serve"], { HEXPUSH_PORT: "0", ...env });
}

function listeningPort(child: ChildProcessByStdio<null, Readable, Readable>): Promise<number> {
  let output = "";
  return new Promise((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString("utf8");
      const match = /listening/.test(output)
        ? /http:\/\/(?:[\d.]+|\[[\da-f:]+\]):(\d+)/.exec(output)
        : null;
      if (match?.[1] !== undefined) resolve(Number(match[1]));
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.on("exit", () => reject(new Error(`it ended before it listened:\n${output}`)));
  });
}
