import type { Socket as NetSocket } from "node:net";

/**
 * A connection whose upgrade is not decided. It is read from, because only so the end of its client
 * shows; what the client sends early is kept.
 */
export class UndecidedStream {
  readonly #stream: NetSocket;
  readonly #early: Buffer[];
  readonly #bytesMax: number;
  readonly #onGone: () => void;
  #bytes: number;
  #isGone = false;

  /**
   * @param bytesMax a client that sends more before it is answered is cut
   * @param onGone called if the client goes before `end`
   */
  constructor(stream: NetSocket, head: Buffer, bytesMax: number, onGone: () => void) {
    this.#stream = stream;
    this.#early = [head];
    this.#bytes = head.length;
    this.#bytesMax = bytesMax;
    this.#onGone = onGone;
    stream.on("data", this.#onData);
    stream.on("end", this.#onEnd);
    stream.on("close", this.#onEnd);
  }

  /** @returns what the client has sent, and the stream is paused; undefined if it has gone. */
  end(): Buffer | undefined {
    if (this.#isGone) return undefined;
    this.#release();
    this.#stream.pause();
    return Buffer.concat(this.#early);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#early.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > this.#bytesMax) this.#onEnd();
  };

  readonly #onEnd = (): void => {
    this.#isGone = true;
    this.#release();
    this.#stream.destroy();
    this.#onGone();
  };

  #release(): void {
    this.#stream.off("data", this.#onData);
    this.#stream.off("end", this.#onEnd);
    this.#stream.off("close", this.#onEnd);
  }
}
