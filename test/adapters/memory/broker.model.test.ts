import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MemoryBroker } from "../../../src/adapters/memory/broker.js";
import type { HistoryLimits } from "../../../src/domain/broker.js";
import type { Message } from "../../../src/domain/message.js";
import { aPush } from "../../contract/broker-station.js";

/*
 * Any order of pushes, reads, restarts and time that passes, against a model that never forgets a
 * message and works out from the rules alone which of them a channel still has. Where memory is
 * ample the broker must say exactly that; where it is short it may have less, and must say so.
 */

const LIMITS: Readonly<Record<string, HistoryLimits>> = {
  a: { size: 3, ttl: 10 },
  b: { size: 1, ttl: 1 },
  c: { size: 9, ttl: 100 },
  d: { size: 9, ttl: 100 },
  none: { size: 0, ttl: 100 },
};
const CHANNELS = Object.keys(LIMITS);
const AMPLE = 1e9;

interface Kept {
  readonly channel: string;
  readonly id: string;
  /** Counts the messages of the channel over all epochs. */
  readonly count: number;
  readonly at: number;
  readonly event: string;
  readonly data: string;
}

/** An id that a client was given, and how many messages the channel had had by then. */
interface Place {
  readonly channel: string;
  readonly id: string;
  readonly count: number;
  /** How often the broker had been started. */
  readonly start: number;
}

interface Model {
  start: number;
  readonly budget: number;
  now: number;
  /** How many epochs the broker has begun. */
  epochs: number;
  events: number;
  /** Since the last start. */
  kept: Kept[];
  /** By channel, how many messages it ever had. */
  readonly counts: Map<string, number>;
  /** Everything that a client may come back with. */
  readonly places: Place[];
}

interface Real {
  broker: MemoryBroker;
  delivered: string[];
  onDeliver: () => void;
  start(): void;
}

/** Takes a delivered message into the model. */
function modelDeliver(model: Model, { channel, event, id, data }: Message): void {
  if (channel === "none") {
    expect(id).toBeUndefined();
    return;
  }
  if (id === undefined) throw new Error("no id");
  if (model.kept.some((each) => each.channel === channel && each.id === id)) {
    throw new Error(`${channel} got the id ${id} twice`);
  }
  const count = (model.counts.get(channel) ?? 0) + 1;
  model.counts.set(channel, count);
  model.kept.push({ channel, id, count, at: model.now, event, data: data.text });
  model.places.push({ channel, id, count, start: model.start });
}

function isStillKept(model: Model, message: Kept): boolean {
  const { size, ttl } = LIMITS[message.channel] as HistoryLimits;
  const newer = model.kept.filter(
    ({ channel, count }) => channel === message.channel && count > message.count,
  );
  return newer.length < size && model.now - message.at < ttl * 1000;
}

class Publish implements fc.Command<Model, Real> {
  constructor(
    readonly channels: readonly string[],
    readonly nested: readonly string[],
    readonly length: number,
  ) {}
  check = () => true;
  run(model: Model, real: Real): void {
    const data = JSON.stringify("x".repeat(this.length));
    const events = [`${model.events + 1}`, `${model.events + 2}`];
    const pushes = [this.channels, this.nested].filter(({ length }) => length > 0);
    const expected = pushes.flatMap((channels, at) =>
      channels.map((channel) => `${channel} ${events[at]}`),
    );
    model.events += pushes.length;
    real.delivered = [];
    const publish = (at: number) =>
      real.broker.publish({
        pushId: "1",
        push: aPush({ channel: pushes[at] as readonly string[], event: events[at] ?? "", data }),
      });
    real.onDeliver = () => {
      real.onDeliver = () => {};
      if (pushes.length > 1) expect(publish(1)).toEqual({ kind: "accepted" });
    };
    expect(publish(0)).toEqual({ kind: "accepted" });
    expect(real.delivered).toEqual(expected);
    expect(real.broker.memoryBytes).toBeLessThanOrEqual(model.budget);
  }
  toString = () => `publish to ${this.channels} then ${this.nested} (${this.length})`;
}

class Read implements fc.Command<Model, Real> {
  constructor(
    readonly channel: string,
    readonly place: number | undefined,
    readonly limit: number | undefined,
  ) {}
  check = () => true;
  run(model: Model, real: Real): void {
    const { channel, limit } = this;
    // Mostly one of the channel's own; one of another channel is an id like any other.
    const own = model.places.filter((each) => each.channel === channel);
    const from = own.length > 0 ? own : model.places;
    const place = this.place === undefined ? undefined : from[this.place % from.length];
    const read = real.broker.history(channel, { since: place?.id, limit });
    const messages = read.messages.map((each) => ({ ...each, data: each.data.text }));
    if (channel === "none") {
      expect(read).toEqual({ position: undefined, recovered: place === undefined, messages: [] });
      return;
    }
    expect(real.broker.position(channel)).toBe(read.position);
    const behind = model.kept.filter(
      (each) => each.channel === channel && each.count > (place?.count ?? 0),
    );
    const still = behind.filter((each) => isStillKept(model, each));
    const isKnown = place === undefined || place.start === model.start;
    const isWhole = isKnown && (place === undefined || still.length === behind.length);
    const plain = (all: Kept[]) => all.map(({ count: _, at: __, ...each }) => each);
    if (place !== undefined && place.channel !== channel) {
      // The channel never had a message, so the only id it can have is that of its beginning.
      expect(read.recovered).toBe(place.id === read.position);
      expect(messages).toEqual([]);
    } else if (model.budget === AMPLE) {
      const last = model.kept.findLast((each) => each.channel === channel);
      expect(read.position).toBe(last?.id ?? `e${model.epochs}-0`);
      expect(read.recovered).toBe(isWhole);
      expect(messages).toEqual(isWhole ? plain(still.slice(0, limit)) : []);
    } else if (place === undefined) {
      // Some of the oldest may be gone, and none in the middle.
      expect(read.recovered).toBe(true);
      const first = still.findIndex(({ id }) => id === messages[0]?.id);
      expect(messages).toEqual(first < 0 ? [] : plain(still.slice(first).slice(0, limit)));
    } else if (read.recovered) {
      expect(isWhole).toBe(true);
      expect(messages).toEqual(plain(still.slice(0, limit)));
    } else {
      expect(messages).toEqual([]);
    }
    const count = model.counts.get(channel) ?? 0;
    model.places.push({ channel, id: read.position as string, count, start: model.start });
    expect(real.broker.memoryBytes).toBeLessThanOrEqual(model.budget);
  }
  toString = () => `read ${this.channel} behind ${this.place}, at most ${this.limit}`;
}

class Pass implements fc.Command<Model, Real> {
  constructor(readonly ms: number) {}
  check = () => true;
  run(model: Model): void {
    model.now += this.ms;
  }
  toString = () => `pass ${this.ms} ms`;
}

class Sweep implements fc.Command<Model, Real> {
  check = () => true;
  run(): void {
    vi.advanceTimersByTime(250);
  }
  toString = () => "sweep";
}

class Restart implements fc.Command<Model, Real> {
  check = () => true;
  run(model: Model, real: Real): void {
    real.broker.stop();
    model.start++;
    model.kept = [];
    real.start();
  }
  toString = () => "restart";
}

describe("a memory broker, in any order of events", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }));
  afterEach(() => void vi.useRealTimers());

  const channel = fc.constantFrom(...CHANNELS);
  const script = fc.commands<Model, Real>(
    [
      fc
        .tuple(
          fc.shuffledSubarray(CHANNELS, { minLength: 1 }),
          fc.oneof(fc.constant([]), fc.shuffledSubarray(CHANNELS)),
          fc.constantFrom(0, 20, 200),
        )
        .map((of) => new Publish(...of)),
      fc
        .tuple(
          channel,
          fc.option(fc.nat(200), { nil: undefined }),
          fc.option(fc.nat(4), { nil: undefined, freq: 2 }),
        )
        .map((of) => new Read(...of)),
      fc.tuple(channel, fc.nat(200), fc.constant(undefined)).map((of) => new Read(...of)),
      fc.constantFrom(1, 999, 1000, 5000, 9999, 100_000).map((ms) => new Pass(ms)),
      fc.constant(new Sweep()),
      fc.oneof({ weight: 1, arbitrary: fc.constant(new Restart()) }),
    ],
    { maxCommands: 60 },
  );

  function check(budget: fc.Arbitrary<number>): void {
    fc.assert(
      fc.property(budget, script, (memoryBytesMax, commands) => {
        fc.modelRun(() => {
          const model: Model = {
            budget: memoryBytesMax,
            now: 0,
            start: 1,
            epochs: 0,
            events: 0,
            kept: [],
            counts: new Map(),
            places: [],
          };
          const real: Real = {
            broker: new MemoryBroker({
              historyLimits: (name) => LIMITS[name] as HistoryLimits,
              memoryBytesMax,
              idempotencyKeysMax: 0,
              now: () => model.now,
              newEpoch: () => `e${++model.epochs}`,
            }),
            delivered: [],
            onDeliver: () => {},
            start() {
              real.broker.start((message) => {
                modelDeliver(model, message);
                real.delivered.push(`${message.channel} ${message.event}`);
                real.onDeliver();
              });
              for (const channel of CHANNELS) {
                const id = real.broker.position(channel);
                const count = model.counts.get(channel) ?? 0;
                if (id !== undefined) model.places.push({ channel, id, count, start: model.start });
              }
            },
          };
          real.start();
          return { model, real };
        }, commands);
      }),
      { numRuns: 200 },
    );
  }

  it("says exactly what is kept and what is gone, where there is room for all", () => {
    check(fc.constant(AMPLE));
  });

  it("never says that nothing is gone where something is, where there is little room", () => {
    check(fc.oneof(fc.integer({ min: 0, max: 8000 }), fc.integer({ min: 1500, max: 3000 })));
  });
});
