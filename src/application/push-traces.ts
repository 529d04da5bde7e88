import type {
  ConsumerCut,
  MessageDelivered,
  PushListener,
  PushRefused,
  PushRequested,
} from "../domain/push-listener.js";

/** What became of one push: the answer to "why did it not arrive?". Holds no payload. */
export interface PushTrace {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly outcome: "accepted" | "denied" | "invalid" | "unavailable";
  /** What was wrong with a push that is invalid, or could not be accepted. */
  readonly reason?: string;
  /** Who pushed, where the policy told. */
  readonly by?: string;
  /** Of an accepted push. */
  readonly event?: string;
  /** Of an accepted push, in its order. */
  readonly channels: readonly ChannelTrace[];
}

export interface ChannelTrace {
  readonly channel: string;
  /** To how many sockets of this node it was written. */
  readonly sockets: number;
  /** How many of them were cut since, with so much unsent that this message may be part of it. */
  readonly cut: number;
}

export interface PushTracesOptions {
  /** Most accepted pushes that are kept; a tenth as many refused ones beside. 0 keeps none. */
  readonly max: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Most characters of names that all traces hold together: 1,000 channels a push add up. */
const NAME_CHARACTERS_MAX = 8_388_608;
/** Most pushes that are looked at for one socket that is cut: thousands may be cut at a time. */
const CUT_LOOKS_MAX = 10_000;
/** What a message has on the wire beside its names and its data, in bytes, at least. */
const FRAME_OVERHEAD = 40;

/**
 * Written over when it is the oldest one: at 10,000 pushes kept, new objects would all grow old
 * before they are let go, which costs a push more than everything else here.
 */
class Accepted {
  id = "";
  at = 0;
  by: string | undefined;
  event = "";
  /** The first channel, and all of them where there are more: an array for each push adds up. */
  channel = "";
  channels: readonly string[] | undefined;
  dataLength = 0;
  characters = 0;
  /** Of the first channel; the others' in `more`. Undefined before it was handed over. */
  first: number | undefined;
  more: number[] | undefined;
  cuts: Map<string, number> | undefined;

  /** How many of its channels have been delivered to. */
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
      // A broker that keeps the message has them already, and the push's own can go.
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
 * The recent pushes of this node, by their id. Accepted and refused ones have room of their own, so
 * that strangers who are refused cannot drive out what a backend asks for.
 */
export class PushTraces implements PushListener {
  readonly #options: PushTracesOptions;
  /** In the order of their coming, round and round; grows up to `max`. */
  readonly #ring: Accepted[] = [];
  /** How many have come, and how many of them are gone. */
  #end = 0;
  #start = 0;
  /** The text of the newest one's id, which is mostly asked for. */
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
    // Never the newest one: it is the one that is asked for at once.
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
   * The newest messages to the socket's channels, back to as many bytes as its buffer held, are
   * those that it may not have got.
   */
  consumerCut({ channels, bufferBytes }: ConsumerCut): void {
    const joined = new Set(channels);
    let unsent = bufferBytes;
    const last = Math.max(this.#start, this.#end - CUT_LOOKS_MAX);
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

  /** Undefined where no such push is known, or no longer. */
  get(id: string): PushTrace | undefined {
    const accepted = this.#accepted(id);
    if (accepted !== undefined) return acceptedTrace(id, accepted);
    const refused = this.#refused.get(id);
    if (refused === undefined) return undefined;
    const { at, kind, reason, by } = refused;
    return { id, at, outcome: kind, channels: [], ...(reason && { reason }), ...(by && { by }) };
  }

  /** From the newest on, which is nearly always the one; an operator's question may take longer. */
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
    // A socket that joined later counts as one that may have lost it; more than all is nonsense.
    return { channel, sockets, cut: Math.min(cuts?.get(channel) ?? 0, sockets) };
  });
  return { id, at, outcome: "accepted", ...(by && { by }), event, channels };
}
