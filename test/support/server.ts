import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Inbox, within } from "./inbox.js";

export { lastingPort } from "../../scripts/lasting-port.mjs";

export interface ServerOptions {
  /** Settings over the defaults; none of the test run's own environment reaches the server. */
  readonly env?: Readonly<Record<string, string>>;
  /** @defaultValue 0, any free port */
  readonly port?: number;
}

/** One line of the server's log. */
export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly url?: string;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** `HEXPUSH_TEST_MAIN` names another build's main.js, for instance one that is broken on purpose. */
const MAIN =
  process.env.HEXPUSH_TEST_MAIN ?? fileURLToPath(new URL("../../dist/main.js", import.meta.url));

/** The built server as a process of its own, up and listening. */
export class TestServer {
  /** For instance `http://127.0.0.1:4004`. */
  readonly url: string;
  readonly port: number;
  readonly logs: Inbox<LogLine>;
  readonly #process: ServerProcess;

  constructor(process: ServerProcess, url: string) {
    this.#process = process;
    this.logs = process.logs;
    this.url = url;
    this.port = Number(new URL(url).port);
  }

  /** What Phoenix's and PushEx's clients are given. */
  get wsUrl(): string {
    return socketUrl(this.url);
  }

  get pid(): number {
    return this.#process.child.pid as number;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.child.kill(signal);
  }

  async exited(): Promise<Exit> {
    return within(this.#process.exited, "the server's end");
  }

  /** @returns the exit code; null where the signal itself ended the process. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    this.signal(signal);
    return (await this.exited()).code;
  }

  /** Ends it at once, also where it has ended already. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.exited();
  }
}

/** Starts the built server and waits until it listens. */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const process = launch(options);
  const listening = process.logs.next(({ msg }) => msg === "listening");
  const line = await Promise.race([listening, process.exited]);
  if ("msg" in line && line.url !== undefined) return new TestServer(process, line.url);
  listening.catch(() => undefined);
  throw new Error(`the server did not start: ${JSON.stringify(line)}`);
}

/** Starts a server that is to refuse its settings. */
export async function startFailure(options: ServerOptions): Promise<Exit> {
  const { child, exited } = launch(options);
  try {
    return await within(exited, "the server's end");
  } finally {
    child.kill("SIGKILL");
  }
}

/** `http://host:port` → `ws://host:port/push_socket` */
export function socketUrl(url: string): string {
  return `${url.replace(/^http/, "ws")}/push_socket`;
}

interface ServerProcess {
  readonly child: ChildProcess;
  readonly logs: Inbox<LogLine>;
  readonly exited: Promise<Exit>;
}

/** Servers still running when the tests end, for whatever reason, end with them. */
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** `HEXPUSH_TEST_WEBSOCKETS=ws` runs the tests of the built server on this library. */
function libraryAsked(): Record<string, string> {
  const library = process.env.HEXPUSH_TEST_WEBSOCKETS;
  return library === undefined ? {} : { HEXPUSH_WEBSOCKETS: library };
}

function launch({ env = {}, port = 0 }: ServerOptions): ServerProcess {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: npm run build`);
  const child = spawn(process.execPath, [MAIN, "serve"], {
    env: { PATH: process.env.PATH, HEXPUSH_PORT: `${port}`, ...libraryAsked(), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const logs = new Inbox<LogLine>("log lines");
  createInterface({ input: child.stdout }).on("line", (line) => {
    logs.push(JSON.parse(line) as LogLine);
  });
  const exited = new Promise<Exit>((resolve) => {
    child.on("close", (code, signal) => {
      running.delete(child);
      resolve({ code, signal, stderr });
    });
  });
  return { child, logs, exited };
}
