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

/** Numbered in the order of their delivery. */
interface Sent {
  readonly order: number;
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
  readonly #places: { readonly id: string; readonly order: number }[] = [];

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
      sweepEveryMs: 1_000_000,
    });
    await this.#broker.start((message) => {
      const { channel, id } = message;
      const order = this.#sent.length + 1;
      const wasKept = this.#limits(channel) !== OFF;
      expect(id !== undefined).toBe(wasKept);
      if (id !== undefined) this.#places.push({ id, order });
      this.#sent.push({ order, channel, at: this.#now, wasKept, message: plain(message) });
      return 1;
    });
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
    } else {
      if (step.kind === "sweep") await this.#swept();
      await this.#broker.stop();
      if (step.kind === "restart") this.#off = step.off;
      await this.#start();
    }
  }

  async #swept(): Promise<void> {
    await this.#broker.stop();
    const options = { historyLimits: (channel: string) => this.#limits(channel) };
    const sweeper = new FileBroker({
      directory: this.#directory,
      idempotencyKeysMax: 0,
      now: () => this.#now,
      sweepEveryMs: 1,
      ...options,
    });
    await sweeper.start(() => 0);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await sweeper.stop();
  }

  #read({ channel, place: at, limit }: Step & { kind: "read" }): void {
    const place = at === undefined ? undefined : this.#places[at % this.#places.length];
    const read = this.#broker.history(channel, { since: place?.id, limit });
    const messages = read.messages.map(plain);
    expect(this.#broker.position(channel)).toBe(read.position);
    if (this.#limits(channel) === OFF) {
      expect(read).toEqual({ position: undefined, recovered: place === undefined, messages: [] });
      return;
    }
    const ofChannel = this.#sent.filter((each) => each.channel === channel);
    const behind = ofChannel.filter(({ order }) => order > (place?.order ?? 0));
    const still = behind.filter((each) => this.#isKept(each));
    const isWhole = place === undefined || still.length === behind.length;
    if (read.recovered) {
      expect(isWhole).toBe(true);
      expect(messages).toEqual(still.slice(0, limit).map(({ message }) => message));
    } else {
      expect(messages).toEqual([]);
      // What was forgotten of another channel may count for one of which nothing is left.
      const mayBeForgotten =
        !ofChannel.some((each) => this.#isKept(each)) &&
        this.#sent.some((each) => each.order > (place?.order ?? 0) && !this.#isKept(each));
      expect(isWhole && !mayBeForgotten).toBe(false);
    }
    this.#places.push({ id: read.position as string, order: this.#sent.length });
  }

  #isKept({ order, channel, at, wasKept }: Sent): boolean {
    const { size, ttl } = this.#limits(channel);
    const newer = this.#sent.filter((each) => each.channel === channel && each.order > order);
    if (newer.some((each) => !each.wasKept)) return false;
    return wasKept && newer.length < size && this.#now - at < ttl * 1000;
  }
}

it("a file broker says what is kept and what is gone, in any order of events", async () => {
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
  const first: Step = { kind: "read", channel: "a", place: undefined, limit: undefined };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), (steps) =>
      new Run().all([first, ...steps]),
    ),
    { numRuns: 150 },
  );
});
