import { rmSync } from "node:fs";
import fc from "fast-check";
import { expect, it } from "vitest";
import { FileBroker } from "../../../src/adapters/file-broker/file-broker.js";
import type { HistoryLimits } from "../../../src/domain/broker.js";
import { aPush, plain } from "../../contract/broker-station.js";
import { newDirectory } from "./directory.js";

/*
 * Any order of pushes (alone and at once), reads, restarts, changed limits and time that passes,
 * against a model that never forgets a message and works out from the rules alone which of them a
 * channel still has.
 */

const LIMITS: Readonly<Record<string, HistoryLimits>> = {
  a: { size: 3, ttl: 10 },
  b: { size: 1, ttl: 1 },
  c: { size: 9, ttl: 100 },
  d: { size: 9, ttl: 100 },
};
const OFF: HistoryLimits = { size: 0, ttl: 0 };
const CHANNELS = Object.keys(LIMITS);

type Step =
  | { readonly kind: "publish"; readonly pushes: readonly (readonly string[])[] }
  | { readonly kind: "read"; channel: string; place: number | undefined; limit: number | undefined }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "sweep" }
  /** From then on `d` keeps its history, or keeps none. */
  | { readonly kind: "restart"; readonly off: boolean };

/** Numbered within the channel, in the order of delivery. */
interface Sent {
  readonly count: number;
  readonly channel: string;
  readonly at: number;
  readonly wasKept: boolean;
  readonly message: ReturnType<typeof plain>;
}

class Run {
  readonly #directory = newDirectory();
  #broker!: FileBroker;
  #now = 1000;
  #off = false;
  #events = 0;
  readonly #sent: Sent[] = [];
  /** Ids that a client was given, and how many messages the channel had had by then. */
  readonly #places: { readonly channel: string; readonly id: string; readonly count: number }[] =
    [];

  /** @param emptyChannelsMax 1 makes the broker forget, Infinity never. */
  constructor(readonly emptyChannelsMax: number) {}

  async all(steps: readonly Step[]): Promise<void> {
    try {
      await this.#start();
      for (const step of steps) await this.#step(step);
      await this.#broker.stop();
    } finally {
      rmSync(this.#directory, { recursive: true, force: true });
    }
  }

  async #start(): Promise<void> {
    this.#broker = new FileBroker({
      directory: this.#directory,
      historyLimits: (channel) => this.#limits(channel),
      idempotencyKeysMax: 0,
      now: () => this.#now,
      // Only where a step says so.
      sweepEveryMs: 1_000_000,
      emptyChannelsMax: this.emptyChannelsMax,
    });
    await this.#broker.start((message) => {
      const { channel, id } = message;
      const ofChannel = this.#sent.filter((each) => each.channel === channel);
      const count = ofChannel.length + 1;
      const wasKept = this.#limits(channel) !== OFF;
      expect(id !== undefined).toBe(wasKept);
      if (id !== undefined) {
        if (ofChannel.some((each) => each.message.id === id))
          throw new Error(`${id} is given twice`);
        this.#places.push({ channel, id, count });
      }
      this.#sent.push({ count, channel, at: this.#now, wasKept, message: plain(message) });
    });
  }

  #count(channel: string): number {
    return this.#sent.filter((each) => each.channel === channel).length;
  }

  #limits(channel: string): HistoryLimits {
    return this.#off && channel === "d" ? OFF : (LIMITS[channel] as HistoryLimits);
  }

  async #step(step: Step): Promise<void> {
    if (step.kind === "pass") this.#now += step.ms;
    else if (step.kind === "read") this.#read(step);
    else if (step.kind === "publish") {
      const asked = step.pushes.map((channel) => {
        const push = aPush({ channel, event: `${++this.#events}` });
        return this.#broker.publish({ pushId: "1", push });
      });
      await Promise.all(asked);
    } else if (step.kind === "sweep") {
      await this.#broker.sweep();
    } else {
      await this.#broker.stop();
      this.#off = step.off;
      await this.#start();
    }
  }

  #read({ channel, place: at, limit }: Step & { kind: "read" }): void {
    const own = this.#places.filter((each) => each.channel === channel);
    const place = at === undefined || own.length === 0 ? undefined : own[at % own.length];
    const read = this.#broker.history(channel, { since: place?.id, limit });
    const messages = read.messages.map(plain);
    expect(this.#broker.position(channel)).toBe(read.position);
    if (this.#limits(channel) === OFF) {
      expect(read).toEqual({ position: undefined, recovered: place === undefined, messages: [] });
      return;
    }
    const ofChannel = this.#sent.filter((each) => each.channel === channel);
    const missed = ofChannel.filter(({ count }) => count > (place?.count ?? 0));
    const still = missed.filter((each) => this.#isKept(each));
    const isWhole = place === undefined || still.length === missed.length;
    if (read.recovered) {
      expect(isWhole).toBe(true);
      expect(messages).toEqual(still.slice(0, limit).map(({ message }) => message));
    } else {
      expect(messages).toEqual([]);
      if (!this.#mayHaveForgotten(channel)) expect(isWhole).toBe(false);
    }
    this.#places.push({ channel, id: read.position as string, count: this.#count(channel) });
  }

  /** Whether the broker had a reason to give up the positions of the channel. */
  #mayHaveForgotten(channel: string): boolean {
    if (this.emptyChannelsMax !== Number.POSITIVE_INFINITY) return true;
    // A channel that has no history at times: its own position goes, and those of unused channels.
    const isUnused = !this.#sent.some((each) => each.channel === channel && each.wasKept);
    return channel === "d" || (isUnused && this.#sent.some(({ wasKept }) => !wasKept));
  }

  #isKept({ count, channel, at, wasKept }: Sent): boolean {
    const { size, ttl } = this.#limits(channel);
    const newer = this.#sent.filter((each) => each.channel === channel && each.count > count);
    if (newer.some((each) => !each.wasKept)) return false;
    return wasKept && newer.length < size && this.#now - at < ttl * 1000;
  }
}

it.each([1, Number.POSITIVE_INFINITY])(
  "a file broker says what is kept and what is gone, in any order of events (%d empty channels)",
  async (emptyChannelsMax) => {
    const channels = fc.shuffledSubarray(CHANNELS, { minLength: 1 });
    const step: fc.Arbitrary<Step> = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({
          kind: fc.constant("publish" as const),
          pushes: fc.array(channels, { minLength: 1, maxLength: 6 }),
        }),
      },
      {
        weight: 8,
        arbitrary: fc.record({
          kind: fc.constant("read" as const),
          channel: fc.constantFrom(...CHANNELS),
          place: fc.option(fc.nat(200), { nil: undefined, freq: 4 }),
          limit: fc.option(fc.nat(4), { nil: undefined, freq: 2 }),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant("pass" as const),
          ms: fc.constantFrom(1, 999, 1000, 5000, 9999, 100_000),
        }),
      },
      { weight: 1, arbitrary: fc.constant({ kind: "sweep" as const }) },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant("restart" as const), off: fc.boolean() }),
      },
    );
    const first = CHANNELS.map(
      (channel): Step => ({ kind: "read", channel, place: undefined, limit: undefined }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), (steps) =>
        new Run(emptyChannelsMax).all([...first, ...steps]),
      ),
      { numRuns: 50 },
    );
  },
  // Each run opens stores and waits for the disk.
  120_000,
);
