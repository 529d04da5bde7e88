import type {
  Broker,
  HistoryLimits,
  HistoryQuery,
  IdempotencyClaim,
  PublishResult,
} from "../../src/domain/broker.js";
import { Json } from "../../src/domain/json.js";
import type { Message } from "../../src/domain/message.js";
import { Push } from "../../src/domain/push.js";

/** What the contract wants of the brokers of one site. */
export interface BrokerSetup {
  readonly historyLimits: (channel: string) => HistoryLimits;
  readonly idempotencyKeysMax: number;
  readonly idempotencyWindowMs: number;
  /** Milliseconds; goes on only where a test says so. */
  readonly now: () => number;
}

/** Where the brokers under test keep what they keep: a folder, a server, nothing. */
export interface BrokerSite {
  /**
   * A broker that is not started: over nothing the first time, later over what the ones before
   * left. Called while another one is running only where the adapter has several nodes.
   */
  open(): Broker | Promise<Broker>;
  /** Lets go of the place, after all its brokers have been stopped. */
  close?(): void | Promise<void>;
}

export interface Delivered {
  readonly message: Message;
  readonly pushId: string | undefined;
}

export interface TestPush {
  readonly channel: string | readonly string[];
  readonly event?: string;
  /** JSON text. */
  readonly data?: string;
  readonly pushId?: string;
  readonly idempotency?: IdempotencyClaim;
}

const MARKER = "the contract's own marker";

/** One node: a broker that is started, and all that it has handed over. */
export class Station {
  readonly delivered: Delivered[] = [];
  /** Called within `deliver`, after the message is in `delivered`. */
  onDeliver: (message: Message) => void = () => {};
  readonly #markers = new Map<string, () => void>();
  #pushes = 0;

  private constructor(readonly broker: Broker) {}

  static async start(broker: Broker): Promise<Station> {
    const station = new Station(broker);
    await broker.start((message, pushId) => {
      if (message.channel === MARKER) {
        station.#markers.get(message.event)?.();
        return;
      }
      station.delivered.push({ message, pushId });
      station.onDeliver(message);
    });
    await broker.subscribe(MARKER);
    return station;
  }

  /** Says that the node has a subscriber of each: without one it need not get a message. */
  async listen(...channels: readonly string[]): Promise<void> {
    await Promise.all(channels.map((channel) => this.broker.subscribe(channel)));
  }

  publish(push: TestPush): PublishResult | Promise<PublishResult> {
    return this.broker.publish({
      pushId: push.pushId ?? `push ${++this.#pushes}`,
      push: aPush(push),
      idempotency: push.idempotency,
    });
  }

  /** Resolves once all that was accepted before has been handed over here. */
  async settled(): Promise<void> {
    const event = `marker ${++this.#pushes} of ${Math.random()}`;
    const seen = new Promise<void>((resolve) => this.#markers.set(event, resolve));
    await this.publish({ channel: MARKER, event });
    await seen;
    this.#markers.delete(event);
  }

  /** What was handed over of the channel, in its order. */
  messages(channel: string): Message[] {
    return this.delivered
      .filter(({ message }) => message.channel === channel)
      .map(({ message }) => message);
  }

  events(channel: string): string[] {
    return this.messages(channel).map(({ event }) => event);
  }

  /** What was handed over, as "channel event". */
  order(): string[] {
    return this.delivered.map(({ message }) => `${message.channel} ${message.event}`);
  }

  async history(channel: string, query: HistoryQuery = {}) {
    const { position, recovered, messages } = await this.broker.history(channel, query);
    return { position, recovered, events: messages.map(({ event }) => event) };
  }
}

export function aPush({ channel, event = "e", data = "null" }: TestPush): Push {
  const made = Push.of({ channel, event, data: Json.parse(data) });
  if (!made.ok) throw new Error(made.error.message);
  return made.push;
}

/** Comparable: `data` as its text. */
export function plain(message: Message) {
  return { ...message, data: message.data.text };
}
