// The server under test: `hexpush serve` as it is built, in a process of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { lastingPort } from "../../scripts/lasting-port.mjs";

const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const START_MS = 20_000;
const OUTPUT_KEPT = 4_000;

const started = new Set();

// Whatever ends this process, the servers that it started (and no others) end too.
process.on("exit", () => {
  for (const child of started) child.kill("SIGKILL");
});

export class Server {
  /** A free one at the first start, and the same ever after. */
  port = 0;
  kills = 0;
  /** Milliseconds from each SIGKILL until the next process listened. */
  outages = [];
  /** How often it has cut a client that was too slow. */
  cuts = 0;
  output = "";
  #env;
  #child;

  /** @param settings `HEXPUSH_…` */
  constructor(settings) {
    // What the caller has set for a server of his own must not change this one.
    const own = Object.entries(process.env).filter(
      ([name]) => name !== "PORT" && !name.startsWith("HEXPUSH_"),
    );
    this.#env = { ...Object.fromEntries(own), ...settings };
  }

  async start() {
    if (this.port === 0) this.port = await lastingPort();
    const child = spawn(process.execPath, [MAIN, "serve"], {
      env: { ...this.#env, HEXPUSH_PORT: `${this.port}` },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    started.add(child);
    child.once("exit", () => started.delete(child));
    await this.#listening(child);
  }

  /** As a power cut does it, then up again. */
  async killAndRestart() {
    const begin = performance.now();
    this.kills++;
    await this.stop();
    await this.start();
    this.outages.push(performance.now() - begin);
  }

  async stop() {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  get isRunning() {
    return this.#child?.exitCode === null && this.#child.signalCode === null;
  }

  #listening(child) {
    return new Promise((resolve, reject) => {
      const fail = (why) => reject(new Error(`the server ${why}\n${this.output}`));
      const timer = setTimeout(() => fail("did not start in time"), START_MS);
      const read = (bytes) => {
        const text = bytes.toString();
        this.output = (this.output + text).slice(-OUTPUT_KEPT);
        this.cuts += text.split("slow consumer cut").length - 1;
        if (!text.includes('"listening"')) return;
        clearTimeout(timer);
        resolve();
      };
      child.stdout.on("data", read);
      child.stderr.on("data", read);
      child.once("exit", () => {
        clearTimeout(timer);
        fail("ended by itself");
      });
    });
  }
}
