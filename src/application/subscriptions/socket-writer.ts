import type { CloseReason } from "./close-reason.js";
import type { Socket } from "./socket.js";
import type { SocketGroup } from "./socket-groups.js";
import type { SocketProtocol } from "./socket-protocol.js";

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
