import type { Share, Socket, SocketGroup, SocketWriter } from "./socket.js";

/** A share of a library that has no publish of its own: writes to one socket after the other. */
export class SetShare<H> implements Share<H> {
  sockets = 0;
  /** A set: a socket that is cut while others are written to leaves it at once. */
  readonly #members = new Set<Socket<H>>();
  readonly #writer: SocketWriter<H>;

  constructor(
    readonly group: SocketGroup,
    writer: SocketWriter<H>,
  ) {
    this.#writer = writer;
  }

  add(socket: Socket<H>): void {
    this.#members.add(socket);
  }

  remove(socket: Socket<H>): void {
    this.#members.delete(socket);
  }

  write(frame: string): void {
    for (const { handle } of this.#members) {
      if (handle !== undefined) this.#writer.send(handle, frame);
    }
  }
}
