import type { CloseReason } from "../../src/application/subscriptions/close-reason.js";
import { SetShare } from "../../src/application/subscriptions/set-share.js";
import {
  type Share,
  Socket,
  type SocketGroup,
  type SocketProtocol,
  type SocketWriter,
} from "../../src/application/subscriptions/socket.js";
import type { Subscriptions } from "../../src/application/subscriptions/subscriptions.js";
import type { Identity } from "../../src/domain/auth-policy.js";

/** What a test sees of one socket: no network, frames arrive in the turn in which they are sent. */
export class MemorySocket {
  readonly frames: string[] = [];
  closed: CloseReason | undefined;
  isCut = false;
  /** Whether its client takes what is sent; otherwise frames count as buffered. */
  isReading = true;
  bufferedBytes = 0;
  socket!: Socket<MemorySocket>;
}

/** Writes to sockets in memory; cuts one whose buffer passes the limit within the write. */
export class MemoryWriter<P extends SocketProtocol = SocketProtocol>
  implements SocketWriter<MemorySocket>
{
  constructor(
    readonly protocol: P,
    private readonly subscriptions: Subscriptions,
  ) {}

  open(identity: Identity = {}): MemorySocket {
    const handle = new MemorySocket();
    handle.socket = new Socket<MemorySocket>(this, identity);
    this.subscriptions.add(handle.socket, handle);
    this.subscriptions.opened(handle.socket);
    return handle;
  }

  /** The connection is gone. */
  drop(handle: MemorySocket): void {
    handle.socket.handle = undefined;
    this.subscriptions.closed(handle.socket);
  }

  /** The client takes all that waits for it. */
  read(handle: MemorySocket): void {
    handle.bufferedBytes = 0;
    this.subscriptions.writable(handle.socket);
  }

  send(handle: MemorySocket, frame: string): void {
    if (!handle.isReading) handle.bufferedBytes += frame.length;
    if (handle.bufferedBytes > this.subscriptions.limits.sendBufferBytesMax) {
      handle.isCut = true;
      this.subscriptions.cut(handle.socket);
      this.drop(handle);
    } else {
      handle.frames.push(frame);
    }
  }

  batch(_handle: MemorySocket, work: () => void): void {
    work();
  }

  bufferedBytes(handle: MemorySocket): number {
    return handle.bufferedBytes;
  }

  close(handle: MemorySocket, reason: CloseReason): void {
    handle.closed = reason;
    this.drop(handle);
  }

  share(group: SocketGroup): Share<MemorySocket> {
    return new SetShare(group, this);
  }
}
