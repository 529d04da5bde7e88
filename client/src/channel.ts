import { Bindings } from "./bindings.js";
import type { JoinResponse, Message } from "./transport.js";
import {
  type ChannelState,
  HexpushError,
  type Lifecycle,
  type Position,
  type SubscribeOptions,
} from "./types.js";

/** A channel that the application listens to: its state, position and bindings. */
export class Channel {
  readonly name: string;
  readonly bindings = new Bindings();
  readonly lifecycle = new Bindings();
  readonly #params: Readonly<Record<string, unknown>>;
  #position: Position | undefined;
  /** Whether there is an earlier join or a position to resume from. */
  #hasBegun: boolean;
  state: ChannelState = "joining";
  /** Number of consecutive failed joins. */
  #failures = 0;
  // Private, so that the package's types need neither the types of a page nor those of Node.
  #retryTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(name: string, { params = {}, lastEventId }: SubscribeOptions) {
    this.name = name;
    this.#params = params;
    this.#position = lastEventId;
    this.#hasBegun = lastEventId !== undefined;
  }

  /** The payload of the next join. */
  get joinParams(): Readonly<Record<string, unknown>> {
    const position = this.#position;
    return position === undefined ? this.#params : { ...this.#params, last_event_id: position };
  }

  /** The connection was lost. The next connection joins again, even if the channel was denied. */
  pause(): void {
    this.cancelRetry();
    if (this.state !== "closed") this.state = "joining";
  }

  close(): void {
    this.cancelRetry();
    this.state = "closed";
  }

  /** @param delayMs the delay before a join, given the number of consecutive failures */
  retryLater(delayMs: (failures: number) => number, join: () => void): void {
    this.cancelRetry();
    this.#retryTimer = setTimeout(join, delayMs(this.#failures));
  }

  cancelRetry(): void {
    clearTimeout(this.#retryTimer);
  }

  joined({ id, recovered: resumed, ...response }: JoinResponse): void {
    const recovered = resumed === true && this.#hasBegun;
    const isBack = this.#hasBegun;
    // If missed messages follow, the position advances only as they arrive.
    if (!recovered) this.#position = id ?? undefined;
    this.#hasBegun = true;
    this.#failures = 0;
    this.state = "joined";
    this.#tell("joined", { response });
    if (isBack) this.#tell("recovered", { recovered });
  }

  denied({ id: _id, recovered: _recovered, ...response }: JoinResponse): void {
    this.#failures += 1;
    this.state = "denied";
    const reason = typeof response.reason === "string" ? response.reason : "unauthorized";
    this.#tell("denied", { reason, response });
  }

  dropped(why: string): void {
    this.#failures += 1;
    this.state = "joining";
    this.failed(new HexpushError("channel", `channel ended: ${why}`));
  }

  failed(error: HexpushError): void {
    this.#tell("error", error);
  }

  receive({ event, data, id }: Message): void {
    // A message before the answer to a join belongs to an earlier join; the position in the answer
    // already includes it.
    if (this.state !== "joined") return;
    this.#position = id ?? this.#position;
    this.bindings.run(event, data, event);
    // The functions of an event named "*" have been called above.
    if (event !== "*") this.bindings.run("*", data, event);
  }

  #tell<K extends keyof Lifecycle>(kind: K, value: Lifecycle[K]): void {
    this.lifecycle.run(kind, value);
  }
}
