import { Json } from "../../domain/json.js";
import { type ConnectionEnd, PhoenixConnection } from "../phoenix-connection.js";
import type { Received } from "../phoenix-frames.js";
import { CommandError } from "../usage-error.js";
import { type BenchPlan, DATA_HEAD, SEQUENCE_DIGITS } from "./plan.js";

/** Few enough that a server with a connect rate does not make any of them wait for long. */
const CONNECTS_AT_ONCE = 100;
/** Maximum time to connect all sockets, in milliseconds. */
const CONNECT_TIMEOUT_MS = 60_000;
/** The server closes a socket after 45 s of silence. */
const HEARTBEAT_MS = 30_000;

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

export interface SubscriberEvents {
  /** @param sequence NaN if the message has none */
  arrived(subscriber: number, channel: number, sequence: number): void;
  /** A joined socket was closed. */
  gone(why: string): void;
}

/** The sockets, each joined to one channel. */
export class Subscribers {
  /** Number of joined sockets. */
  joined = 0;
  /** How long it took to connect and join them, in seconds. */
  seconds = 0;
  /** Fraction of that time in which the event loop was not idle. */
  busy = 0;
  readonly #plan: BenchPlan;
  readonly #events: SubscriberEvents;
  readonly #prefixes: readonly Buffer[];
  readonly #connections: PhoenixConnection[] = [];
  #isOver = false;

  constructor(plan: BenchPlan, events: SubscriberEvents) {
    this.#plan = plan;
    this.#events = events;
    this.#prefixes = plan.channels.map((name) =>
      Buffer.from(`[null,null,${JSON.stringify(name)},"msg",{"data":${DATA_HEAD}`),
    );
  }

  /** Number of subscribers of a channel, given the channel's index in the plan. */
  of(channel: number): number {
    const { subscribers, channels } = this.#plan;
    return Math.floor((subscribers - 1 - channel) / channels.length) + 1;
  }

  /**
   * Connects and joins all sockets; fewer if `stopped` aborts first.
   *
   * @throws {CommandError} with the reason of the first socket that fails, or on a timeout.
   */
  async open(stopped: AbortSignal): Promise<void> {
    const begin = performance.now();
    const loop = performance.eventLoopUtilization();
    let timer: NodeJS.Timeout | undefined;
    const halt = new Promise<void>((resolve, reject) => {
      stopped.addEventListener("abort", () => resolve());
      const late = `not all sockets joined within ${CONNECT_TIMEOUT_MS / 1000} s`;
      timer = setTimeout(() => reject(new CommandError(late)), CONNECT_TIMEOUT_MS);
    });
    try {
      const workers = Array.from({ length: CONNECTS_AT_ONCE }, () => this.#openInTurn(stopped));
      await Promise.race([Promise.all(workers), halt]);
    } finally {
      clearTimeout(timer);
      this.seconds = (performance.now() - begin) / 1000;
      this.busy = performance.eventLoopUtilization(loop).utilization;
    }
  }

  /** Closes all sockets. No event is reported afterwards. */
  close(): void {
    this.#isOver = true;
    for (const connection of this.#connections) connection.close();
  }

  async #openInTurn(stopped: AbortSignal): Promise<void> {
    while (!this.#isOver && !stopped.aborted && this.#connections.length < this.#plan.subscribers) {
      await this.#openOne(this.#connections.length);
      this.joined++;
    }
  }

  #openOne(subscriber: number): Promise<void> {
    const { socketUrl, token, channels } = this.#plan;
    const channel = subscriber % channels.length;
    return new Promise((resolve, reject) => {
      let isJoined = false;
      const connection = new PhoenixConnection({
        url: socketUrl,
        token,
        heartbeatMs: HEARTBEAT_MS,
        joins: new Map([[channels[channel] as string, Json.emptyObject]]),
        onJoined: () => {
          isJoined = true;
          resolve();
        },
        take: (bytes) => this.#take(bytes, subscriber, channel),
        // `take` did not recognize the message: a policy or another server serialized it differently.
        onMessage: (message) => {
          this.#events.arrived(subscriber, channel, sequenceOf(message));
        },
        onEnd: (end) => {
          if (isJoined) this.#events.gone(end.why);
          else reject(refusedSocket(end));
        },
      });
      this.#connections.push(connection);
    });
  }

  /** Reads the sequence number from the bytes: parsing each message would cost ten times as much. */
  #take(bytes: Buffer, subscriber: number, channel: number): boolean {
    const prefix = this.#prefixes[channel] as Buffer;
    const end = prefix.length + SEQUENCE_DIGITS;
    if (bytes.length < end) return false;
    for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false;
    let sequence = 0;
    for (let i = prefix.length; i < end; i++) {
      const digit = bytes[i] as number;
      if (digit < DIGIT_0 || digit > DIGIT_9) return false;
      sequence = sequence * 10 + digit - DIGIT_0;
    }
    this.#events.arrived(subscriber, channel, sequence);
    return true;
  }
}

function sequenceOf({ data }: Received): number {
  const { n } = (data.value() ?? {}) as { n?: unknown };
  return typeof n === "number" ? n : Number.NaN;
}

function refusedSocket({ why, isFinal, wasOpen }: ConnectionEnd): CommandError {
  const what = wasOpen ? "" : "cannot connect: ";
  const hint = isFinal ? "; if the server requires a token, set --token or HEXPUSH_TOKEN" : "";
  return new CommandError(`${what}${why}${hint}`);
}
