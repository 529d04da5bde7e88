import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { within } from "../support/inbox.js";
import { Publisher } from "../support/publisher.js";
import { turns } from "../support/raw-http.js";
import { type LogLine, startServer, type TestServer } from "../support/server.js";

/** pino's number of `error`. */
const ERROR = 50;

/** How long a server that does nothing else may take to answer. */
const ANSWER_MS = 3_000;

/** Only ever waited for after a failure. */
const LATE_LOG_MS = 100;

/**
 * The server that is tormented. Where an input ends it the next one meets a new server, so that
 * fast-check shrinks to the input that did it.
 */
export class Victim {
  #server: TestServer;
  #publisher: Publisher;
  #linesRead = 0;
  #deaths = 0;

  private constructor(server: TestServer) {
    this.#server = server;
    this.#publisher = new Publisher(server.url);
  }

  static async start(): Promise<Victim> {
    return new Victim(await startServer());
  }

  get server(): TestServer {
    return this.#server;
  }

  get port(): number {
    return this.#server.port;
  }

  /** How many servers have ended since the first one was started. */
  get deaths(): number {
    return this.#deaths;
  }

  /** Resolves once the server has answered another client's request, made now. */
  async roundTrip(): Promise<void> {
    const answer = this.#publisher.get("/health/live");
    const { status } = await within(answer, "the server's answer", ANSWER_MS);
    if (status !== 200) throw new Error(`/health/live: ${status}`);
  }

  /**
   * Does this to the server, and sees that it lives on, serves the next client and has logged no
   * error.
   */
  async survives(torment: () => Promise<void>): Promise<void> {
    try {
      await torment();
      await this.roundTrip();
    } catch (error) {
      // A connection that the failure has left behind is not for the next input to meet.
      this.#renewPublisher();
      if (!(await this.#isServing())) throw await this.#bury(error);
      // Nor is what the server logs about it, which may come after its answer.
      await setTimeout(LATE_LOG_MS);
      await this.#errorLines();
      throw error;
    }
    const [line] = await this.#errorLines();
    if (line !== undefined) throw new Error(`the server logged ${JSON.stringify(line)}`);
  }

  /** Ends it as an operator does. @returns what is to be equal to `CLEAN_END`. */
  async stop() {
    this.#publisher.close();
    this.#server.signal("SIGTERM");
    const { code, stderr } = await this.#server.exited();
    return { code, stderr, errors: this.#server.logs.items.filter(isError) };
  }

  async kill(): Promise<void> {
    this.#publisher.close();
    await this.#server.kill();
  }

  /** Those since the last call. What the server wrote before it answered is here a moment later. */
  async #errorLines(): Promise<LogLine[]> {
    await turns(2);
    const { items } = this.#server.logs;
    const lines = items.slice(this.#linesRead).filter(isError);
    this.#linesRead = items.length;
    return lines;
  }

  async #isServing(): Promise<boolean> {
    return this.roundTrip().then(
      () => true,
      () => false,
    );
  }

  /** Starts another one. @returns how the dead one has ended; one that hangs is ended here. */
  async #bury(cause: unknown): Promise<Error> {
    await this.#server.kill();
    const exit = await this.#server.exited();
    this.#deaths++;
    this.#server = await startServer();
    this.#renewPublisher();
    this.#linesRead = 0;
    return new Error(`the server died: ${JSON.stringify(exit)}`, { cause });
  }

  #renewPublisher(): void {
    this.#publisher.close();
    this.#publisher = new Publisher(this.#server.url);
  }
}

export const CLEAN_END = { code: 0, stderr: "", errors: [] };

/** Memory that the process holds, in megabytes; undefined where the system does not tell. */
export async function residentMb(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) / 1024;
}

function isError({ level }: LogLine): boolean {
  return level >= ERROR;
}
