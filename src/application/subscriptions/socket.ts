import type { Identity, MaybePromise } from "../../domain/auth-policy.js";
import type { Json } from "../../domain/json.js";
import type { Message } from "../../domain/message.js";
import type { Resume } from "../../domain/resume.js";
import type { CloseReason } from "./close-reason.js";

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

/**
 * What sockets of one protocol and one encoding are told, and how messages look to them. Knows no
 * library; one object serves all its sockets.
 */
export interface SocketProtocol {
  /** Names the transport to listeners and operators, for instance `phoenix`. */
  readonly transport: string;

  /** Clients must send a frame now and then; one that does not is closed. */
  readonly hasIdleTimeout: boolean;

  /**
   * All channels of a socket share one position, so they go live in the same turn of the event loop.
   */
  readonly isOneStream: boolean;

  /**
   * The join was accepted. The protocol answers it and calls `Joins.begin`, in this turn or a later
   * one; no message of the channel reaches the client before that.
   */
  joined(subscription: Subscription, accepted: AcceptedJoin): void;

  /**
   * The join was denied; the subscription has ended.
   *
   * @param isTemporary the broker cannot be reached now; the same join may be accepted later.
   */
  denied(subscription: Subscription, reason: string, isTemporary: boolean): void;

  /** All channels of a socket went live (`isOneStream`). */
  wentLive?(socket: Socket): void;

  /**
   * The message as every live socket gets it. Called once per message, in the order of delivery, if
   * at least one of them is joined to its channel.
   */
  encode(message: Message): string;

  /** The message as one socket gets it that is not live yet. */
  encodeReplayed(message: Message, subscription: Subscription): string;
}

export interface AcceptedJoin {
  /** The policy's response to the join. */
  readonly response: Json | undefined;
  /** The channel's newest id; undefined if it keeps no history. */
  readonly position: string | undefined;
  /** Whether everything after the client's id follows; undefined if it gave none. */
  readonly recovered: boolean | undefined;
}

/**
 * Writes to the sockets of one protocol with one library. One object serves all of them; `H` is what
 * the transport keeps for one open socket, for example the library's WebSocket.
 *
 * No method may throw because a client is slow or gone. A transport reports the end of a socket with
 * `Subscriptions.closed`, also from within these calls.
 */
export interface SocketWriter<H = unknown> {
  readonly protocol: SocketProtocol;

  /** Sends after everything that was sent before. */
  send(handle: H, frame: string): void;

  /** Calls `work` at once; what is sent within it may be written together. */
  batch(handle: H, work: () => void): void;

  /** Bytes that were sent and that the client has not taken yet. */
  bufferedBytes(handle: H): number;

  /** Tells the client why, and closes. */
  close(handle: H, reason: CloseReason): void;

  /** For the sockets of `group` on one channel. `name` belongs to this share alone. */
  share(group: SocketGroup, name: string): Share<H>;
}

/** The sockets of one group that get one channel's messages. */
export interface Share<H = unknown> {
  readonly group: SocketGroup;
  /** How many there are; counted by the caller. */
  sockets: number;
  add(socket: Socket<H>): void;
  /** Its `handle` is undefined if the library has dropped it already. */
  remove(socket: Socket<H>): void;
  /** Sends a frame to each of them. */
  write(frame: string): void;
}

/** Some sockets of one writer that are written to in the same turn of the event loop. */
export class SocketGroup {
  /** In the group, whatever they have joined. */
  sockets = 0;
  /** What its sockets are still to get, oldest first: in turn a share or one of them, and a frame. */
  waiting: (Share | Socket | string)[] = [];
  /** To how many of its sockets that will be written, once each; never too few. */
  writes = 0;
  /** The group that is written to after this one; undefined also if it is the last one. */
  next: SocketGroup | undefined;
  isDue = false;

  constructor(
    readonly writer: SocketWriter,
    /** Its own, so that the name of a share belongs to one group and one channel. */
    readonly prefix: string,
  ) {}
}

/** What this node keeps for a channel while a local socket has joined it or is about to. */
export interface Channel {
  readonly name: string;
  /** Settles once messages that are accepted later reach this node; undefined if they do. */
  ready: MaybePromise<void>;
  /** Subscriptions that need its messages, also those whose join is under way. */
  interest: number;
  /** Joined subscriptions, also those that are resuming. */
  joined: number;
  /** Subscriptions that get messages as they come. */
  live: number;
  /**
   * Those of one writer are neighbours, so that a message is encoded once for all of them. Replaced
   * and not changed: a write may close sockets, and so end a share, in the middle of a delivery.
   */
  shares: readonly Share[];
  /** Subscriptions that are not live and must not miss what comes; undefined if there are none. */
  resuming: Set<Subscription> | undefined;
}
