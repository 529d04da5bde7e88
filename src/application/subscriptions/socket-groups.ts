import { type Socket, SocketGroup, type SocketWriter } from "./socket.js";
/** Sorts sockets into groups, and fills the gaps that closed ones leave. */
export class SocketGroups {
  readonly #groupsWithSpace = new Map<SocketWriter, Set<SocketGroup>>();
  readonly #size: number;
  #made = 0;

  /** @param size the most sockets in a group. */
  constructor(size: number) {
    this.#size = size;
  }

  /** @param near a group with sockets that have joined the same channel, better than any other. */
  add(socket: Socket, near: SocketGroup | undefined): SocketGroup {
    const isNear = near?.writer === socket.writer && near.sockets < this.#size;
    const group = isNear ? near : this.#groupFor(socket.writer);
    socket.group = group;
    group.sockets++;
    if (group.sockets >= this.#size) this.#groupsWithSpace.get(group.writer)?.delete(group);
    return group;
  }

  remove(socket: Socket): void {
    const { group } = socket;
    if (group === undefined) return;
    socket.group = undefined;
    group.sockets--;
    const groups = this.#groupsOf(group.writer);
    if (group.sockets > 0) groups.add(group);
    else groups.delete(group);
    if (groups.size === 0) this.#groupsWithSpace.delete(group.writer);
  }

  #groupFor(writer: SocketWriter): SocketGroup {
    const groups = this.#groupsOf(writer);
    for (const group of groups) return group;
    const group = new SocketGroup(writer, `${++this.#made} `);
    groups.add(group);
    return group;
  }

  #groupsOf(writer: SocketWriter): Set<SocketGroup> {
    let groups = this.#groupsWithSpace.get(writer);
    if (groups === undefined) {
      groups = new Set();
      this.#groupsWithSpace.set(writer, groups);
    }
    return groups;
  }
}
