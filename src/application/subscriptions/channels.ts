import type { MaybePromise } from "../../domain/auth-policy.js";
import type { Broker } from "../../domain/broker.js";
import { isPromise } from "../../domain/maybe-promise.js";
import type { Channel } from "./socket.js";

/** The channels that this node takes messages of; registers its interest in each with the broker. */
export class Channels {
  readonly #channels = new Map<string, Channel>();
  readonly #broker: Pick<Broker, "subscribe" | "unsubscribe"> | undefined;
  readonly #onError: (error: unknown) => void;

  /** @param onError called if the broker cannot end a subscription of the node */
  constructor(
    broker: Pick<Broker, "subscribe" | "unsubscribe"> | undefined,
    onError: (error: unknown) => void,
  ) {
    this.#broker = broker;
    this.#onError = onError;
  }

  get(name: string): Channel | undefined {
    return this.#channels.get(name);
  }

  /** One more subscription needs the channel; to be undone with `release`. */
  acquire(name: string): Channel {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      channel = {
        name,
        ready: this.#subscribe(name),
        interest: 0,
        joined: 0,
        live: 0,
        shares: [],
        resuming: undefined,
      };
      this.#channels.set(name, channel);
    }
    channel.interest++;
    return channel;
  }

  release(channel: Channel): void {
    if (--channel.interest > 0) return;
    const current = this.#channels.get(channel.name);
    // One whose subscribe has failed may have been replaced, and the new one needs the interest.
    if (current !== undefined && current !== channel) return;
    this.#channels.delete(channel.name);
    const left = this.#broker?.unsubscribe(channel.name);
    if (isPromise(left)) Promise.resolve(left).catch(this.#onError);
  }

  /** Channels with at least one joined subscription. */
  *joined(): Iterable<Channel> {
    for (const channel of this.#channels.values()) if (channel.joined > 0) yield channel;
  }

  #subscribe(name: string): MaybePromise<void> {
    let ready: MaybePromise<void>;
    try {
      ready = this.#broker?.subscribe(name);
    } catch (error) {
      ready = Promise.reject(error);
    }
    if (!isPromise(ready)) return undefined;
    const settled = Promise.resolve(ready);
    settled.then(
      () => this.#settled(name, settled, true),
      () => this.#settled(name, settled, false),
    );
    return settled;
  }

  #settled(name: string, ready: Promise<void>, isReady: boolean): void {
    const channel = this.#channels.get(name);
    if (channel?.ready !== ready) return;
    // After a failure the next join asks the broker again.
    if (isReady) channel.ready = undefined;
    else this.#channels.delete(name);
  }
}
