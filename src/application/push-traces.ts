import type {
  ConsumerCut,
  MessageDelivered,
  PushListener,
  PushRefused,
  PushRequested,
} from "../domain/push-listener.js";

/** The outcome of one push, to find out why it did not arrive. Contains no payload. */
export interface PushTrace {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly outcome: "accepted" | "denied" | "invalid" | "unavailable";
  /** Why the push is invalid, or could not be accepted. */
  readonly reason?: string;
  /** Who pushed, if the policy gave a name. */
  readonly by?: string;
  /** Only of an accepted push. */
  readonly event?: string;
  /** The channels of an accepted push, in its order; empty otherwise. */
  readonly channels: readonly ChannelTrace[];
}

export interface ChannelTrace {
  readonly channel: string;
  /** Number of sockets of this node that the message was written to. */
  readonly sockets: number;
  /** How many of them were cut later, with enough unsent data that it may include this message. */
  readonly cut: number;
}

export interface PushTracesOptions {
  /** Maximum number of accepted pushes, plus a tenth as many refused pushes; 0 keeps none. */
  readonly max: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Maximum characters of names in all traces together: a push may have 1,000 channels. */
const NAME_CHARACTERS_MAX = 8_388_608;
/** Maximum pushes searched for one cut socket: thousands may be cut at the same time. */
const CUT_SEARCH_MAX = 10_000;
/** Minimum size of a message on the wire besides its names and its data, in bytes. */
const FRAME_OVERHEAD = 40;

/**
 * The oldest entry is reused for a new push. New objects would survive until the garbage collector
 * promotes them (10,000 are kept), which costs a push more than everything else here.
 */
class Accepted {
  id = "";
  at = 0;
  by: string | undefined;
  event = "";
  /** The first channel; `channels` has all of them if there are more. Saves an array per push. */
  channel = "";
  channels: readonly string[] | undefined;
  dataLength = 0;
  characters = 0;
  /** Sockets of the first channel; `more` has the others. Undefined before the delivery. */
  first: number | undefined;
  more: number[] | undefined;
  cuts: Map<string, number> | undefined;

  /** Number of channels that have been delivered to. */
  get delivered(): number {
    return this.first === undefined ? 0 : 1 + (this.more?.length ?? 0);
  }

  sockets(index: number): number {
    return (index === 0 ? this.first : this.more?.[index - 1]) ?? 0;
  }

  channelAt(index: number): string | undefined {
    return index === 0 ? this.channel : this.channels?.[index];
  }

  add({ message, subscribers }: MessageDelivered): void {
    // A broker of several nodes leaves out channels that have no subscriber here.
    const { channels } = this;
    while (channels !== undefined && channels[this.delivered] !== message.channel) {
      if (this.delivered >= channels.length) return;
      this.#push(0);
    }
    const isFirst = this.first === undefined;
    this.#push(subscribers);
    if (isFirst) {
      // A broker that keeps the message holds these strings anyway; the push's copies can be freed.
      this.channel = message.channel;
      this.event = message.event;
    }
  }

  #push(subscribers: number): void {
    if (this.first === undefined) {
      this.first = subscribers;
      return;
    }
    this.more ??= [];
    this.more.push(subscribers);
  }
}

interface Refused {
  readonly id: string;
  readonly at: number;
  readonly kind: "denied" | "invalid" | "unavailable";
  readonly reason: string | undefined;
  readonly by: string | undefined;
}

/**
 * The recent pushes of this node by id. Accepted and refused pushes have separate limits, so that
 * refused strangers cannot evict the pushes that a backend asks for.
 */
export class PushTraces implements PushListener {
  readonly #options: PushTracesOptions;
  /** A ring buffer that grows up to `max`. */
  readonly #ring: Accepted[] = [];
  /** Number of pushes added so far. */
  #end = 0;
  /** Number of pushes dropped so far. */
  #start = 0;
  /** The id of the newest push, which is looked up most often. */
  #newestId: string | undefined;
  readonly #refused = new Map<string, Refused>();
  #characters = 0;

  constructor(options: PushTracesOptions) {
    this.#options = options;
  }

  pushRequested({ pushId, push, by }: PushRequested): void {
    const { max, now } = this.#options;
    if (max === 0) return;
    if (this.#end - this.#start === max) this.#dropOldest();
    const entry = this.#entryAt(this.#end++);
    let characters = push.event.length;
    const { channels } = push;
    for (const channel of channels) characters += channel.length;
    entry.id = pushId;
    this.#newestId = pushId;
    entry.at = now();
    entry.by = by;
    entry.event = push.event;
    entry.channel = channels[0] as string;
    entry.channels = channels.length === 1 ? undefined : channels;
    entry.dataLength = push.data.text.length;
    entry.characters = characters;
    entry.first = undefined;
    entry.more = undefined;
    entry.cuts = undefined;
    this.#characters += characters;
    // Never drops the newest push: it is looked up next.
    while (this.#characters > NAME_CHARACTERS_MAX && this.#end - this.#start > 1) {
      this.#dropOldest();
    }
  }

  messageDelivered(delivered: MessageDelivered): void {
    this.#accepted(delivered.pushId)?.add(delivered);
  }

  pushRefused({ pushId, kind, reason, by }: PushRefused): void {
    const { max, now } = this.#options;
    if (max === 0) return;
    this.#refused.set(pushId, { id: pushId, at: now(), kind, reason, by });
    if (this.#refused.size <= Math.ceil(max / 10)) return;
    for (const oldest of this.#refused.keys()) {
      this.#refused.delete(oldest);
      return;
    }
  }

  /**
   * The socket may have missed the newest messages of its channels, back to as many bytes as its
   * buffer held.
   */
  consumerCut({ channels, bufferBytes }: ConsumerCut): void {
    const joined = new Set(channels);
    let unsent = bufferBytes;
    const last = Math.max(this.#start, this.#end - CUT_SEARCH_MAX);
    for (let at = this.#end - 1; at >= last; at--) {
      const entry = this.#entryAt(at);
      // The message that is being delivered has no count yet, and may be what cuts the socket.
      for (let index = entry.delivered; index >= 0; index--) {
        const channel = entry.channelAt(index);
        if (channel === undefined || !joined.has(channel)) continue;
        if (index < entry.delivered && entry.sockets(index) === 0) continue;
        entry.cuts ??= new Map();
        entry.cuts.set(channel, (entry.cuts.get(channel) ?? 0) + 1);
        unsent -= entry.dataLength + entry.event.length + channel.length + FRAME_OVERHEAD;
        if (unsent <= 0) return;
      }
    }
  }

  /** Undefined if the push is not known, or no longer kept. */
  get(id: string): PushTrace | undefined {
    const accepted = this.#accepted(id);
    if (accepted !== undefined) return acceptedTrace(id, accepted);
    const refused = this.#refused.get(id);
    if (refused === undefined) return undefined;
    const { at, kind, reason, by } = refused;
    return { id, at, outcome: kind, channels: [], ...(reason && { reason }), ...(by && { by }) };
  }

  /** Searches from the newest, which is nearly always the one; an operator's lookup may take longer. */
  #accepted(id: string): Accepted | undefined {
    if (id === this.#newestId) return this.#entryAt(this.#end - 1);
    for (let at = this.#end - 1; at >= this.#start; at--) {
      const entry = this.#entryAt(at);
      if (entry.id === id) return entry;
    }
    return undefined;
  }

  #entryAt(at: number): Accepted {
    const index = at % this.#options.max;
    let entry = this.#ring[index];
    if (entry === undefined) {
      entry = new Accepted();
      this.#ring[index] = entry;
    }
    return entry;
  }

  #dropOldest(): void {
    this.#characters -= this.#entryAt(this.#start++).characters;
  }
}

function acceptedTrace(id: string, entry: Accepted): PushTrace {
  const { at, by, event, cuts } = entry;
  const channels = (entry.channels ?? [entry.channel]).map((channel, index) => {
    const sockets = entry.sockets(index);
    // A socket that joined later is counted as cut too, so the sum may exceed the sockets written to.
    return { channel, sockets, cut: Math.min(cuts?.get(channel) ?? 0, sockets) };
  });
  return { id, at, outcome: "accepted", ...(by && { by }), event, channels };
}
