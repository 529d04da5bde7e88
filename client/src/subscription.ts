import type { Listener } from "./bindings.js";
import type { Channel } from "./channel.js";
import type { ChannelState, Lifecycle } from "./types.js";

/** For `"*"`: the data and the event together, so that a check of the one narrows the other. */
export type AnyEvent<Events> = {
  [Event in keyof Events & string]: [data: Events[Event], event: Event];
}[keyof Events & string];

/**
 * What listens to one channel. All who subscribe to the channel share it, as with pushex.
 *
 * @typeParam Events by event, what its data is
 */
export class Subscription<Events extends object = Record<string, unknown>> {
  readonly channelName: string;
  readonly #channel: Channel;
  readonly #leave: () => Promise<void>;

  /** Made by `Hexpush.subscribe`. */
  constructor(channel: Channel, leave: () => Promise<void>) {
    this.channelName = channel.name;
    this.#channel = channel;
    this.#leave = leave;
  }

  get state(): ChannelState {
    return this.#channel.state;
  }

  /**
   * Calls `fn` with each message of this event, in the order of the binds; those of `"*"`, which
   * get every event, come after.
   *
   * @returns what ends this binding
   */
  bind(event: "*", fn: (...args: AnyEvent<Events>) => void): () => void;
  bind<Event extends keyof Events & string>(
    event: Event,
    fn: (data: Events[Event], event: Event) => void,
  ): () => void;
  bind(event: string, fn: Listener): () => void {
    return this.#channel.bindings.add(event, fn);
  }

  /** Ends all bindings of the event. */
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
   * Calls `fn` when the channel is joined or denied, back after a break, or in trouble.
   *
   * @returns what ends it
   */
  on<Kind extends keyof Lifecycle>(kind: Kind, fn: (value: Lifecycle[Kind]) => void): () => void {
    return this.#channel.lifecycle.add(kind, fn);
  }

  /** Leaves the channel, for all who share this. Resolves once the server knows. */
  unsubscribe(): Promise<void> {
    return this.#leave();
  }

  /** The same, by its name in pushex. */
  close(): Promise<void> {
    return this.#leave();
  }
}
