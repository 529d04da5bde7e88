import type { MaybePromise } from "../domain/auth-policy.js";
import type { Broker, History, HistoryQuery } from "../domain/broker.js";
import type { PushService } from "../domain/push-service.js";
import { hasDirectory, type SocketDirectory, type Transport } from "../domain/transport.js";

/** This node, now and since its start. */
export interface Stats {
  readonly sockets: number;
  readonly subscriptions: number;
  /** Channels with at least one subscriber. */
  readonly channels: number;
  /** Pushes accepted since the start. */
  readonly pushes: number;
  /** Messages handed to sockets since the start, one for each socket. */
  readonly deliveries: number;
}

export interface ChannelSummary {
  readonly channel: string;
  readonly subscribers: number;
}

export interface ChannelDetail extends ChannelSummary {
  /** Who is joined, of those that the policy gave a presence id; sorted by id. */
  readonly presence: readonly Presence[];
}

export interface Presence {
  readonly id: string;
  /** With how many sockets. */
  readonly sockets: number;
}

export interface Page {
  /** Most entries of the answer. */
  readonly limit: number;
  /** Only entries that sort after this one, by UTF-16 units; all if undefined. */
  readonly after?: string | undefined;
}

/** What an operator sees and does, over all transports of this node. */
export class Control {
  readonly #pushes: PushService;
  readonly #transports: readonly Transport[];
  readonly #broker: Pick<Broker, "position" | "history"> | undefined;

  constructor(
    pushes: PushService,
    transports: readonly Transport[],
    broker?: Pick<Broker, "position" | "history">,
  ) {
    this.#pushes = pushes;
    this.#transports = transports;
    this.#broker = broker;
  }

  /** What the channel keeps; `position` is undefined if it keeps nothing. */
  history(channel: string, query: HistoryQuery): MaybePromise<History> {
    return (
      this.#broker?.history(channel, query) ?? {
        position: undefined,
        recovered: query.since === undefined,
        messages: [],
      }
    );
  }

  position(channel: string): MaybePromise<string | undefined> {
    return this.#broker?.position(channel);
  }

  stats(): Stats {
    let sockets = 0;
    let subscriptions = 0;
    for (const transport of this.#transports) {
      const counts = transport.counts();
      sockets += counts.sockets;
      subscriptions += counts.subscriptions;
    }
    return { sockets, subscriptions, channels: this.#names().size, ...this.#pushes.counts() };
  }

  /** The channels that have subscribers, sorted by name. */
  channels({ limit, after }: Page): ChannelSummary[] {
    const names = [...this.#names()];
    const behind = after === undefined ? names : names.filter((name) => name > after);
    return behind
      .sort(byCodeUnits)
      .slice(0, limit)
      .map((channel) => ({ channel, subscribers: this.#subscribers(channel) }));
  }

  /** A channel that nobody has joined is as any other, with nobody in it. */
  channel(channel: string, { limit, after }: Page): ChannelDetail {
    const sockets = new Map<string, number>();
    for (const transport of this.#directories()) {
      for (const { presenceId } of transport.joined(channel)) {
        if (presenceId === undefined || (after !== undefined && presenceId <= after)) continue;
        sockets.set(presenceId, (sockets.get(presenceId) ?? 0) + 1);
      }
    }
    const presence = [...sockets]
      .sort(([a], [b]) => byCodeUnits(a, b))
      .slice(0, limit)
      .map(([id, count]) => ({ id, sockets: count }));
    return { channel, subscribers: this.#subscribers(channel), presence };
  }

  /** @returns how many sockets of this id were closed. */
  closeSockets(socketId: string): number {
    let closed = 0;
    for (const transport of this.#transports) closed += transport.closeSockets(socketId);
    return closed;
  }

  #subscribers(channel: string): number {
    let subscribers = 0;
    for (const transport of this.#transports) subscribers += transport.subscribers(channel);
    return subscribers;
  }

  #names(): Set<string> {
    const names = new Set<string>();
    for (const transport of this.#directories()) {
      for (const channel of transport.channels()) names.add(channel);
    }
    return names;
  }

  #directories(): (Transport & SocketDirectory)[] {
    return this.#transports.filter(hasDirectory);
  }
}

function byCodeUnits(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
