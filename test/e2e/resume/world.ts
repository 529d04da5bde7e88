import { ContainerModule } from "inversify";
import { pino } from "pino";
import {
  type Config,
  createHexpush,
  type Hexpush,
  MemoryBroker,
  TOKENS,
} from "../../../src/index.js";
import { AsyncBroker } from "../../support/async-broker.js";
import type { Follower, Place } from "./follower.js";
import { PhoenixFollower } from "./phoenix-follower.js";
import { StreamFollower } from "./stream-follower.js";
import { Truth } from "./truth.js";

export const CHANNELS = ["a", "b", "c"] as const;
export type ChannelName = (typeof CHANNELS)[number];

/** Few and short, so that random steps outrun it often. */
const KEPT = { size: 40, ttl: 60 };

/** More than this waits for one client, and it is cut. */
const SEND_BUFFER = 262_144;
/** Together more than the kernel holds for a client that reads nothing. */
const FLOOD = { messages: 36, bytes: 240_000 };

/** As test/support/server.ts: the library under test. */
const WEBSOCKETS = (process.env.HEXPUSH_TEST_WEBSOCKETS ?? "auto") as Config["websockets"];

/** A real server, those who follow it, and what it has accepted. */
export class World implements Place {
  readonly followers: readonly Follower[];
  readonly truth: Truth;
  readonly #hexpush: Hexpush;
  #now = Date.now() / 1000;
  #cuts = 0;
  port = 0;

  /** @param seed of the delays of a broker that answers later; undefined for one that does not. */
  constructor(broker: string, seed?: number) {
    this.truth = new Truth(KEPT, () => this.#now);
    this.followers = [
      new PhoenixFollower("v1", "1.0.0", this.truth),
      new PhoenixFollower("v2", "2.0.0", this.truth),
      new StreamFollower("sse", this.truth),
    ];
    this.#hexpush = createHexpush({
      port: 0,
      websockets: WEBSOCKETS,
      logger: pino({ level: "silent" }),
      broker,
      modules: seed === undefined ? [] : [this.#lateBroker(seed)],
      historySize: KEPT.size,
      historyTtl: KEPT.ttl,
      sendBufferLimit: SEND_BUFFER,
      now: () => this.#now,
      listeners: [
        {
          messageDelivered: ({ message }) => this.truth.accept(message),
          consumerCut: () => this.#cuts++,
        },
      ],
    });
  }

  #lateBroker(seed: number): ContainerModule {
    const inner = new MemoryBroker({
      historyLimits: () => KEPT,
      memoryBytesMax: 268_435_456,
      idempotencyKeysMax: 0,
      now: () => this.#now * 1000,
    });
    // All messages, so that the truth knows those of channels that nobody follows just then.
    const broker = new AsyncBroker(inner, { seed, onlySubscribed: false, turnsMax: 12 });
    return new ContainerModule(({ rebind }) => {
      rebind(TOKENS.broker).toConstantValue(broker);
    });
  }

  /** How many were cut because they read too slowly. */
  get cuts(): number {
    return this.#cuts;
  }

  async start(): Promise<void> {
    this.port = (await this.#hexpush.start()).port;
  }

  async stop(): Promise<void> {
    for (const follower of this.followers) await follower.cut(0);
    await this.#hexpush.stop(0);
  }

  async restart(): Promise<void> {
    await this.#hexpush.stop(0);
    await this.start();
    // Who reads nothing does not see the end of its connection either.
    for (const follower of this.followers) if (follower.isPaused) await follower.resume();
  }

  async push(channels: readonly ChannelName[], data: unknown = null): Promise<void> {
    await this.#hexpush.push(channels, "e", data);
  }

  async flood(channel: ChannelName): Promise<void> {
    const data = "x".repeat(FLOOD.bytes);
    for (let count = 0; count < FLOOD.messages; count++) await this.push([channel], data);
  }

  /** Everything that is kept so far is gone. */
  age(): void {
    this.#now += KEPT.ttl;
  }

  /** Each one reads, comes back where it is away, and has everything in the end. */
  async settle(): Promise<void> {
    for (const follower of this.followers) {
      if (follower.isPaused) await follower.resume();
      await follower.settle();
      if (follower.isOpen) continue;
      await follower.cut(Number.POSITIVE_INFINITY);
      await follower.connect(this);
      await follower.settle();
    }
  }
}
