import type { JoinDecision } from "../../../domain/auth-policy.js";
import { Json } from "../../../domain/json.js";
import { nameFault } from "../../../domain/name.js";
import type { ClientFrame, Codec, ReplyStatus } from "./frame.js";

/** What the socket is to do next, in this order. */
export type Effect =
  | { readonly kind: "send"; readonly text: string }
  /** The reply has gone; what comes on the channel is for the client from now on. */
  | {
      readonly kind: "subscribe";
      readonly channel: string;
      /** The last message that the client has: what came since goes first. */
      readonly since: string | undefined;
    }
  | { readonly kind: "unsubscribe"; readonly channel: string }
  /** Ask the policy, then call `decide` with its answer. */
  | { readonly kind: "authorize"; readonly join: PendingJoin }
  | { readonly kind: "close"; readonly code: number; readonly reason: string };

export interface PendingJoin {
  readonly frame: ClientFrame;
  /** The join's reference that this one replaces, as JSON text. */
  readonly replaced: string | undefined;
  /** Set with the decision, where the client is to get what it has missed. */
  since: string | undefined;
  /** What came for the channel since, in order: a decision is never overtaken. */
  readonly waiting: ClientFrame[];
}

/** What sessions have in common: one object for all of them, so that each keeps less. */
export interface SessionTerms {
  readonly codec: Codec;
  readonly limits: SessionLimits;
}

export interface SessionLimits {
  /** Longest channel name, in UTF-8 bytes. @defaultValue 1024 */
  readonly channelNameBytesMax: number;
  /** Most channels that one socket may be joined to. @defaultValue 1000 */
  readonly channelsPerSocketMax: number;
}

/** Most frames of one socket that wait for undecided joins. */
export const WAITING_FRAMES_MAX = 256;

/** RFC 6455, section 7.4.1; a frame that nobody can read ends the socket, as with PushEx. */
const CLOSE_UNDECODABLE = 1011;
export const CLOSE_POLICY = 1008;

const OK = "ok";
/** What phoenix.js counts its first joins with. */
const FIRST_REFS = Array.from({ length: 10 }, (_, n) => JSON.stringify(`${n}`));
const UNMATCHED_TOPIC = Json.of({ reason: "unmatched topic" });

/**
 * One socket's side of the Phoenix Channels protocol, as PushEx 2.2 speaks it: frames and
 * decisions in, effects out. Knows no socket, no policy and no clock.
 *
 * Its methods are `private` and not `#`: for those, V8 would keep a mark at each session (8 bytes).
 */
export class Session {
  readonly #terms: SessionTerms;
  /**
   * The channel that it is joined to, and its join's reference as JSON text. Most sockets have one:
   * a table of one entry would be a third of what an idle socket takes.
   */
  #channel: string | undefined;
  #joinRef: string | undefined;
  /** The same for all other channels, and the joins that are not decided; undefined where none are. */
  #others: Map<string, string | PendingJoin> | undefined;

  constructor(terms: SessionTerms) {
    this.#terms = terms;
  }

  get codec(): Codec {
    return this.#terms.codec;
  }

  /** The channels that it is joined to, in no order. A copy. */
  channels(): string[] {
    const channels = this.#channel === undefined ? [] : [this.#channel];
    for (const [channel, join] of this.#others ?? []) {
      if (typeof join === "string") channels.push(channel);
    }
    return channels;
  }

  isJoined(channel: string): boolean {
    return this.joinRefOf(channel) !== undefined;
  }

  receiveText(text: string): Effect[] {
    return this.receive(this.codec.decodeText(text));
  }

  receiveBinary(bytes: Uint8Array): Effect[] {
    return this.receive(this.codec.decodeBinary(bytes));
  }

  /**
   * The policy's answer to an `authorize` effect.
   *
   * @param topic the join's, as the string to keep.
   */
  decide(join: PendingJoin, decision: JoinDecision, topic = join.frame.topic): Effect[] {
    const { frame, replaced, waiting } = join;
    if (this.#others?.get(topic) !== join) return [];
    this.left(topic);
    const effects: Effect[] = [];
    if (decision.allow === true) {
      this.joined(topic, shared(frame.joinRef));
      effects.push(this.reply(frame, OK, decision.response ?? Json.emptyObject));
    } else {
      const reason = decision.reason ?? "unauthorized";
      effects.push(this.reply(frame, "error", Json.of({ reason })));
    }
    if (replaced !== undefined) effects.push(this.closed(topic, replaced));
    if (decision.allow === true) {
      effects.push({ kind: "subscribe", channel: topic, since: join.since });
    }
    for (const next of waiting) effects.push(...this.receive(next));
    return effects;
  }

  private receive(frame: ClientFrame | undefined): Effect[] {
    if (frame === undefined) return [{ kind: "close", code: CLOSE_UNDECODABLE, reason: "" }];
    if (frame.topic === "phoenix" && frame.event === "heartbeat") {
      return [this.reply({ ...frame, joinRef: "null" }, OK, Json.emptyObject)];
    }
    const pending = this.pendingOf(frame.topic);
    if (pending !== undefined) return this.wait(pending, frame);
    if (frame.event === "phx_join") return this.join(frame);
    const joinRef = this.joinRefOf(frame.topic);
    if (frame.event === "phx_leave") return this.leave(frame, joinRef);
    if (joinRef === undefined) {
      return [this.reply({ ...frame, joinRef: "null" }, "error", UNMATCHED_TOPIC)];
    }
    // PushEx's channels take no events, and one that comes ends the channel (not the socket).
    this.left(frame.topic);
    return [
      { kind: "unsubscribe", channel: frame.topic },
      { kind: "send", text: this.codec.encodeChannelEvent(frame.topic, "phx_error", joinRef) },
    ];
  }

  private wait(pending: PendingJoin, frame: ClientFrame): Effect[] {
    let waiting = 0;
    // Counted each time: few frames wait, and a number would be kept for each idle socket as well.
    for (const join of this.#others?.values() ?? []) {
      if (typeof join !== "string") waiting += join.waiting.length;
    }
    if (waiting >= WAITING_FRAMES_MAX) {
      return [
        { kind: "close", code: CLOSE_POLICY, reason: "too many frames before a join was decided" },
      ];
    }
    pending.waiting.push(frame);
    return [];
  }

  private join(frame: ClientFrame): Effect[] {
    const { topic } = frame;
    const replaced = this.joinRefOf(topic);
    const fault = replaced === undefined ? this.joinFault(topic) : undefined;
    if (fault !== undefined) return [this.reply(frame, "error", Json.of({ reason: fault }))];
    const join: PendingJoin = { frame, replaced, since: undefined, waiting: [] };
    // The old channel ends before the new join is decided, and also where that is denied.
    if (replaced !== undefined) this.left(topic);
    this.#others ??= new Map();
    this.#others.set(topic, join);
    if (replaced === undefined) return [{ kind: "authorize", join }];
    return [
      { kind: "unsubscribe", channel: topic },
      { kind: "authorize", join },
    ];
  }

  private joinFault(topic: string): string | undefined {
    const fault = nameFault(topic, this.#terms.limits.channelNameBytesMax);
    if (fault !== undefined) return `channel name ${fault}`;
    const channels = (this.#channel === undefined ? 0 : 1) + (this.#others?.size ?? 0);
    const { channelsPerSocketMax } = this.#terms.limits;
    return channels < channelsPerSocketMax
      ? undefined
      : `a socket must not join more than ${channelsPerSocketMax} channels`;
  }

  private joinRefOf(channel: string): string | undefined {
    if (channel === this.#channel) return this.#joinRef;
    const other = this.#others?.get(channel);
    return typeof other === "string" ? other : undefined;
  }

  private pendingOf(channel: string): PendingJoin | undefined {
    const other = this.#others?.get(channel);
    return typeof other === "string" ? undefined : other;
  }

  private joined(channel: string, joinRef: string): void {
    if (this.#channel === undefined) {
      this.#channel = channel;
      this.#joinRef = joinRef;
    } else {
      this.#others ??= new Map();
      this.#others.set(channel, joinRef);
    }
  }

  /** Also one that was not decided. */
  private left(channel: string): void {
    if (channel === this.#channel) {
      this.#channel = undefined;
      this.#joinRef = undefined;
    } else if (this.#others?.has(channel)) {
      // To delete the last one would first make a smaller table.
      if (this.#others.size === 1) this.#others = undefined;
      else this.#others.delete(channel);
    }
  }

  private leave(frame: ClientFrame, joinRef: string | undefined): Effect[] {
    const { topic } = frame;
    if (joinRef === undefined) return [this.reply(frame, OK, Json.emptyObject)];
    // Of an earlier join: the client itself has replaced that one already.
    if (frame.joinRef !== joinRef) return [];
    this.left(topic);
    return [
      { kind: "unsubscribe", channel: topic },
      this.reply(frame, OK, Json.emptyObject),
      this.closed(topic, joinRef),
    ];
  }

  private reply(frame: ClientFrame, status: ReplyStatus, response: Json): Effect {
    const { joinRef, ref, topic } = frame;
    return {
      kind: "send",
      text: this.codec.encodeReply({ joinRef, ref, topic, status, response }),
    };
  }

  private closed(topic: string, joinRef: string): Effect {
    return { kind: "send", text: this.codec.encodeChannelEvent(topic, "phx_close", joinRef) };
  }
}

/** The same reference, as a string that other sockets keep as well where it is a usual one. */
function shared(joinRef: string): string {
  if (joinRef.length !== 3) return joinRef;
  const first = FIRST_REFS[joinRef.charCodeAt(1) - 0x30];
  return first === joinRef ? first : joinRef;
}
