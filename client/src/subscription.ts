import type { Listener } from "./bindings.js";
import type { Channel } from "./channel.js";
import type { ChannelState, Lifecycle } from "./types.js";

/** For `"*"`: the data and the event as a tuple, so that checking the event narrows the data. */
export type AnyEvent<Events> = {
  [Event in keyof Events & string]: [data: Events[Event], event: Event];
}[keyof Events & string];

/**
 * A subscription to one channel. All `subscribe` calls for the channel share it, as in pushex.
 *
 * @typeParam Events maps each event to its data
 */
export class Subscription<Events extends object = Record<string, unknown>> {
  readonly channelName: string;
  readonly #channel: Channel;
  readonly #leave: () => Promise<void>;

  /** Created by `Hexpush.subscribe`. */
  constructor(channel: Channel, leave: () => Promise<void>) {
    this.channelName = channel.name;
    this.#channel = channel;
    this.#leave = leave;
  }

  get state(): ChannelState {
    return this.#channel.state;
  }

  /**
   * Calls `fn` with each message of this event. Functions run in the order of their bindings; those
   * of `"*"`, which get every event, run last.
   *
   * @returns a function that removes this binding
   */
  bind(event: "*", fn: (...args: AnyEvent<Events>) => void): () => void;
  bind<Event extends keyof Events & string>(
    event: Event,
    fn: (data: Events[Event], event: Event) => void,
  ): () => void;
  bind(event: string, fn: Listener): () => void {
    return this.#channel.bindings.add(event, fn);
  }

  /** Removes all bindings of the event. */
  unbind(event: (keyof Events & string) | "*"): void {
    this.#channel.bindings.remove(event);
  }

  unbindAll(): void {
    this.#channel.bindings.clear();
  }

  hasBindings(): boolean {
    return !this.#channel.bindings.isEmpty;
  }

  /**
   * Calls `fn` when the channel is joined, denied, recovered after a break, or has an error.
   *
   * @returns a function that removes `fn`
   */
  on<Kind extends keyof Lifecycle>(kind: Kind, fn: (value: Lifecycle[Kind]) => void): () => void {
    return this.#channel.lifecycle.add(kind, fn);
  }

  /** Leaves the channel, for all users of this subscription. Resolves once the server has left it. */
  unsubscribe(): Promise<void> {
    return this.#leave();
  }

  /** The same as `unsubscribe`, with its name in pushex. */
  close(): Promise<void> {
    return this.#leave();
  }
}
