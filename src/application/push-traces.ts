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

interface Accepted {
  readonly id: string;
  readonly at: number;
  readonly by: string | undefined;
  readonly event: string;
  readonly channels: readonly string[];
  readonly sockets: number[];
  readonly dataLength: number;
  readonly characters: number;
  /** The one accepted before; undefined where none is kept. */
  previous: Accepted | undefined;
  cuts: Map<string, number> | undefined;
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
  readonly #accepted = new Map<string, Accepted>();
  readonly #refused = new Map<string, Refused>();
  #characters = 0;
  #newest: Accepted | undefined;

  constructor(options: PushTracesOptions) {
    this.#options = options;
  }

  pushRequested({ pushId, push, by }: PushRequested): void {
    const { max, now } = this.#options;
    if (max === 0) return;
    let characters = push.event.length;
    for (const channel of push.channels) characters += channel.length;
    const entry: Accepted = {
      id: pushId,
      at: now(),
      by,
      event: push.event,
      channels: push.channels,
      sockets: [],
      dataLength: push.data.text.length,
      characters,
      previous: this.#newest,
      cuts: undefined,
    };
    this.#newest = entry;
    this.#accepted.set(pushId, entry);
    this.#characters += characters;
    while (this.#accepted.size > max || this.#characters > NAME_CHARACTERS_MAX) {
      if (!this.#dropOldest()) break;
    }
  }

  messageDelivered({ pushId, subscribers }: MessageDelivered): void {
    // A push from within a delivery is newer than the one that is still being delivered.
    const entry = this.#newest?.id === pushId ? this.#newest : this.#accepted.get(pushId);
    entry?.sockets.push(subscribers);
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
    let entry = this.#newest;
    for (let looks = 0; entry !== undefined && looks < CUT_LOOKS_MAX; looks++) {
      // The message that is being delivered has no count yet, and may be what cuts the socket.
      for (let index = entry.sockets.length; index >= 0; index--) {
        const channel = entry.channels[index];
        if (channel === undefined) continue;
        if (!joined.has(channel) || entry.sockets[index] === 0) continue;
        entry.cuts ??= new Map();
        entry.cuts.set(channel, (entry.cuts.get(channel) ?? 0) + 1);
        unsent -= entry.dataLength + entry.event.length + channel.length + FRAME_OVERHEAD;
        if (unsent <= 0) return;
      }
      entry = entry.previous;
    }
  }

  /** Undefined where no such push is known, or no longer. */
  get(id: string): PushTrace | undefined {
    const accepted = this.#accepted.get(id);
    if (accepted !== undefined) return acceptedTrace(accepted);
    const refused = this.#refused.get(id);
    if (refused === undefined) return undefined;
    const { at, kind, reason, by } = refused;
    return { id, at, outcome: kind, channels: [], ...(reason && { reason }), ...(by && { by }) };
  }

  /** Never the newest one: it is the one that is asked for at once. */
  #dropOldest(): boolean {
    if (this.#accepted.size <= 1) return false;
    let dropped = false;
    for (const [id, entry] of this.#accepted) {
      if (dropped) {
        entry.previous = undefined;
        break;
      }
      this.#accepted.delete(id);
      this.#characters -= entry.characters;
      dropped = true;
    }
    return dropped;
  }
}

function acceptedTrace(entry: Accepted): PushTrace {
  const { id, at, by, event, cuts } = entry;
  const channels = entry.channels.map((channel, index) => {
    const sockets = entry.sockets[index] ?? 0;
    // A socket that joined later counts as one that may have lost it; more than all is nonsense.
    return { channel, sockets, cut: Math.min(cuts?.get(channel) ?? 0, sockets) };
  });
  return { id, at, outcome: "accepted", ...(by && { by }), event, channels };
}
