import {
  type Broker,
  BrokerUnavailable,
  type Deliver,
  type History,
  type HistoryQuery,
  type Publication,
  type PublishResult,
} from "../../src/domain/broker.js";

export interface AsyncBrokerOptions {
  /** The same seed gives the same delays and failures for the same calls. */
  readonly seed: number;
  /** Most turns that a call waits in total. @defaultValue 4 */
  readonly turnsMax?: number;
  /** Part of the `position` and `history` calls that reject with `BrokerUnavailable`. @defaultValue 0 */
  readonly failureRate?: number;
  /**
   * Whether only messages of subscribed channels are delivered, as by a broker of several nodes.
   *
   * @defaultValue true
   */
  readonly onlySubscribed?: boolean;
  /** Waits so many turns, at least one. @defaultValue turns of the event loop (`setImmediate`) */
  readonly wait?: (turns: number) => Promise<void>;
}

/**
 * A broker that answers every call with a promise, some time later: for tests of code that must work
 * with any broker. Everything that the port promises holds, and nothing more:
 *
 * - `publish` reaches the inner broker after a while, in the order of the calls, and settles after
 *   another while, in any order.
 * - `subscribe` and `unsubscribe` take effect somewhere between the call and its end. Messages of
 *   other channels are not delivered.
 * - `position` and `history` answer with what was true at some moment between the call and its end:
 *   messages may be delivered before an answer arrives that does not contain them, or after one that
 *   was called for earlier and does.
 */
export class AsyncBroker implements Broker {
  readonly #inner: Broker;
  readonly #random: () => number;
  readonly #turnsMax: number;
  readonly #onlySubscribed: boolean;
  readonly #wait: (turns: number) => Promise<void>;
  /** Part of the `position` and `history` calls that fail; may be changed at any time. */
  failureRate: number;
  readonly #subscribed = new Set<string>();
  /** The last call of `publish`, and of `subscribe` or `unsubscribe` by channel. */
  #published: Promise<void> = Promise.resolve();
  readonly #interest = new Map<string, Promise<void>>();

  constructor(inner: Broker, options: AsyncBrokerOptions) {
    this.#inner = inner;
    this.#random = randomNumbers(options.seed);
    this.#turnsMax = options.turnsMax ?? 4;
    this.#onlySubscribed = options.onlySubscribed ?? true;
    this.#wait = options.wait ?? turnsOfTheEventLoop;
    this.failureRate = options.failureRate ?? 0;
  }

  /** The channels that messages are delivered of now. */
  get subscribed(): ReadonlySet<string> {
    return this.#subscribed;
  }

  async start(deliver: Deliver): Promise<void> {
    await this.#some();
    await this.#inner.start((message, pushId) => {
      if (this.#onlySubscribed && !this.#subscribed.has(message.channel)) return;
      deliver(message, pushId);
    });
    await this.#some();
  }

  async stop(): Promise<void> {
    await this.#some();
    this.#subscribed.clear();
    await this.#inner.stop();
    await this.#some();
  }

  async publish(publication: Publication): Promise<PublishResult> {
    const before = this.#published;
    const delay = this.#turns();
    const called = before
      .then(() => this.#wait(delay))
      // A rejection is the caller's, and keeps no later push back.
      .then(() => ({ result: this.#attempt(publication) }));
    this.#published = called.then(
      () => {},
      () => {},
    );
    const { result } = await called;
    const settled = await result;
    await this.#some();
    if ("error" in settled) throw settled.error;
    return settled.value;
  }

  subscribe(channel: string): Promise<void> {
    return this.#change(channel, async () => {
      await this.#inner.subscribe(channel);
      this.#subscribed.add(channel);
    });
  }

  unsubscribe(channel: string): Promise<void> {
    return this.#change(channel, async () => {
      this.#subscribed.delete(channel);
      await this.#inner.unsubscribe(channel);
    });
  }

  position(channel: string): Promise<string | undefined> {
    return this.#answer(() => this.#inner.position(channel));
  }

  history(channel: string, query: HistoryQuery): Promise<History> {
    return this.#answer(() => this.#inner.history(channel, query));
  }

  async #attempt(publication: Publication) {
    try {
      return { value: await this.#inner.publish(publication) };
    } catch (error) {
      return { error };
    }
  }

  async #answer<T>(ask: () => T | Promise<T>): Promise<T> {
    const fails = this.#random() < this.failureRate;
    await this.#some();
    if (fails) throw new BrokerUnavailable("the broker does not answer");
    const answer = await ask();
    await this.#some();
    return answer;
  }

  /** Changes of one channel take effect in the order of the calls. */
  #change(channel: string, change: () => Promise<void>): Promise<void> {
    const before = this.#interest.get(channel) ?? Promise.resolve();
    const changed = before.then(() => this.#some()).then(change);
    const done = changed.then(
      () => {},
      () => {},
    );
    this.#interest.set(channel, done);
    void done.then(() => {
      if (this.#interest.get(channel) === done) this.#interest.delete(channel);
    });
    return changed.then(() => this.#some());
  }

  #some(): Promise<void> {
    return this.#wait(this.#turns());
  }

  #turns(): number {
    return 1 + Math.floor((this.#random() * this.#turnsMax) / 2);
  }
}

async function turnsOfTheEventLoop(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Numbers from 0 to below 1 (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
