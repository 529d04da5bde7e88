import type { AuthPolicy, JoinDecision } from "../../domain/auth-policy.js";
import type { Broker } from "../../domain/broker.js";
import type { Json } from "../../domain/json.js";
import { isPromise } from "../../domain/maybe-promise.js";
import type { Message } from "../../domain/message.js";
import { nameFault } from "../../domain/name.js";
import { Resume } from "../../domain/resume.js";
import { describeError } from "../describe-error.js";
import type { Channels } from "./channels.js";
import type { CloseReason } from "./close-reason.js";
import type { Delivery } from "./delivery.js";
import { type AcceptedJoin, type Channel, type Socket, Subscription } from "./socket.js";

export interface JoinOptions {
  /** Guarded: it neither throws nor rejects. */
  readonly policy: Pick<AuthPolicy, "authorizeJoin">;
  /** @defaultValue no channel keeps a history, and messages come from `deliver` alone */
  readonly broker?: Pick<Broker, "subscribe" | "unsubscribe" | "position" | "history"> | undefined;
  readonly limits: JoinLimits;
  /** Why a channel with so many subscribers takes no other; undefined if it does. */
  readonly rejection?: ((channel: string, subscribers: number) => string | undefined) | undefined;
  readonly log: SocketLog;
}

export interface JoinLimits {
  /** Longest channel name, in UTF-8 bytes. @defaultValue 1024 */
  readonly channelNameBytesMax: number;
  /** Most channels that one socket may join. @defaultValue 1000 */
  readonly channelsPerSocketMax: number;
  /** Most bytes that wait to be sent to one socket; above it the socket is cut. @defaultValue 1048576 */
  readonly sendBufferBytesMax: number;
}

export interface SocketLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

/** What a join changes around it. */
export interface JoinContext {
  readonly channels: Channels;
  readonly delivery: Delivery;
  /** For listeners: the subscription exists, and the client knows it. */
  joined(subscription: Subscription): void;
  /** It ended after `joined`. */
  left(subscription: Subscription): void;
  close(socket: Socket, reason: CloseReason): void;
}

const NO_HISTORY = "the history is not available";
const NOT_AVAILABLE = "the channel is not available";

/**
 * The way of a subscription from the client's request to live messages: limits, policy, the broker's
 * interest, the channel's position, the protocol's answer, what was missed, live.
 *
 * Each step may answer at once or later. If all do at once, a join is over when `join` returns.
 */
export class Joins {
  readonly #options: JoinOptions;
  readonly #context: JoinContext;

  constructor(options: JoinOptions, context: JoinContext) {
    this.#options = options;
    this.#context = context;
  }

  /**
   * Asks for a channel. The socket's protocol is told the result. A socket that has joined the
   * channel must leave it first.
   *
   * @param since the id of the last message that the client has, or anything else if what the client
   * sent is no id; undefined if it does not resume
   * @param tag the protocol's own, kept with the subscription
   */
  join(
    socket: Socket,
    channel: string,
    params: Json,
    since: string | undefined,
    tag: unknown,
  ): void {
    const subscription = new Subscription(socket, channel, tag);
    const fault = this.#faultOf(socket, channel);
    if (fault !== undefined) {
      this.#deny(subscription, fault);
      return;
    }
    socket.add(subscription);
    const { identity } = socket;
    const decision = this.#options.policy.authorizeJoin({ channel, params, identity });
    if (isPromise(decision)) {
      void decision.then((decided) =>
        this.#later(subscription, () => this.#decided(subscription, since, decided)),
      );
    } else {
      this.#decided(subscription, since, decision);
    }
  }

  /** The client has been told that its join was accepted. */
  begin(subscription: Subscription): void {
    const { socket, entry } = subscription;
    if (subscription.state !== "answering" || entry === undefined) return;
    subscription.state = "resuming";
    this.#context.delivery.begin(socket, entry);
    this.#context.joined(subscription);
    const { resume } = subscription;
    if (resume === undefined) this.#goLive(subscription);
    else resume.run();
  }

  /** Ends a subscription, whatever its state. If it has ended, this does nothing. */
  leave(subscription: Subscription): void {
    const { socket, state, entry } = subscription;
    if (state === "ended") return;
    subscription.state = "ended";
    socket.remove(subscription);
    if (entry === undefined) return;
    const { delivery, channels } = this.#context;
    this.#stopResume(subscription, entry);
    if (state !== "deciding") entry.joined--;
    if (state === "live") delivery.left(socket, entry);
    channels.release(entry);
    if (state === "resuming" || state === "live") this.#context.left(subscription);
  }

  /**
   * A message of a channel for those of its subscriptions that are not live.
   *
   * @returns to how many sockets it was sent at once: what is in no history cannot follow later.
   */
  hold(resuming: Iterable<Subscription>, message: Message): number {
    let sent = 0;
    for (const subscription of resuming) {
      if (message.id !== undefined) {
        subscription.resume?.hold(message);
      } else if (subscription.state === "resuming") {
        sendDirectly(subscription, message);
        sent++;
      }
    }
    return sent;
  }

  #faultOf(socket: Socket, channel: string): string | undefined {
    const { channelNameBytesMax, channelsPerSocketMax } = this.#options.limits;
    const fault = nameFault(channel, channelNameBytesMax);
    if (fault !== undefined) return `channel name ${fault}`;
    return socket.size < channelsPerSocketMax
      ? undefined
      : `a socket must not join more than ${channelsPerSocketMax} channels`;
  }

  /** Goes on in another turn of the event loop, if the join still counts. */
  #later({ socket, state }: Subscription, work: () => void): void {
    if (state !== "deciding" || socket.handle === undefined) return;
    socket.writer.batch(socket.handle, work);
  }

  #decided(subscription: Subscription, since: string | undefined, decision: JoinDecision): void {
    if (decision.allow !== true) {
      this.#deny(subscription, decision.reason ?? "unauthorized");
      return;
    }
    const { response } = decision;
    const entry = this.#context.channels.acquire(subscription.channel);
    subscription.entry = entry;
    // An equal string that is kept anyway: thousands of sockets may join the channel.
    subscription.channel = entry.name;
    if (isPromise(entry.ready)) {
      entry.ready.then(
        () => this.#later(subscription, () => this.#read(subscription, since, response)),
        (error: unknown) =>
          this.#later(subscription, () => this.#fail(subscription, NOT_AVAILABLE, error)),
      );
    } else {
      this.#read(subscription, since, response);
    }
  }

  /** Where the channel stands, and whether the client can get everything since its id. */
  #read(subscription: Subscription, since: string | undefined, response: Json | undefined): void {
    const { broker } = this.#options;
    const { channel } = subscription;
    if (broker === undefined) {
      const recovered = since === undefined ? undefined : false;
      this.#answer(subscription, since, { response, position: undefined, recovered });
      return;
    }
    try {
      const read =
        since === undefined
          ? broker.position(channel)
          : broker.history(channel, { since, limit: 0 });
      if (!isPromise(read)) {
        this.#answer(subscription, since, accepted(response, read));
        return;
      }
      // What comes meanwhile may be newer than the answer.
      this.#startHolding(subscription);
      const answer = (found: Awaited<typeof read>) =>
        this.#answer(subscription, since, accepted(response, found));
      (read as Promise<Awaited<typeof read>>).then(
        (found) => this.#later(subscription, () => answer(found)),
        (error: unknown) =>
          this.#later(subscription, () => this.#fail(subscription, NO_HISTORY, error)),
      );
    } catch (error) {
      this.#fail(subscription, NO_HISTORY, error);
    }
  }

  #answer(subscription: Subscription, since: string | undefined, join: AcceptedJoin): void {
    const { socket, entry } = subscription;
    if (entry === undefined) return;
    const rejection = this.#options.rejection?.(entry.name, entry.joined);
    if (rejection !== undefined) {
      this.#deny(subscription, rejection);
      return;
    }
    const { position, recovered } = join;
    const { protocol } = socket.writer;
    const from = recovered === true ? since : position;
    const isNewest = from === position;
    if (from === undefined) this.#stopResume(subscription, entry);
    else if (subscription.resume !== undefined || !isNewest || protocol.isOneStream) {
      this.#startHolding(subscription).startFrom(from, isNewest);
    }
    subscription.state = "answering";
    entry.joined++;
    protocol.joined(subscription, join);
    if (subscription.state !== "answering" || subscription.resume !== undefined) return;
    // The protocol answers later, and the client must not miss what comes before that.
    if (position !== undefined) this.#startHolding(subscription).startFrom(position, true);
  }

  #fail(subscription: Subscription, reason: string, error: unknown): void {
    this.#options.log.warn({ err: describeError(error) }, `join denied: ${reason}`);
    this.#deny(subscription, reason, true);
  }

  #deny(subscription: Subscription, reason: string, isTemporary = false): void {
    this.leave(subscription);
    subscription.socket.writer.protocol.denied(subscription, reason, isTemporary);
  }

  /** From now on the subscription misses nothing that comes on its channel. */
  #startHolding(subscription: Subscription): Resume {
    const { entry } = subscription;
    subscription.resume ??= this.#newResume(subscription);
    if (entry !== undefined) {
      entry.resuming ??= new Set();
      entry.resuming.add(subscription);
    }
    return subscription.resume;
  }

  #newResume(subscription: Subscription): Resume {
    const { broker, limits } = this.#options;
    const { socket } = subscription;
    return new Resume({
      read: (since, limit) => {
        if (broker === undefined) throw new TypeError("nothing keeps a history");
        return broker.history(subscription.channel, { since, limit });
      },
      send: (message) => sendDirectly(subscription, message),
      canSend: () => {
        const { handle, writer } = socket;
        // Half of what cuts a socket: live messages of other channels need space as well.
        return handle !== undefined && writer.bufferedBytes(handle) < limits.sendBufferBytesMax / 2;
      },
      yield: (next) => void setImmediate(next),
      caughtUp: () => this.#caughtUp(subscription),
      lost: (error) => this.#lost(socket, error),
    });
  }

  /** The client was told that it gets everything, so it must come back and resume. */
  #lost(socket: Socket, error: unknown): void {
    const { log } = this.#options;
    const { socketId } = socket.identity;
    if (error === undefined) log.info({ socketId }, "replay ended: its client is too slow");
    else log.warn({ socketId, err: describeError(error) }, `replay ended: ${NO_HISTORY}`);
    const text = error === undefined ? "too slow to catch up" : NO_HISTORY;
    this.#context.close(socket, { kind: "replay lost", text });
  }

  #caughtUp(subscription: Subscription): void {
    const { socket } = subscription;
    if (!socket.writer.protocol.isOneStream) {
      if (subscription.resume?.flush()) this.#goLive(subscription);
      return;
    }
    const resuming = socket.subscriptions().filter(({ resume }) => resume !== undefined);
    if (!resuming.every(({ resume }) => resume?.isCaughtUp)) return;
    // One that has more to send comes back here once it has sent it.
    if (!resuming.every(({ resume }) => resume?.flush())) return;
    for (const each of resuming) this.#goLive(each);
    // What waited for the socket may have cut it.
    if (socket.handle !== undefined) socket.writer.protocol.wentLive?.(socket);
  }

  #goLive(subscription: Subscription): void {
    const { socket, entry, state } = subscription;
    if (state !== "resuming" || entry === undefined) return;
    this.#stopResume(subscription, entry);
    subscription.state = "live";
    this.#context.delivery.goLive(socket, entry);
  }

  #stopResume(subscription: Subscription, entry: Channel): void {
    subscription.resume?.stop();
    subscription.resume = undefined;
    if (entry.resuming?.delete(subscription) && entry.resuming.size === 0) {
      entry.resuming = undefined;
    }
  }
}

function sendDirectly(subscription: Subscription, message: Message): void {
  const { handle, writer } = subscription.socket;
  if (handle === undefined) return;
  writer.send(handle, writer.protocol.encodeReplayed(message, subscription));
}

function accepted(
  response: Json | undefined,
  found: string | undefined | Pick<AcceptedJoin & { recovered: boolean }, "position" | "recovered">,
): AcceptedJoin {
  return typeof found === "object"
    ? { response, position: found.position, recovered: found.recovered }
    : { response, position: found, recovered: undefined };
}
