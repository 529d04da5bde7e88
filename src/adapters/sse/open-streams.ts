import type { MaybePromise } from "../../domain/auth-policy.js";
import type { Broker } from "../../domain/broker.js";
import { andThen, isPromise } from "../../domain/maybe-promise.js";
import type { Stream } from "./stream.js";

const NOBODY: ReadonlySet<Stream> = new Set();

/** Who wants a channel's messages of the broker: open streams, and those that are about to open. */
interface Interest {
  wanted: number;
  readonly ready: MaybePromise<void>;
}

/** The streams of one transport, by channel; tells the broker which channels are wanted. */
export class OpenStreams {
  readonly #open = new Set<Stream>();
  readonly #byChannel = new Map<string, Set<Stream>>();
  readonly #interests = new Map<string, Interest>();
  readonly #broker: Pick<Broker, "subscribe" | "unsubscribe"> | undefined;

  constructor(broker: Pick<Broker, "subscribe" | "unsubscribe"> | undefined) {
    this.#broker = broker;
  }

  get size(): number {
    return this.#open.size;
  }

  [Symbol.iterator](): Iterator<Stream> {
    return this.#open.values();
  }

  /** To be undone by `release`. Settles once messages of the channels come; rejects where they won't. */
  want(channels: readonly string[]): MaybePromise<void> {
    const pending: Promise<void>[] = [];
    for (const channel of channels) {
      let interest = this.#interests.get(channel);
      if (interest === undefined) {
        interest = { wanted: 0, ready: this.#subscribe(channel) };
        this.#interests.set(channel, interest);
      }
      interest.wanted++;
      if (isPromise(interest.ready)) pending.push(interest.ready);
    }
    if (pending.length > 0) return Promise.all(pending).then(() => {});
  }

  release(channels: Iterable<string>): void {
    for (const channel of channels) {
      const interest = this.#interests.get(channel);
      if (interest === undefined || --interest.wanted > 0) continue;
      this.#interests.delete(channel);
      this.#broker?.unsubscribe(channel);
    }
  }

  has(stream: Stream): boolean {
    return this.#open.has(stream);
  }

  add(stream: Stream): void {
    this.#open.add(stream);
  }

  /** The channel was wanted before. */
  join(stream: Stream, channel: string): void {
    stream.channels.add(channel);
    const joined = this.#byChannel.get(channel);
    if (joined === undefined) this.#byChannel.set(channel, new Set([stream]));
    else joined.add(stream);
  }

  /** @returns whether it was there. */
  remove(stream: Stream): boolean {
    if (!this.#open.delete(stream)) return false;
    for (const channel of stream.channels) {
      const joined = this.#byChannel.get(channel);
      joined?.delete(stream);
      if (joined?.size === 0) this.#byChannel.delete(channel);
    }
    this.release(stream.channels);
    return true;
  }

  of(channel: string): ReadonlySet<Stream> {
    return this.#byChannel.get(channel) ?? NOBODY;
  }

  /** Channels with at least one stream. */
  channels(): Iterable<string> {
    return this.#byChannel.keys();
  }

  subscriptions(): number {
    let subscriptions = 0;
    for (const { channels } of this.#open) subscriptions += channels.size;
    return subscriptions;
  }

  #subscribe(channel: string): MaybePromise<void> {
    try {
      return andThen(this.#broker?.subscribe(channel), () => {});
    } catch (error) {
      return Promise.reject(error);
    }
  }
}
