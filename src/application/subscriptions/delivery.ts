import type { Message } from "../../domain/message.js";
import { type Channel, type Share, Socket, type SocketGroup, type SocketWriter } from "./socket.js";
import { SocketGroups } from "./socket-groups.js";

/**
 * To write to so many takes about a millisecond. So long does everything else wait, and a turn costs
 * little beside its writes, as does the write to each group of a channel.
 */
const GROUP_SIZE = 128;

/** What waits for a group up to here is merged; uWebSockets.js itself merges no more than that. */
const MERGED_MAX = 32;

/**
 * From a message to the live sockets of its channel.
 *
 * A write to a socket costs far more than the bytes in it, so sockets are written to in rounds: one
 * group in each turn of the event loop, and what comes for the others meanwhile waits until it is
 * their turn (at most one round, which takes as long as it takes to write to all sockets once). If
 * nothing waits, a message goes to the first group at once. No timer is involved, and a busy server
 * answers pushes between two turns, not after all of them (docs/adr/0019-writes-in-rounds.md).
 *
 * What is for one socket stays in order over all its channels: a socket is in one group, and what
 * waits for a group goes out in the order in which it came.
 */
export class Delivery {
  readonly #groups: SocketGroups;
  readonly #writesPerTurn: number;
  /** The group that is next, and the last one after it. */
  #first: SocketGroup | undefined;
  #last: SocketGroup | undefined;

  /** @param groupSize about how many sockets are written to in one turn. */
  constructor(groupSize = GROUP_SIZE) {
    this.#groups = new SocketGroups(groupSize);
    this.#writesPerTurn = groupSize;
  }

  /** @returns how many sockets it is for. */
  deliver(channel: Channel, message: Message): number {
    if (channel.live === 0) return 0;
    let writer: SocketWriter | undefined;
    let frame = "";
    let atOnce = this.#first === undefined ? this.#writesPerTurn : 0;
    for (const share of channel.shares) {
      if (share.group.writer !== writer) {
        writer = share.group.writer;
        frame = writer.protocol.encode(message);
      }
      if (atOnce > 0) {
        atOnce -= share.sockets;
        share.write(frame);
      } else {
        this.#queue(share, frame);
      }
    }
    return channel.live;
  }

  /** Sends a frame to one socket, after what waits for it: at once if nothing does. */
  send(socket: Socket, frame: string): void {
    const { group, handle, writer } = socket;
    // To write to the whole group for one heartbeat's reply would undo what was merged.
    if (group !== undefined && group.waiting.length > 0) group.waiting.push(socket, frame);
    else if (handle !== undefined) writer.send(handle, frame);
  }

  /** Must be called before a socket is closed, and before whatever else does not go through here. */
  settle({ group }: Socket): void {
    if (group !== undefined && group.waiting.length > 0) this.#write(group);
  }

  /** The socket's client knows that it has joined; before `goLive` it gets only what it has missed. */
  begin(socket: Socket, channel: Channel): void {
    // The join's answer may wait too, and what was missed is sent past what waits.
    this.settle(socket);
    // What waits may have cut it; then it has left.
    if (socket.handle === undefined) return;
    if (socket.group === undefined) this.#groups.add(socket, newestGroup(channel, socket.writer));
  }

  /** From now on the socket gets what comes on a channel that it has joined. */
  goLive(socket: Socket, channel: Channel): void {
    const { group } = socket;
    if (group === undefined) return;
    let share = shareOf(channel, group);
    if (share === undefined) {
      share = group.writer.share(group, group.prefix + channel.name);
      const { shares } = channel;
      const last = shares.findLastIndex((each) => each.group.writer === group.writer);
      channel.shares = shares.toSpliced(last === -1 ? shares.length : last + 1, 0, share);
    }
    share.sockets++;
    channel.live++;
    // What came before is not for it, except on its other channels, and may cut it; then it has left.
    this.settle(socket);
    if (socket.handle !== undefined) share.add(socket);
  }

  /** Undoes `goLive`. */
  left(socket: Socket, channel: Channel): void {
    const { group } = socket;
    if (group === undefined) return;
    // What came before is for it.
    this.settle(socket);
    const share = shareOf(channel, group);
    if (share === undefined) return;
    share.remove(socket);
    channel.live--;
    share.sockets--;
    if (share.sockets === 0) channel.shares = channel.shares.filter((each) => each !== share);
  }

  /** The socket is gone and has left all channels. */
  closed(socket: Socket): void {
    this.#groups.remove(socket);
  }

  #queue(share: Share, frame: string): void {
    const { group } = share;
    group.waiting.push(share, frame);
    group.writes = Math.min(group.sockets, group.writes + share.sockets);
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

  /** So many writes in each turn, or more if pushes come faster than that allows. */
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
      const to = waiting[at] as Share | Socket;
      const frame = waiting[at + 1] as string;
      if (!(to instanceof Socket)) to.write(frame);
      else if (to.handle !== undefined) to.writer.send(to.handle, frame);
    }
  }
}

function newestGroup({ shares }: Channel, writer: SocketWriter): SocketGroup | undefined {
  for (let at = shares.length - 1; at >= 0; at--) {
    if (shares[at]?.group.writer === writer) return shares[at]?.group;
  }
  return undefined;
}

/** The newest first: sockets that join are mostly in one of the last groups. */
function shareOf({ shares }: Channel, group: SocketGroup): Share | undefined {
  for (let at = shares.length - 1; at >= 0; at--) {
    if (shares[at]?.group === group) return shares[at];
  }
  return undefined;
}
