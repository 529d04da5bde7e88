import type { Message } from "../../../src/index.js";

interface Accepted {
  readonly id: string;
  /** Which epoch of the broker, from 0. */
  readonly epoch: number;
  readonly sequence: number;
  /** Seconds. */
  readonly at: number;
}

export interface Kept {
  readonly size: number;
  /** Seconds. */
  readonly ttl: number;
}

/** What the server has accepted, in its order: the model that every client is held against. */
export class Truth {
  readonly #channels = new Map<string, Accepted[]>();
  readonly #epochs: string[] = [];
  readonly #kept: Kept;
  readonly #now: () => number;

  constructor(kept: Kept, now: () => number) {
    this.#kept = kept;
    this.#now = now;
  }

  accept({ channel, id }: Message): void {
    if (id === undefined) throw new Error(`a message on ${channel} has no id`);
    const { epoch, sequence } = this.#take(id);
    const last = this.of(channel).at(-1);
    if (last?.epoch === epoch && last.sequence >= sequence) {
      throw new Error(`on ${channel} came ${id} behind ${last.id}`);
    }
    const accepted = { id, epoch, sequence, at: this.#now() };
    const before = this.#channels.get(channel);
    if (before === undefined) this.#channels.set(channel, [accepted]);
    else before.push(accepted);
  }

  of(channel: string): readonly Accepted[] {
    return this.#channels.get(channel) ?? [];
  }

  /** How many of the channel's messages a client has that stands at this id, of whatever channel. */
  countUpTo(channel: string, id: string): number {
    const { epoch, sequence } = this.#take(id);
    return this.of(channel).filter(
      (each) => each.epoch < epoch || (each.epoch === epoch && each.sequence <= sequence),
    ).length;
  }

  /**
   * Whether a client that stands at `id`, and so has `count` messages, could be sent all others when
   * there were `total` and the newest id of all channels was `position`.
   */
  isRecoverable(channel: string, id: string, count: number, position: string, total: number) {
    if (this.#take(id).epoch !== this.#take(position).epoch) return false;
    const oldest = total - this.#kept.size;
    return this.of(channel)
      .slice(count, total)
      .every(({ at }, index) => count + index >= oldest && this.#now() - at < this.#kept.ttl);
  }

  #take(id: string): { epoch: number; sequence: number } {
    const [, name = "", digits = ""] = /^(\w+)-(\d+)$/.exec(id) ?? [];
    if (digits === "") throw new Error(`no id: ${id}`);
    if (!this.#epochs.includes(name)) this.#epochs.push(name);
    return { epoch: this.#epochs.indexOf(name), sequence: Number(digits) };
  }
}
