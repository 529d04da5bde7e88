import type { ServerResponse } from "node:http";
import type { Identity } from "../../domain/auth-policy.js";
import type { SocketInfo } from "../../domain/push-listener.js";

/** How long a client that is slow may take for the last event, in milliseconds. */
const GOODBYE_MS = 5_000;

/** One open answer. */
export class Stream implements SocketInfo {
  /** What the client was away for is still being sent: what comes meanwhile follows from history. */
  isReplaying = false;
  /** A message has come while it was so. */
  hasHeldBack = false;
  /** Looks for silent streams since something was written. */
  quietFor = 0;
  readonly channels = new Set<string>();

  constructor(
    readonly response: ServerResponse,
    readonly identity: Identity,
  ) {}

  get transport(): string {
    return "sse";
  }

  get socketId(): string | undefined {
    return this.identity.socketId;
  }

  get presenceId(): string | undefined {
    return this.identity.presenceId;
  }

  /** @returns false where the client should take what is there before it gets more. */
  write(text: string | Uint8Array): boolean {
    this.quietFor = 0;
    return this.response.write(text);
  }

  /**
   * Whether `bytes` more would be more than may wait for it. A message alone is never too much,
   * however large: nobody is slow who has taken all before it.
   */
  isTooSlowFor(bytes: number, bytesMax: number): boolean {
    const waiting = this.response.writableLength;
    return waiting > 0 && waiting + bytes > bytesMax;
  }

  /** Calls `next` once the client has taken what is there; never where it has gone. */
  whenWritable(next: () => void): void {
    this.response.once("drain", next);
  }

  /** Ends the answer; the connection is cut where the client does not take the rest. */
  end(text: string): void {
    const { response } = this;
    response.end(text);
    const timer = setTimeout(() => response.destroy(), GOODBYE_MS).unref();
    response.once("close", () => clearTimeout(timer));
  }
}
