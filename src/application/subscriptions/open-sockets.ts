import { type CloseReason, EXPIRED, IDLE } from "./close-reason.js";
import { Deadlines } from "./deadlines.js";
import { IdleSockets } from "./idle-sockets.js";
import type { Socket } from "./socket.js";

export interface OpenSocketsOptions {
  readonly idleTimeoutMs: number;
  /** Seconds since 1970. */
  readonly now: () => number;
  readonly close: (socket: Socket, reason: CloseReason) => void;
}

/** The open sockets of this node; closes those that are idle or whose identity has expired. */
export class OpenSockets {
  /** Those whose clients must send frames. */
  readonly #idle: IdleSockets<Socket>;
  readonly #others = new Set<Socket>();
  readonly #bySocketId = new Map<string, Set<Socket>>();
  readonly #expiries: Deadlines<Socket>;

  constructor({ idleTimeoutMs, now, close }: OpenSocketsOptions) {
    this.#idle = new IdleSockets<Socket>(idleTimeoutMs, (socket) => close(socket, IDLE));
    this.#expiries = new Deadlines((socket) => close(socket, EXPIRED), now);
  }

  get size(): number {
    return this.#idle.size + this.#others.size;
  }

  start(): void {
    this.#idle.start();
    this.#expiries.start();
  }

  stop(): void {
    this.#idle.stop();
    this.#expiries.stop();
  }

  add(socket: Socket): void {
    if (socket.writer.protocol.hasIdleTimeout) this.#idle.add(socket);
    else this.#others.add(socket);
    const { socketId, expiresAt } = socket.identity;
    if (expiresAt !== undefined) this.#expiries.add(socket, expiresAt);
    if (socketId === undefined) return;
    const sameId = this.#bySocketId.get(socketId);
    if (sameId === undefined) this.#bySocketId.set(socketId, new Set([socket]));
    else sameId.add(socket);
  }

  touch(socket: Socket): void {
    this.#idle.touch(socket);
  }

  /** @returns whether it was there. */
  remove(socket: Socket): boolean {
    if (!this.#idle.remove(socket) && !this.#others.delete(socket)) return false;
    const { socketId, expiresAt } = socket.identity;
    if (expiresAt !== undefined) this.#expiries.remove(socket, expiresAt);
    if (socketId === undefined) return true;
    const sameId = this.#bySocketId.get(socketId);
    sameId?.delete(socket);
    if (sameId?.size === 0) this.#bySocketId.delete(socketId);
    return true;
  }

  /** Those that have been silent the longest come first. A copy. @param max the most of them. */
  all(max = this.size): Socket[] {
    const sockets = this.#idle.all(max);
    for (const socket of this.#others) {
      if (sockets.length >= max) break;
      sockets.push(socket);
    }
    return sockets;
  }

  /** A copy. */
  ofSocketId(socketId: string): Socket[] {
    return [...(this.#bySocketId.get(socketId) ?? [])];
  }
}
