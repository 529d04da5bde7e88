import { ANONYMOUS, type Identity } from "../../domain/auth-policy.js";
import type { Message } from "../../domain/message.js";
import type { SocketInfo } from "../../domain/push-listener.js";
import type { SocketDirectory, Transport, TransportCounts } from "../../domain/transport.js";

/** A socket inside this process: what a test or a host uses in place of a network connection. */
export interface MemorySocket {
  join(channel: string): void;
  leave(channel: string): void;
  close(): void;
}

export interface MemorySocketOptions {
  /** Called within `deliver`; what it throws reaches nobody else. */
  readonly onMessage: (message: Message) => void;
  readonly onClose?: () => void;
  /** Who uses the socket; anonymous if missing. */
  readonly identity?: Identity;
}

/** Delivers to functions of the same process, at once and in order. */
export class MemoryTransport implements Transport, SocketDirectory {
  readonly #channels = new Map<string, Set<OpenSocket>>();
  readonly #sockets = new Set<OpenSocket>();
  readonly #onError: (error: unknown) => void;

  /** @param onError gets what an `onMessage` or `onClose` throws. */
  constructor(onError: (error: unknown) => void = () => {}) {
    this.#onError = onError;
  }

  connect(options: MemorySocketOptions): MemorySocket {
    const socket: OpenSocket = {
      options,
      identity: options.identity ?? ANONYMOUS,
      channels: new Set(),
    };
    this.#sockets.add(socket);
    return {
      join: (channel) => {
        if (!this.#sockets.has(socket)) return;
        socket.channels.add(channel);
        const joined = this.#channels.get(channel);
        if (joined === undefined) this.#channels.set(channel, new Set([socket]));
        else joined.add(socket);
      },
      leave: (channel) => this.#leave(socket, channel),
      close: () => this.#close(socket),
    };
  }

  deliver(message: Message): number {
    const joined = this.#channels.get(message.channel);
    if (joined === undefined) return 0;
    let deliveries = 0;
    // A copy: a receiver may join, leave or close while the message goes round.
    for (const socket of [...joined]) {
      if (!socket.channels.has(message.channel)) continue;
      deliveries++;
      this.#guarded(() => socket.options.onMessage(message));
    }
    return deliveries;
  }

  subscribers(channel: string): number {
    return this.#channels.get(channel)?.size ?? 0;
  }

  counts(): TransportCounts {
    let subscriptions = 0;
    for (const socket of this.#sockets) subscriptions += socket.channels.size;
    return { sockets: this.#sockets.size, subscriptions };
  }

  channels(): Iterable<string> {
    return this.#channels.keys();
  }

  joined(channel: string): Iterable<SocketInfo> {
    return [...(this.#channels.get(channel) ?? [])].map(({ identity }) => ({
      transport: "memory",
      socketId: identity.socketId,
      presenceId: identity.presenceId,
    }));
  }

  closeSockets(socketId: string): number {
    return this.closeWhere((identity) => identity.socketId === socketId);
  }

  closeWhere(matches: (identity: Identity) => boolean): number {
    const closing = [...this.#sockets].filter((socket) => matches(socket.identity));
    for (const socket of closing) this.#close(socket);
    return closing.length;
  }

  #leave(socket: OpenSocket, channel: string): void {
    socket.channels.delete(channel);
    const joined = this.#channels.get(channel);
    joined?.delete(socket);
    if (joined?.size === 0) this.#channels.delete(channel);
  }

  #close(socket: OpenSocket): void {
    if (!this.#sockets.delete(socket)) return;
    for (const channel of socket.channels) this.#leave(socket, channel);
    this.#guarded(() => socket.options.onClose?.());
  }

  #guarded(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#onError(error);
    }
  }
}

interface OpenSocket {
  readonly options: MemorySocketOptions;
  readonly identity: Identity;
  readonly channels: Set<string>;
}
