import { runApart } from "./bindings.js";
import { Channel } from "./channel.js";
import { Connection } from "./connection.js";
import { Subscription } from "./subscription.js";
import type { EventsOf, HexpushOptions, SubscribeOptions, TransportKind } from "./types.js";

/**
 * A client of a hexpush server, with the API of pushex.
 *
 * @typeParam Channels maps each channel to its events and their data:
 * `{ chat: { message: { text: string } } }`. A key may be a pattern: `` [user: `user-${string}`] ``.
 */
export class Hexpush<Channels extends object = Record<string, Record<string, unknown>>> {
  readonly #connection: Connection;
  readonly #subscriptions = new Map<string, Subscription<object>>();

  /**
   * @param url `wss://HOST/push_socket`; in a page, it may be relative
   * @throws TypeError without a URL, or if no transport is available
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

  /** The transport of the connection; undefined if there is none. */
  get transport(): TransportKind | undefined {
    return this.#connection.kind;
  }

  /**
   * Connects, and reconnects by itself from then on. Resolves once the first attempt has begun;
   * `onConnect` is called when there is a connection. Never rejects.
   */
  connect(): Promise<void> {
    return this.#connection.connect();
  }

  /** Subscriptions stay, and resume after another `connect`. */
  disconnect(): Promise<void> {
    return this.#connection.disconnect();
  }

  /** Does nothing; for compatibility with pushex. Each connection gets fresh parameters anyway. */
  resetParams(): Promise<this> {
    return Promise.resolve(this);
  }

  /**
   * Listens to a channel, now or once connected. A channel has one subscription: further calls return
   * the same one and ignore their options.
   */
  subscribe<Name extends keyof Channels & string>(
    channel: Name,
    options?: SubscribeOptions,
  ): Subscription<EventsOf<Channels, Name>>;
  /** With explicit types: `subscribe<{ message: string }>("chat")`. */
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

  /** Resolves once the server has left the channel; at once if there is no such subscription. */
  async unsubscribe(channel: string): Promise<void> {
    await this.#subscriptions.get(channel)?.unsubscribe();
  }

  getExistingSubscription<Name extends keyof Channels & string>(
    channel: Name,
  ): Subscription<EventsOf<Channels, Name>> | undefined {
    return this.#subscriptions.get(channel) as Subscription<EventsOf<Channels, Name>> | undefined;
  }
}
