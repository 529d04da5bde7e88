import { FIRST_SEQUENCE } from "./plan.js";

export interface OpenPush {
  readonly channel: number;
  /** By `performance.now()`. */
  readonly beganAt: number;
  readonly slot: number;
  /** Number of subscribers that have not received it. */
  missing: number;
  state: "unanswered" | "accepted" | "not accepted";
  /** Its position in the order of the channel's first receivers; undefined before it arrives. */
  position: number | undefined;
}

/**
 * The pushes that are not answered or not fully delivered, and which subscriber has received which.
 * It takes subscribers × window × 4 bytes, independent of the number of pushes.
 */
export class InFlight {
  /** Messages that a subscriber received again. */
  doubled = 0;
  /** Messages that a subscriber received after one that another subscriber received later. */
  outOfOrder = 0;
  /** Messages that this run did not push. */
  foreign = 0;
  readonly #window: number;
  readonly #open = new Map<number, OpenPush>();
  readonly #freeSlots: number[];
  /** By subscriber × window + slot: the newest sequence number received in the slot. */
  readonly #got: Int32Array;
  /** By subscriber: the highest position received. */
  readonly #reached: Int32Array;
  /** By channel: how many pushes have begun to arrive. */
  readonly #arriving: Int32Array;
  #next = FIRST_SEQUENCE;
  /** Pushes whose answer or deliveries are not complete. */
  #awaited = 0;

  constructor(window: number, subscribers: number, channels: number) {
    this.#window = window;
    this.#freeSlots = Array.from({ length: window }, (_, slot) => slot);
    this.#got = new Int32Array(subscribers * window);
    this.#reached = new Int32Array(subscribers).fill(-1);
    this.#arriving = new Int32Array(channels);
  }

  get hasRoom(): boolean {
    return this.#freeSlots.length > 0;
  }

  /** Whether no answer and no delivery is outstanding. */
  get isSettled(): boolean {
    return this.#awaited === 0;
  }

  get unanswered(): number {
    return [...this.#open.values()].filter(({ state }) => state === "unanswered").length;
  }

  /** Messages of accepted pushes that have not arrived. */
  get missing(): number {
    let sum = 0;
    for (const push of this.#open.values()) if (push.state === "accepted") sum += push.missing;
    return sum;
  }

  /** @returns the push's sequence number. @throws {Error} unless `hasRoom`. */
  begin(channel: number, receivers: number, beganAt: number): number {
    const slot = this.#freeSlots.pop();
    if (slot === undefined) throw new Error("no room in the window");
    const missing = receivers;
    const sequence = this.#next++;
    const state = "unanswered";
    this.#awaited++;
    this.#open.set(sequence, { channel, beganAt, slot, missing, state, position: undefined });
    return sequence;
  }

  /** A push that was not accepted keeps its slot, because it may arrive all the same. */
  answered(sequence: number, isAccepted: boolean): OpenPush | undefined {
    const push = this.#open.get(sequence);
    if (push === undefined) return undefined;
    push.state = isAccepted ? "accepted" : "not accepted";
    if (isAccepted) this.#settle(sequence, push);
    else this.#awaited--;
    return push;
  }

  /** @returns undefined if the message was not expected. */
  arrived(subscriber: number, channel: number, sequence: number): OpenPush | undefined {
    const push = this.#open.get(sequence);
    if (push?.channel !== channel) {
      const isOld = push === undefined && sequence >= FIRST_SEQUENCE && sequence < this.#next;
      if (isOld) this.doubled++;
      else this.foreign++;
      return undefined;
    }
    const at = subscriber * this.#window + push.slot;
    if (this.#got[at] === sequence) {
      this.doubled++;
      return undefined;
    }
    this.#got[at] = sequence;
    push.position ??= this.#nextPosition(channel);
    if (push.position < (this.#reached[subscriber] as number)) this.outOfOrder++;
    else this.#reached[subscriber] = push.position;
    push.missing--;
    this.#settle(sequence, push);
    return push;
  }

  #nextPosition(channel: number): number {
    const position = this.#arriving[channel] as number;
    this.#arriving[channel] = position + 1;
    return position;
  }

  #settle(sequence: number, push: OpenPush): void {
    if (push.missing > 0 || push.state !== "accepted") return;
    this.#awaited--;
    this.#open.delete(sequence);
    this.#freeSlots.push(push.slot);
  }
}
