import type { MaybePromise } from "./auth-policy.js";
import type { History } from "./broker.js";
import { isPromise } from "./maybe-promise.js";
import type { Message } from "./message.js";

/** Messages that are read at a time. */
const PAGE_SIZE = 64;
/** Messages that are sent in one turn of the event loop, so that no other client waits for long. */
const TURN_SIZE = 256;
/** What is held while a read is under way: messages, and characters of their data. */
const HELD_MESSAGES_MAX = 256;
const HELD_CHARACTERS_MAX = 262_144;

/** What a resume reads from and writes to. */
export interface ResumeTarget {
  /** Reads what the channel keeps after `since`, at most `limit` messages. */
  read(since: string, limit: number): MaybePromise<History>;
  /** Whether the client may get more now; otherwise `run` must be called once it may. */
  canSend(): boolean;
  send(message: Message): void;
  /** Calls `next` in a later turn of the event loop. */
  yield(next: () => void): void;
  /**
   * Everything up to now was sent. Called once for each time that this becomes true, in the turn in
   * which it does; `flush` says whether it still is.
   */
  caughtUp(): void;
  /** A message that the client was promised is gone, or the history cannot be read (`error`). */
  lost(error?: unknown): void;
}

/**
 * Brings one subscription from a message's id to the live messages of its channel, with no gap and
 * no duplicate, as fast as its client reads.
 *
 * A history may answer at once or later. Live messages that arrive before the subscription is live
 * must be passed to `hold`. They are kept while a read is under way, because the answer may be
 * older than they are. If they are too many, they are dropped and read from the history instead.
 *
 * States: new, idle (the client reads what it has), reading (an answer is awaited), caught up,
 * stopped.
 */
export class Resume {
  readonly #target: ResumeTarget;
  #since = "";
  #state: "new" | "idle" | "reading" | "caught up" | "stopped" = "new";
  /** Live messages that the history's answer may not contain, in order. */
  #held: Message[] = [];
  #heldCharacters = 0;
  /** The history holds messages that are neither sent nor held. */
  #isBehind = false;

  constructor(target: ResumeTarget) {
    this.#target = target;
  }

  get isCaughtUp(): boolean {
    return this.#state === "caught up";
  }

  /**
   * From where to go on; to be called once, before `run`.
   *
   * @param since the id of the last message that the client has, or a position
   * @param isNewest nothing but what was held follows `since`
   */
  startFrom(since: string, isNewest: boolean): void {
    this.#since = since;
    if (!isNewest) this.#isBehind = true;
  }

  /** Starts, or goes on once `canSend` is true again. */
  run(): void {
    if (this.#state !== "idle" && this.#state !== "new") return;
    try {
      // Many resumes may share a client; without this each would send it a message.
      if (this.#mustWait()) return;
      if (this.#state === "idle" || this.#isBehind) this.#run();
      else if (this.#sendHeld()) this.#catchUp();
    } catch (error) {
      this.#lose(error);
    }
  }

  /** A live message of the channel; it is sent in its turn. */
  hold(message: Message): void {
    if (this.#state === "stopped" || this.#isBehind) return;
    // A client that is still reading gets it from the history.
    if (this.#state === "idle") {
      this.#isBehind = true;
      return;
    }
    this.#heldCharacters += message.data.text.length;
    if (this.#held.length >= HELD_MESSAGES_MAX || this.#heldCharacters > HELD_CHARACTERS_MAX) {
      this.#dropHeld();
      this.#isBehind = true;
    } else {
      this.#held.push(message);
    }
  }

  /**
   * Sends what was held since `caughtUp`.
   *
   * @returns whether the subscription may go live now, in this turn; otherwise the resume goes on
   * and `caughtUp` follows.
   */
  flush(): boolean {
    if (this.#state !== "caught up") return false;
    if (!this.#isBehind) return this.#sendHeld();
    this.#state = "idle";
    this.run();
    return false;
  }

  stop(): void {
    this.#state = "stopped";
    this.#dropHeld();
  }

  #run(): void {
    for (let sent = 0; sent < TURN_SIZE; sent += PAGE_SIZE) {
      this.#state = "reading";
      this.#isBehind = false;
      this.#dropHeld();
      const answer = this.#target.read(this.#since, PAGE_SIZE);
      if (isPromise(answer)) {
        answer.then(
          (history) => this.#answered(history),
          (error: unknown) => this.#lose(error),
        );
        return;
      }
      if (!this.#take(answer)) return;
    }
    this.#state = "idle";
    this.#target.yield(() => this.run());
  }

  #answered(history: History): void {
    if (this.#state !== "reading") return;
    try {
      if (!this.#take(history)) return;
      this.#state = "idle";
      this.run();
    } catch (error) {
      this.#lose(error);
    }
  }

  /** @returns whether there is more to read now. */
  #take({ recovered, messages }: History): boolean {
    if (!recovered) {
      this.#lose();
      return false;
    }
    // Other resumes of the client may have sent while this one was reading.
    if (messages.length > 0 && this.#mustWait()) return false;
    for (const message of messages) {
      if (!this.#sendOne(message)) return false;
    }
    if (messages.length >= PAGE_SIZE || this.#isBehind) return true;
    if (this.#sendHeld()) this.#catchUp();
    return false;
  }

  #catchUp(): void {
    this.#state = "caught up";
    this.#target.caughtUp();
  }

  /** If so, the client reads what it has, and what comes meanwhile is read from the history. */
  #mustWait(): boolean {
    if (this.#target.canSend()) return false;
    this.#state = "idle";
    this.#isBehind = true;
    this.#dropHeld();
    return true;
  }

  /** @returns whether the client may get more now. */
  #sendOne(message: Message): boolean {
    this.#target.send(message);
    this.#since = message.id ?? this.#since;
    return this.#state !== "stopped" && !this.#mustWait();
  }

  /** @returns false if the client has enough for now and it waits, or has gone. */
  #sendHeld(): boolean {
    const held = this.#held;
    this.#dropHeld();
    // The history's answer may contain the first of them.
    let next = held.findIndex(({ id }) => id === this.#since) + 1;
    if (next < held.length && this.#mustWait()) return false;
    while (next < held.length) {
      if (!this.#sendOne(held[next++] as Message)) return false;
    }
    return true;
  }

  #dropHeld(): void {
    if (this.#held.length > 0) this.#held = [];
    this.#heldCharacters = 0;
  }

  #lose(error?: unknown): void {
    if (this.#state === "stopped") return;
    this.stop();
    this.#target.lost(error);
  }
}
