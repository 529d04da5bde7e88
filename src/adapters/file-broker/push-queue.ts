import type { Publication, PublishResult } from "../../domain/broker.js";

/** A push that waits for its turn. */
export interface Waiting {
  readonly publication: Publication;
  resolve(result: PublishResult): void;
  reject(error: unknown): void;
}

/** Most that is committed together, unless one push alone is more: a commit should not take long. */
const GROUP_BYTES = 8_388_608;
const GROUP_PUSHES = 2000;
/** Of a message, beside its data. */
const MESSAGE_BYTES = 200;

/** Pushes in the order in which they came. */
export class PushQueue {
  #waiting: (Waiting & { readonly bytes: number })[] = [];
  #bytes = 0;

  constructor(readonly bytesMax: number) {}

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Undefined if there is no room. A push that comes alone has room, however large it is. */
  push(publication: Publication): Promise<PublishResult> | undefined {
    const { channels, data } = publication.push;
    const bytes = channels.length * (data.text.length + MESSAGE_BYTES);
    if (!this.isEmpty && this.#bytes + bytes > this.bytesMax) return undefined;
    this.#bytes += bytes;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ publication, bytes, resolve, reject });
    });
  }

  /** Takes out the next ones, together as many as one commit should have. */
  take(): readonly Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const next of this.#waiting) {
      if (count > 0 && (bytes + next.bytes > GROUP_BYTES || count >= GROUP_PUSHES)) break;
      bytes += next.bytes;
      count++;
    }
    this.#bytes -= bytes;
    return this.#waiting.splice(0, count);
  }

  /** Takes out all. */
  clear(): readonly Waiting[] {
    this.#bytes = 0;
    return this.#waiting.splice(0);
  }
}
