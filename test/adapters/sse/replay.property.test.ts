import fc from "fast-check";
import { expect, it } from "vitest";
import { Replay, type ReplayTarget } from "../../../src/adapters/sse/replay.js";
import type { Broker, History, HistoryQuery } from "../../../src/domain/broker.js";
import { Json } from "../../../src/domain/json.js";
import type { Message } from "../../../src/domain/message.js";
import { parseMessageId } from "../../../src/domain/message-id.js";

const CHANNELS = ["a", "b", "c"];
const LIMIT = 3;

/** A broker, a client that is slow or not, and a stream between them, one step at a time. */
class Model implements ReplayTarget {
  readonly log: Message[] = [];
  readonly got: Message[] = [];
  hasHeldBack = false;
  isOpen = true;
  isLive = false;
  #next: (() => void) | undefined;
  #reads: (() => void)[] = [];
  #writes = 0;

  constructor(
    readonly isLate: boolean,
    /** Which writes make the client wait, in turn. */
    readonly isTaken: readonly boolean[],
  ) {}

  push(channel: string): void {
    const id = `e-${this.log.length + 1}`;
    const message = { channel, event: "e", data: Json.null, id };
    this.log.push(message);
    if (!CHANNELS.includes(channel)) return;
    if (this.isLive) this.got.push(message);
    else this.hasHeldBack = true;
  }

  readonly broker: Pick<Broker, "history"> = {
    history: (channel, query) => {
      if (!this.isLate) return this.#history(channel, query);
      return new Promise((resolve) =>
        this.#reads.push(() => resolve(this.#history(channel, query))),
      );
    },
  };

  #history(channel: string, { since, limit }: HistoryQuery): History {
    const from = parseMessageId(since as string)?.sequence as number;
    const behind = this.log.slice(from).filter((message) => message.channel === channel);
    return { position: `e-${this.log.length}`, recovered: true, messages: behind.slice(0, limit) };
  }

  begin(): void {
    const starts = CHANNELS.map((channel) => ({
      channel,
      history: this.#history(channel, { since: "e-0", limit: LIMIT }),
    }));
    this.hasHeldBack = false;
    new Replay(this.broker, this, starts, LIMIT).run();
  }

  writeMessage(message: Message): boolean {
    expect(this.isLive).toBe(false);
    this.got.push(message);
    return this.isTaken[this.#writes++ % this.isTaken.length] ?? true;
  }

  whenWritable(next: () => void): void {
    this.#next = next;
  }

  drain(): void {
    const next = this.#next;
    this.#next = undefined;
    next?.();
  }

  /** One read at a time is answered; the others see what comes meanwhile. */
  async read(): Promise<void> {
    this.#reads.shift()?.();
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  }

  goLive(): void {
    this.isLive = true;
  }

  lose(): void {
    throw new Error("nothing of this history is ever gone");
  }
}

const step = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...CHANNELS, "other") },
  { weight: 2, arbitrary: fc.constant("drain!") },
  { weight: 3, arbitrary: fc.constant("read!") },
);

it.each([
  ["at once", false],
  ["later", true],
])(
  "sends all in one order and goes live without a gap, over history that is read %s",
  async (_when, isLate) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...CHANNELS), { maxLength: 30 }),
        fc.array(step, { maxLength: 60 }),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }),
        async (missed, steps, isTaken) => {
          const model = new Model(isLate, isTaken);
          for (const channel of missed) model.push(channel);
          model.begin();
          for (const each of steps) {
            if (each === "drain!") model.drain();
            else if (each === "read!") await model.read();
            else model.push(each);
          }
          for (let turn = 0; !model.isLive && turn < 2_000; turn++) {
            model.drain();
            await model.read();
          }
          expect(model.isLive).toBe(true);
          for (const channel of CHANNELS) model.push(channel);
          const wanted = model.log.filter(({ channel }) => CHANNELS.includes(channel));
          expect(model.got.map(({ id }) => id)).toEqual(wanted.map(({ id }) => id));
        },
      ),
      { numRuns: 300 },
    );
  },
);

it("is ended where what is behind it is gone", () => {
  const lost: unknown[] = [];
  const model = new Model(false, [false]);
  const target = Object.assign(Object.create(model) as Model, {
    lose: () => {
      lost.push("lost");
      target.isOpen = false;
    },
  });
  for (let n = 0; n < LIMIT; n++) model.push("a");
  const full = { position: "e-3", recovered: true, messages: [...model.log] };
  const gone: History = { position: "e-9", recovered: false, messages: [] };
  const writes: Message[] = [];
  target.writeMessage = (message) => writes.push(message) > 0;
  new Replay({ history: () => gone }, target, [{ channel: "a", history: full }], LIMIT).run();
  expect([writes.length, lost]).toEqual([LIMIT, ["lost"]]);
});
