import type { Codec } from "./phoenix/frame.js";

/** A socket of a group. */
export interface Grouped {
  readonly codec: Codec;
  /** Undefined before its first join. */
  group: SocketGroup | undefined;
}

/** Who gets a frame that is for nobody else. */
export interface Recipient {
  /** Undefined once it is gone. */
  readonly ws: { send(text: string): unknown } | undefined;
}

/** Some sockets of one serializer that are written to in the same turn of the event loop. */
export class SocketGroup {
  /** In the group, whatever they have joined. */
  sockets = 0;
  /** What its sockets are still to get, oldest first: in turn a topic, or one of them, and a frame. */
  waiting: (string | Recipient)[] = [];
  /** To how many of its sockets that will be written, once each; never too few. */
  writes = 0;
  /** The group that is written to behind this one; undefined also where it is the last one. */
  next: SocketGroup | undefined;
  isDue = false;

  constructor(
    readonly codec: Codec,
    /** Its own, so that a topic is of one group and one channel. */
    readonly topicPrefix: string,
  ) {}
}

/** Sorts sockets into groups, and fills the gaps that closed ones leave. */
export class SocketGroups {
  readonly #roomy = new Map<Codec, Set<SocketGroup>>();
  readonly #size: number;
  #made = 0;

  /** @param size the most sockets in a group. */
  constructor(size: number) {
    this.#size = size;
  }

  /** @param near a group with sockets that have joined the same channel, better than any other. */
  add(socket: Grouped, near: SocketGroup | undefined): SocketGroup {
    const isNear = near?.codec === socket.codec && near.sockets < this.#size;
    const group = isNear ? near : this.#roomyOne(socket.codec);
    socket.group = group;
    group.sockets++;
    if (group.sockets >= this.#size) this.#roomy.get(group.codec)?.delete(group);
    return group;
  }

  remove(socket: Grouped): void {
    const { group } = socket;
    if (group === undefined) return;
    socket.group = undefined;
    group.sockets--;
    const roomy = this.#roomyOf(group.codec);
    if (group.sockets > 0) roomy.add(group);
    else roomy.delete(group);
  }

  #roomyOne(codec: Codec): SocketGroup {
    const roomy = this.#roomyOf(codec);
    for (const group of roomy) return group;
    const group = new SocketGroup(codec, `${++this.#made} `);
    roomy.add(group);
    return group;
  }

  #roomyOf(codec: Codec): Set<SocketGroup> {
    let roomy = this.#roomy.get(codec);
    if (roomy === undefined) {
      roomy = new Set();
      this.#roomy.set(codec, roomy);
    }
    return roomy;
  }
}
