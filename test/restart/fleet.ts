import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { within } from "../support/inbox.js";

const PROGRAM = fileURLToPath(new URL("fleet.mjs", import.meta.url));

/** What has happened to one client; times are milliseconds since 1970. */
export interface ClientReport {
  readonly kind: "raw" | "hexpush" | "phoenix" | "stream";
  readonly channel: string;
  readonly opens: readonly number[];
  readonly closes: readonly { readonly at: number; readonly code?: number; reason?: string }[];
  /** Connects that came to nothing. */
  readonly failed: number;
  readonly joins: readonly { readonly at: number; readonly recovered?: boolean }[];
  /** The number of the message that it expects. */
  readonly next: number;
  readonly lost: number;
  /** Or late. */
  readonly duplicated: number;
}

export interface FleetOptions {
  readonly url: string;
  readonly wsUrl: string;
  readonly channels: readonly string[];
  readonly clients: number;
  /** How many connect in one second, at the beginning. */
  readonly perSecond: number;
}

type Told =
  | { readonly kind: "joined" }
  | { readonly kind: "settled"; readonly missing: number }
  | { readonly kind: "report"; readonly clients: readonly ClientReport[] };

/** Many clients in a process of their own. */
export class Fleet {
  readonly #child: ChildProcess;
  readonly joined: Promise<unknown>;

  constructor(options: FleetOptions) {
    this.#child = fork(PROGRAM, [JSON.stringify(options)]);
    this.joined = this.#told("joined");
    this.joined.catch(() => {});
  }

  /** @returns how many clients lack the last message of their channel, though they had time. */
  async settled(finals: Readonly<Record<string, number>>): Promise<number> {
    const told = this.#told("settled");
    this.#child.send({ kind: "settled", finals });
    return (await told).missing;
  }

  async report(): Promise<readonly ClientReport[]> {
    const told = this.#told("report");
    this.#child.send({ kind: "report" });
    return (await told).clients;
  }

  end(): void {
    this.#child.kill("SIGKILL");
  }

  #told<K extends Told["kind"]>(kind: K): Promise<Extract<Told, { kind: K }>> {
    const told = new Promise<Extract<Told, { kind: K }>>((resolve, reject) => {
      this.#child.on("message", (message: Told) => {
        if (message.kind === kind) resolve(message as Extract<Told, { kind: K }>);
      });
      this.#child.once("exit", () => reject(new Error("a fleet has ended")));
    });
    return within(told, `a fleet's "${kind}"`, 120_000);
  }
}
