import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MemoryBroker } from "../../../src/adapters/memory/broker.js";
import type { HistoryLimits } from "../../../src/domain/broker.js";
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
  readonly sequence: number;
  readonly at: number;
  readonly event: string;
  readonly data: string;
}

interface Model {
  readonly budget: number;
  now: number;
  epoch: number;
  sequence: number;
  events: number;
  /** Of this epoch. */
  kept: Kept[];
  /** All that a client may come back with, those of epochs that are over as well. */
  readonly places: { readonly epoch: number; readonly sequence: number; readonly id: string }[];
}

interface Real {
  broker: MemoryBroker;
  delivered: string[];
  onDeliver: () => void;
  start(): void;
}

function modelPush(model: Model, channels: readonly string[], data: string): string[] {
  const event = `${++model.events}`;
  return channels.map((channel) => {
    if (channel === "none") return `${channel} ${event}`;
    const sequence = ++model.sequence;
    const id = `e${model.epoch}-${sequence}`;
    model.kept.push({ channel, id, sequence, at: model.now, event, data });
    model.places.push({ epoch: model.epoch, sequence, id });
    return `${channel} ${event} ${id}`;
  });
}

function isStillKept(model: Model, message: Kept): boolean {
  const { size, ttl } = LIMITS[message.channel] as HistoryLimits;
  const newer = model.kept.filter(
    ({ channel, sequence }) => channel === message.channel && sequence > message.sequence,
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
    const expected = pushes.flatMap((channels) => modelPush(model, channels, data));
    real.delivered = [];
    const publish = (at: number) =>
      real.broker.publish({
        pushId: "1",
        push: aPush({ channel: pushes[at] as readonly string[], event: events[at] ?? "", data }),
      });
    real.onDeliver = () => {
      real.onDeliver = () => {};
      if (pushes.length > 1) expect(publish(1)).toEqual({ kind: "accepted", deliveries: 0 });
    };
    expect(publish(0)).toEqual({ kind: "accepted", deliveries: this.channels.length });
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
    const place =
      this.place === undefined ? undefined : model.places[this.place % model.places.length];
    const read = real.broker.history(channel, { since: place?.id, limit });
    const messages = read.messages.map((each) => ({ ...each, data: each.data.text }));
    if (channel === "none") {
      expect(read).toEqual({ position: undefined, recovered: place === undefined, messages: [] });
      return;
    }
    expect(read.position).toBe(`e${model.epoch}-${model.sequence}`);
    expect(real.broker.position(channel)).toBe(read.position);
    const behind = model.kept.filter(
      (each) => each.channel === channel && each.sequence > (place?.sequence ?? 0),
    );
    const still = behind.filter((each) => isStillKept(model, each));
    const isKnown = place === undefined || place.epoch === model.epoch;
    const isWhole = isKnown && (place === undefined || still.length === behind.length);
    const plain = (all: Kept[]) => all.map(({ sequence: _, at: __, ...each }) => each);
    if (model.budget === AMPLE) {
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
    model.places.push({
      epoch: model.epoch,
      sequence: model.sequence,
      id: read.position as string,
    });
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
    model.epoch++;
    model.kept = [];
    real.start();
    // The first sequence of an epoch is of no matter.
    const position = real.broker.position("a") as string;
    model.sequence = Number(position.split("-")[1]);
    model.places.push({ epoch: model.epoch, sequence: model.sequence, id: position });
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
            epoch: 1,
            sequence: 0,
            events: 0,
            kept: [],
            places: [{ epoch: 1, sequence: 0, id: "e1-0" }],
          };
          const real: Real = {
            broker: new MemoryBroker({
              historyLimits: (name) => LIMITS[name] as HistoryLimits,
              memoryBytesMax,
              idempotencyKeysMax: 0,
              now: () => model.now,
              newEpoch: () => `e${model.epoch}`,
            }),
            delivered: [],
            onDeliver: () => {},
            start() {
              real.broker.start(({ channel: name, event, id }) => {
                real.delivered.push([name, event, id].filter(Boolean).join(" "));
                real.onDeliver();
                return 1;
              });
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
