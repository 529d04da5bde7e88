import type { Broker } from "../../domain/broker.js";
import { isPromise } from "../../domain/maybe-promise.js";
import type { Message } from "../../domain/message.js";

/** Messages that are read at a time. */
const PAGE = 64;
/** Messages that one turn of the event loop sends at most, so that no other socket waits for long. */
const TURN = 256;

/** What a replay writes to. */
export interface ReplayTarget {
  /** @returns false where the socket is gone, or has enough to send for now. */
  send(message: Message): boolean;
  /** Everything has been sent: what comes next comes live. Called in the turn that found it so. */
  live(): void;
  /** What is missing has gone from the history meanwhile, or the history cannot be read. */
  lost(error?: unknown): void;
}

/**
 * Sends what a client has missed from the channel's history, as fast as the client takes it. The
 * history itself is what waits: nothing is kept here but the id of the last message sent, and the
 * client gets nothing live until it has caught up. Between the last look at the history and `live`
 * there is no wait, so nothing is missed and nothing comes twice (the broker's promise).
 */
export class Replay {
  readonly #history: Pick<Broker, "history">;
  readonly #channel: string;
  readonly #target: ReplayTarget;
  #since: string;
  #stopped = false;
  #isReading = false;

  constructor(
    history: Pick<Broker, "history">,
    channel: string,
    since: string,
    target: ReplayTarget,
  ) {
    this.#history = history;
    this.#channel = channel;
    this.#since = since;
    this.#target = target;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Goes on until the client has caught up, or has enough for now; then to be called again. */
  run(): void {
    try {
      this.#run();
    } catch (error) {
      this.#lose(error);
    }
  }

  #run(): void {
    for (let sent = 0; sent < TURN && !this.#stopped && !this.#isReading; ) {
      const read = this.#history.history(this.#channel, { since: this.#since, limit: PAGE });
      if (isPromise(read)) {
        this.#isReading = true;
        void read.then(
          (page) => {
            this.#isReading = false;
            if (!this.#stopped && this.#send(page)) this.run();
          },
          (error: unknown) => this.#lose(error),
        );
        return;
      }
      if (!this.#send(read)) return;
      sent += PAGE;
    }
    if (!this.#stopped && !this.#isReading) setImmediate(() => this.run());
  }

  #lose(error?: unknown): void {
    this.stop();
    this.#target.lost(error);
  }

  /** @returns whether there is more to read, now. */
  #send({
    recovered,
    messages,
  }: {
    readonly recovered: boolean;
    readonly messages: readonly Message[];
  }): boolean {
    if (!recovered) {
      this.#lose();
      return false;
    }
    for (const message of messages) {
      const goesOn = this.#target.send(message);
      this.#since = message.id ?? this.#since;
      if (!goesOn) return false;
    }
    if (messages.length === PAGE) return true;
    this.stop();
    this.#target.live();
    return false;
  }
}
