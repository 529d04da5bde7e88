import type { Identity } from "../../domain/auth-policy.js";
import type { Resume } from "../../domain/resume.js";
import type { Channel } from "./channels.js";
import type { SocketGroup } from "./socket-groups.js";
import type { SocketWriter } from "./socket-writer.js";

/**
 * One open client connection, whatever its transport. Ten thousands of these are idle at a time, so
 * it is small: its fields are `private` and not `#`, which V8 marks at each object (8 bytes).
 */
export class Socket<H = unknown> {
  /**
   * What the transport keeps for it; undefined before it is open, and once the transport must not
   * be called for it any more.
   */
  handle: H | undefined = undefined;
  /** Undefined before its first join. */
  group: SocketGroup | undefined = undefined;
  /** Milliseconds; see `OpenSockets`. */
  lastFrameAt = 0;
  previous: Socket | undefined = undefined;
  next: Socket | undefined = undefined;
  /** Most sockets have one subscription: a table of one entry would take as much as all else here. */
  private first: Subscription<H> | undefined = undefined;
  private others: Map<string, Subscription<H>> | undefined = undefined;

  /** @param writer may be replaced before the first subscription begins. */
  constructor(
    public writer: SocketWriter<H>,
    readonly identity: Identity,
  ) {}

  /** How many channels it has joined or is about to join. */
  get size(): number {
    return (this.first === undefined ? 0 : 1) + (this.others?.size ?? 0);
  }

  /** Also one that is not decided. */
  subscription(channel: string): Subscription<H> | undefined {
    const { first } = this;
    return first?.channel === channel ? first : this.others?.get(channel);
  }

  /** Also those that are not decided, in no order. A copy. */
  subscriptions(): Subscription<H>[] {
    const all = this.first === undefined ? [] : [this.first];
    if (this.others !== undefined) all.push(...this.others.values());
    return all;
  }

  /** The channels that it is joined to, in no order. A copy. */
  channels(): string[] {
    const joined = this.subscriptions().filter(({ isJoined }) => isJoined);
    return joined.map(({ channel }) => channel);
  }

  add(subscription: Subscription<H>): void {
    if (this.first === undefined) {
      this.first = subscription;
      return;
    }
    this.others ??= new Map();
    this.others.set(subscription.channel, subscription);
  }

  remove(subscription: Subscription<H>): void {
    if (this.first === subscription) {
      this.first = undefined;
    } else if (this.others?.get(subscription.channel) === subscription) {
      // To delete the last one would first make a smaller table.
      if (this.others.size === 1) this.others = undefined;
      else this.others.delete(subscription.channel);
    }
  }
}

/** The whole state of one socket's join of one channel. */
export class Subscription<H = unknown> {
  /**
   * `deciding`: the policy or the broker has not answered. `answering`: accepted; the protocol has
   * not told its client. `resuming`: the client gets what it has missed. `live`: it gets messages
   * as they come. `ended`: denied, left or closed.
   */
  state: "deciding" | "answering" | "resuming" | "live" | "ended" = "deciding";
  /** From the policy's decision on. */
  entry: Channel | undefined = undefined;
  /** While the client has not got everything up to now. */
  resume: Resume | undefined = undefined;

  constructor(
    readonly socket: Socket<H>,
    /** Replaced by an equal string that all subscriptions of the channel share. */
    public channel: string,
    /** The protocol's own, for instance the reference of a Phoenix join. */
    public tag: unknown,
  ) {}

  get isJoined(): boolean {
    return this.state !== "deciding" && this.state !== "ended";
  }
}
