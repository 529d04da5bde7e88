import { runApart } from "./bindings.js";
import { Channel } from "./channel.js";
import { Connection } from "./connection.js";
import { Subscription } from "./subscription.js";
import type { EventsOf, HexpushOptions, SubscribeOptions, TransportKind } from "./types.js";

/**
 * A client of a hexpush server, with the surface of pushex.
 *
 * @typeParam Channels by channel, its events and their data:
 * `{ chat: { message: { text: string } } }`. A key may be a pattern: `` [user: `user-${string}`] ``.
 */
export class Hexpush<Channels extends object = Record<string, Record<string, unknown>>> {
  readonly #connection: Connection;
  readonly #subscriptions = new Map<string, Subscription<object>>();

  /**
   * @param url `wss://HOST/push_socket`; in a page also relative to it
   * @throws TypeError without a URL, or where no transport is possible
   */
  constructor(url: string, options: HexpushOptions<Hexpush<Channels>> = {}) {
    if (!url) throw new TypeError("a URL is needed");
    const { onConnect, onDisconnect, onError, onConnectionError } = options;
    this.#connection = new Connection(url, options as HexpushOptions, {
      connected: () => runApart(onConnect, this),
      disconnected: (disconnect) => runApart(onDisconnect, disconnect, this),
      failed: (error) => {
        runApart(onError, error, this);
        runApart(onConnectionError, this);
      },
    });
  }

  get isConnected(): boolean {
    return this.#connection.isConnected;
  }

  /** What the messages come in by; undefined where there is no connection. */
  get transport(): TransportKind | undefined {
    return this.#connection.kind;
  }

  /**
   * Connects, and from then on comes back by itself. Resolves once the first attempt has begun;
   * `onConnect` tells when there is a connection. Never rejects.
   */
  connect(): Promise<void> {
    return this.#connection.connect();
  }

  /** Subscriptions stay, and go on from where they are after another `connect`. */
  disconnect(): Promise<void> {
    return this.#connection.disconnect();
  }

  /** For pushex's sake: parameters are asked for at each connection anyway. */
  resetParams(): Promise<this> {
    return Promise.resolve(this);
  }

  /**
   * Listens to a channel, now or once connected. A channel has one subscription, shared by all who
   * ask for it; the options of the first count.
   */
  subscribe<Name extends keyof Channels & string>(
    channel: Name,
    options?: SubscribeOptions,
  ): Subscription<EventsOf<Channels, Name>>;
  /** With types of its own: `subscribe<{ message: string }>("chat")`. */
  subscribe<Events extends object = never>(
    channel: [Events] extends [never] ? never : string,
    options?: SubscribeOptions,
  ): Subscription<Events>;
  subscribe(name: string, options: SubscribeOptions = {}): Subscription<object> {
    const existing = this.#subscriptions.get(name);
    if (existing !== undefined) return existing;
    const channel = new Channel(name, options);
    const subscription = new Subscription<object>(channel, () => {
      if (this.#subscriptions.get(name) === subscription) this.#subscriptions.delete(name);
      return this.#connection.remove(channel);
    });
    this.#subscriptions.set(name, subscription);
    this.#connection.add(channel);
    return subscription;
  }

  /** Resolves once the server knows; at once where there is no such subscription. */
  async unsubscribe(channel: string): Promise<void> {
    await this.#subscriptions.get(channel)?.unsubscribe();
  }

  getExistingSubscription<Name extends keyof Channels & string>(
    channel: Name,
  ): Subscription<EventsOf<Channels, Name>> | undefined {
    return this.#subscriptions.get(channel) as Subscription<EventsOf<Channels, Name>> | undefined;
  }
}
