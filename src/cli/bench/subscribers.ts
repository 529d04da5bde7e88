import { Json } from "../../domain/json.js";
import { type ConnectionEnd, PhoenixConnection } from "../phoenix-connection.js";
import type { Received } from "../phoenix-frames.js";
import { CommandError } from "../usage-error.js";
import { type BenchPlan, DATA_HEAD, SEQUENCE_DIGITS } from "./plan.js";

/** Few enough that a server which admits them at a rate makes none of them wait for long. */
const CONNECTS_AT_ONCE = 100;
/** For all of them together, in milliseconds. */
const CONNECT_PATIENCE_MS = 60_000;
/** The server gives up after 45 s of silence. */
const HEARTBEAT_MS = 30_000;

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

export interface SubscriberEvents {
  /** @param sequence NaN where the message carries none. */
  arrived(subscriber: number, channel: number, sequence: number): void;
  /** A joined socket has ended. */
  gone(why: string): void;
}

/** The sockets, each joined to one channel. */
export class Subscribers {
  /** How many have been joined. */
  joined = 0;
  /** How long it took to connect and join them, in seconds. */
  seconds = 0;
  /** For which part of that time this process had something to do. */
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

  /** How many of them are joined to a channel, by its place in the plan. */
  of(channel: number): number {
    const { subscribers, channels } = this.#plan;
    return Math.floor((subscribers - 1 - channel) / channels.length) + 1;
  }

  /**
   * Connects and joins all; less of them where `stopped` comes first.
   *
   * @throws {CommandError} with the first one's reason that cannot, or when it takes too long.
   */
  async open(stopped: AbortSignal): Promise<void> {
    const begin = performance.now();
    const loop = performance.eventLoopUtilization();
    let timer: NodeJS.Timeout | undefined;
    const halt = new Promise<void>((resolve, reject) => {
      stopped.addEventListener("abort", () => resolve());
      const late = `after ${CONNECT_PATIENCE_MS / 1000} s not all sockets are joined`;
      timer = setTimeout(() => reject(new CommandError(late)), CONNECT_PATIENCE_MS);
    });
    try {
      const lanes = Array.from({ length: CONNECTS_AT_ONCE }, () => this.#openInTurn(stopped));
      await Promise.race([Promise.all(lanes), halt]);
    } finally {
      clearTimeout(timer);
      this.seconds = (performance.now() - begin) / 1000;
      this.busy = performance.eventLoopUtilization(loop).utilization;
    }
  }

  /** Says goodbye; nothing is reported any more. */
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
        // A message of ours that a policy or another server has written in another way.
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

  /** The sequence number out of the bytes: to parse each message would cost ten times as much. */
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
  const hint = isFinal ? "; where the server wants a token: --token or HEXPUSH_TOKEN" : "";
  return new CommandError(`${what}${why}${hint}`);
}
