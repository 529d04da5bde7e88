import { EventEmitter } from "node:events";
import type { RawResponse } from "./raw-http.js";

/** The connection as handlers see it: an address, and whether it is still there. */
export class BridgedSocket extends EventEmitter {
  readonly encrypted = false;
  destroyed = false;
  #raw: RawResponse | undefined;
  #remoteAddress: string | undefined;

  constructor(raw: RawResponse) {
    super();
    this.#raw = raw;
  }

  get readable(): boolean {
    return !this.destroyed;
  }

  get writable(): boolean {
    return !this.destroyed;
  }

  /** Undefined once the answer is complete, unless it was asked for before. */
  get remoteAddress(): string | undefined {
    if (this.#remoteAddress === undefined && this.#raw !== undefined) {
      this.#remoteAddress = Buffer.from(this.#raw.getRemoteAddressAsText()).toString("latin1");
    }
    return this.#remoteAddress;
  }

  /** The answer is complete: the connection is not this request's any more. */
  release(): void {
    this.#raw = undefined;
  }

  /** The connection was lost. */
  closed(): void {
    this.#raw = undefined;
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit("close");
  }

  destroy(): this {
    // The abort handler runs within `close`, and marks this socket.
    this.#raw?.close();
    return this;
  }

  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}
