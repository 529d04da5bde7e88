import type { Message } from "../../domain/message.js";
import type { Codec } from "./phoenix/frame.js";
import { type Grouped, type Recipient, type SocketGroup, SocketGroups } from "./socket-groups.js";

/** A socket, as far as deliveries go. */
export interface Subscriber extends Grouped {
  /** Undefined once it is gone. */
  readonly ws: SubscribedSocket | undefined;
}

export interface SubscribedSocket {
  send(text: string): unknown;
  subscribe(topic: string): unknown;
  unsubscribe(topic: string): unknown;
}

/** The part of uWebSockets.js's app that deliveries go through. */
export interface TopicPublisher {
  publish(topic: string, text: string): unknown;
}

/** The sockets of one group that get a channel's messages. */
interface Share {
  readonly group: SocketGroup;
  readonly topic: string;
  sockets: number;
}

interface Channel {
  readonly name: string;
  /** Also those that are still catching up. */
  joined: number;
  /** Those that get what comes, over all shares. */
  live: number;
  /** Those of one serializer in a row, so that it encodes a message once. */
  readonly shares: Share[];
}

/**
 * To write to so many takes about a millisecond. So long does everything else wait, and a turn costs
 * little beside its writes, as does the publish for each group of a channel.
 */
const GROUP_SIZE = 128;

/** What waits for a group up to here is merged; uWebSockets.js itself merges no more than that. */
const MERGED_MAX = 32;

/**
 * From a message to the sockets of its channel, by the topics of uWebSockets.js, which writes to
 * each subscribed socket at the end of a turn of the event loop, once for all that came in it.
 *
 * A write to a socket costs far more than the bytes in it, so sockets are written to in rounds: one
 * group in each turn, and what comes for the others meanwhile waits until it is their turn (at most
 * one round, which takes as long as it takes to write to all sockets once). Where nothing waits, a
 * message goes to the first group at once. No timer is involved, and a busy server answers pushes
 * between two turns, not behind all of them (docs/adr/0019-writes-in-rounds.md).
 *
 * What is for one socket stays in order over all its channels: a socket is in one group, and what
 * waits for a group goes out in the order in which it came.
 */
export class FanOut {
  readonly #groups: SocketGroups;
  readonly #writesPerTurn: number;
  readonly #channels = new Map<string, Channel>();
  #app: TopicPublisher | undefined;
  /** The group that is next, and the last one behind it. */
  #first: SocketGroup | undefined;
  #last: SocketGroup | undefined;

  /** @param groupSize how many sockets one turn writes to, about. */
  constructor(groupSize = GROUP_SIZE) {
    this.#groups = new SocketGroups(groupSize);
    this.#writesPerTurn = groupSize;
  }

  attach(app: TopicPublisher): void {
    this.#app = app;
  }

  /** What waits is dropped: the sockets are gone. */
  detach(): void {
    this.#app = undefined;
  }

  /** @returns how many sockets it is for. */
  deliver(message: Message): number {
    const channel = this.#channels.get(message.channel);
    if (channel === undefined || channel.live === 0) return 0;
    let codec: Codec | undefined;
    let frame = "";
    let atOnce = this.#first === undefined ? this.#writesPerTurn : 0;
    for (const share of channel.shares) {
      if (share.group.codec !== codec) {
        codec = share.group.codec;
        frame = codec.encodeMessage(message);
      }
      if (atOnce > 0) {
        this.#app?.publish(share.topic, frame);
        atOnce -= share.sockets;
      } else {
        this.#queue(share, frame);
      }
    }
    return channel.live;
  }

  /** Sends a frame to one socket, behind what waits for it: at once where nothing does. */
  send(socket: Subscriber, frame: string): void {
    const { group, ws } = socket;
    // To write to the whole group for one heartbeat's reply would undo what was merged.
    if (group !== undefined && group.waiting.length > 0) group.waiting.push(socket, frame);
    else ws?.send(frame);
  }

  /** Must be called before a socket is closed, and whatever else does not go through here. */
  settle({ group }: Subscriber): void {
    if (group !== undefined && group.waiting.length > 0) this.#write(group);
  }

  /** The same name, as the string that is kept already: thousands may come to keep it. */
  keptName(name: string): string {
    return this.#channels.get(name)?.name ?? name;
  }

  /** A socket has joined; it gets nothing before `goLive`, but what it has missed, perhaps. */
  joined(socket: Subscriber, name: string): void {
    // The join's answer may wait too, and what was missed is sent past what waits.
    this.settle(socket);
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      channel = { name, joined: 0, live: 0, shares: [] };
      this.#channels.set(name, channel);
    }
    channel.joined++;
    if (socket.group === undefined) {
      this.#groups.add(socket, newestGroup(channel, socket.codec));
    }
  }

  /** From now on the socket gets what comes on a channel that it has joined. */
  goLive(socket: Subscriber, name: string): void {
    const channel = this.#channels.get(name);
    const { group } = socket;
    if (channel === undefined || group === undefined) return;
    let share = shareOf(channel, group);
    if (share === undefined) {
      share = { group, topic: group.topicPrefix + name, sockets: 0 };
      const behind = channel.shares.findLastIndex((each) => each.group.codec === group.codec);
      channel.shares.splice(behind === -1 ? channel.shares.length : behind + 1, 0, share);
    }
    share.sockets++;
    channel.live++;
    // What came before is not for it.
    this.settle(socket);
    socket.ws?.subscribe(share.topic);
  }

  /** @param wasLive whether `goLive` was called for it. */
  left(socket: Subscriber, name: string, wasLive: boolean): void {
    const channel = this.#channels.get(name);
    const { group } = socket;
    if (channel === undefined || group === undefined) return;
    channel.joined--;
    if (wasLive) {
      const share = shareOf(channel, group);
      // What came before is for it.
      this.settle(socket);
      if (share !== undefined) {
        socket.ws?.unsubscribe(share.topic);
        channel.live--;
        share.sockets--;
        if (share.sockets === 0) channel.shares.splice(channel.shares.indexOf(share), 1);
      }
    }
    if (channel.joined === 0) this.#channels.delete(name);
  }

  /** The socket is gone and has left all channels. */
  closed(socket: Subscriber): void {
    this.#groups.remove(socket);
  }

  /** How many sockets have joined, also those that are still catching up. */
  subscribers(channel: string): number {
    return this.#channels.get(channel)?.joined ?? 0;
  }

  /** Channels with at least one subscriber. */
  channels(): Iterable<string> {
    return this.#channels.keys();
  }

  subscriptions(): number {
    let subscriptions = 0;
    for (const { joined } of this.#channels.values()) subscriptions += joined;
    return subscriptions;
  }

  #queue({ group, topic, sockets }: Share, frame: string): void {
    group.waiting.push(topic, frame);
    group.writes = Math.min(group.sockets, group.writes + sockets);
    if (group.isDue) return;
    group.isDue = true;
    if (this.#last === undefined) {
      this.#first = group;
      setImmediate(this.#turn);
    } else {
      this.#last.next = group;
    }
    this.#last = group;
  }

  /** So many writes in each turn, or more where pushes come faster than that bears. */
  readonly #turn = (): void => {
    let left = this.#writesPerTurn;
    let group = this.#first;
    while (group !== undefined && (left > 0 || group.waiting.length >= 2 * MERGED_MAX)) {
      left -= group.writes;
      this.#write(group);
      group = this.#dequeue(group);
    }
    if (group !== undefined) setImmediate(this.#turn);
  };

  /** @returns the next one. */
  #dequeue(group: SocketGroup): SocketGroup | undefined {
    const { next } = group;
    group.isDue = false;
    group.next = undefined;
    this.#first = next;
    if (next === undefined) this.#last = undefined;
    return next;
  }

  /** It stays where it is in the round: another message may come before its turn. */
  #write(group: SocketGroup): void {
    const { waiting } = group;
    // A listener that is told of a cut socket may close others, which comes back here.
    group.waiting = [];
    group.writes = 0;
    for (let at = 0; at < waiting.length; at += 2) {
      const to = waiting[at] as string | Recipient;
      const frame = waiting[at + 1] as string;
      if (typeof to === "string") this.#app?.publish(to, frame);
      else to.ws?.send(frame);
    }
  }
}

function newestGroup({ shares }: Channel, codec: Codec): SocketGroup | undefined {
  for (let at = shares.length - 1; at >= 0; at--) {
    if (shares[at]?.group.codec === codec) return shares[at]?.group;
  }
  return undefined;
}

/** The newest first: sockets that join are in one of the last groups mostly. `findLast` is no loop to V8. */
function shareOf({ shares }: Channel, group: SocketGroup): Share | undefined {
  for (let at = shares.length - 1; at >= 0; at--) {
    if (shares[at]?.group === group) return shares[at];
  }
  return undefined;
}
