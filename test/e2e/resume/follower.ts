import type { Truth } from "./truth.js";

/** Where to reach the server just now; it changes with each restart. */
export interface Place {
  readonly port: number;
}

/** One client that follows channels, whatever happens to its connection. */
export interface Follower {
  readonly name: string;
  /** Channels that it wants. */
  readonly channels: ReadonlySet<string>;
  readonly isOpen: boolean;
  readonly isPaused: boolean;
  /**
   * Connects, goes on with each channel where it was, and checks what it is told of that. What the
   * server does meanwhile may come before its channels are joined, or behind.
   */
  connect(place: Place): Promise<void>;
  join(channel: string, place: Place): Promise<void>;
  leave(channel: string, place: Place): Promise<void>;
  /** Loses the connection. Of what has come and was not looked at, only the first `keep` count. */
  cut(keep: number): Promise<void>;
  pause(): void;
  /** Reads again; of a connection that the server has ended meanwhile, up to its end. */
  resume(): Promise<void>;
  /** Waits until it has everything of its channels; not for one whose connection is lost. */
  settle(): Promise<void>;
}

/** How far one client is on one channel: it checks each message against the truth as it comes. */
export class Progress {
  /** How many of the channel's messages the client has, or has been told that it will not get. */
  #count = 0;
  #id: string | undefined;

  constructor(
    readonly who: string,
    readonly channel: string,
    readonly truth: Truth,
  ) {}

  /** What to come back with. */
  get id(): string | undefined {
    return this.#id;
  }

  get isComplete(): boolean {
    return this.#count === this.truth.of(this.channel).length;
  }

  get missing(): string {
    return `${this.who} has ${this.#count} of ${this.truth.of(this.channel).length} on ${this.channel}`;
  }

  /** Listens from here on. */
  startAt(id: string): void {
    this.#id = id;
    this.#count = this.truth.countUpTo(this.channel, id);
  }

  message(id: string): void {
    const expected = this.truth.of(this.channel)[this.#count]?.id;
    if (id !== expected) {
      throw new Error(`${this.missing}: wanted ${expected ?? "nothing"}, got ${id}`);
    }
    this.#count++;
    this.#id = id;
  }

  /**
   * It came back and was told whether it gets all that it has missed.
   *
   * @param total how many messages there were on the channel then
   */
  cameBack(recovered: boolean, position: string, total: number): void {
    const id = this.#id as string;
    const { channel, truth } = this;
    if (recovered !== truth.isRecoverable(channel, id, this.#count, position, total)) {
      throw new Error(`${this.missing}: recovered is ${recovered}, from ${id} at ${position}`);
    }
    if (!recovered) this.startAt(position);
  }
}
