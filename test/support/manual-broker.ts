import type { MaybePromise } from "../../src/domain/auth-policy.js";
import type { Broker, History, HistoryQuery } from "../../src/domain/broker.js";
import { Json } from "../../src/domain/json.js";
import type { Message } from "../../src/domain/message.js";

type Method = "subscribe" | "position" | "history";

/** A call of the broker that a test answers when it likes. */
export interface PendingCall {
  readonly method: Method;
  readonly channel: string;
  /** Fixes what the answer says, as of now. Without it `answer` does. */
  snapshot(): void;
  answer(): void;
  fail(error: Error): void;
}

interface Log {
  newest: number;
  messages: Message[];
}

/**
 * A broker whose calls are answered when a test says so, or at once. A message reaches the node only
 * after a `subscribe` was answered, and ids are each channel's own.
 */
export class ManualBroker
  implements Pick<Broker, "subscribe" | "unsubscribe" | "position" | "history">
{
  /** Whether calls wait in `pending`. */
  isAsynchronous: boolean;
  readonly pending: PendingCall[] = [];
  /** The calls of `subscribe` and `unsubscribe`, in order. */
  readonly calls: string[] = [];
  /** Calls that break the contract. */
  readonly faults: string[] = [];
  /** What the node has asked for: `asked` before the answer. */
  readonly interest = new Map<string, { isActive: boolean }>();
  deliver: (message: Message) => number = () => 0;
  readonly #logs = new Map<string, Log>();
  readonly #size: (channel: string) => number;

  /** @param size how many messages a channel keeps; 0 for no history. */
  constructor(isAsynchronous: boolean, size: (channel: string) => number = () => 1000) {
    this.isAsynchronous = isAsynchronous;
    this.#size = size;
  }

  publish(channel: string, data: unknown): Message {
    const log = this.#log(channel);
    const size = this.#size(channel);
    const id = size === 0 ? {} : { id: `${epochOf(channel)}-${++log.newest}` };
    const message: Message = { channel, event: "e", data: Json.of(data), ...id };
    if (size > 0) log.messages = [...log.messages, message].slice(-size);
    if (this.interest.get(channel)?.isActive) this.deliver(message);
    return message;
  }

  subscribe(channel: string): MaybePromise<void> {
    this.calls.push(`subscribe ${channel}`);
    if (this.interest.has(channel)) this.faults.push(`subscribed to ${channel} twice`);
    const interest = { isActive: false };
    this.interest.set(channel, interest);
    return this.#call(
      "subscribe",
      channel,
      () => {
        interest.isActive = true;
      },
      // The node must ask again, and says whether it still wants the channel.
      () => {
        if (this.interest.get(channel) === interest) this.interest.delete(channel);
      },
    );
  }

  unsubscribe(channel: string): void {
    this.calls.push(`unsubscribe ${channel}`);
    this.interest.delete(channel);
  }

  position(channel: string): MaybePromise<string | undefined> {
    return this.#call("position", channel, () => this.positionNow(channel));
  }

  history(channel: string, query: HistoryQuery): MaybePromise<History> {
    return this.#call("history", channel, () => this.historyNow(channel, query));
  }

  positionNow(channel: string): string | undefined {
    if (this.#size(channel) === 0) return undefined;
    return `${epochOf(channel)}-${this.#log(channel).newest}`;
  }

  historyNow(channel: string, { since, limit = Number.POSITIVE_INFINITY }: HistoryQuery): History {
    const position = this.positionNow(channel);
    const { messages, newest } = this.#log(channel);
    if (since === undefined) {
      return { position, recovered: true, messages: messages.slice(0, limit) };
    }
    const [epoch, text] = since.split("-");
    const sequence = Number(text);
    const isKnown = position !== undefined && epoch === epochOf(channel) && sequence <= newest;
    if (!isKnown || newest - sequence > messages.length) {
      return { position, recovered: false, messages: [] };
    }
    const after = messages.slice(messages.length - (newest - sequence));
    return { position, recovered: true, messages: after.slice(0, limit) };
  }

  /** The oldest call that waits, taken out. */
  next(method?: Method, channel?: string): PendingCall {
    const at = this.pending.findIndex(
      (call) =>
        (method === undefined || call.method === method) &&
        (channel === undefined || call.channel === channel),
    );
    const [call] = at === -1 ? [] : this.pending.splice(at, 1);
    if (call === undefined) throw new Error(`no ${method ?? "call"} waits`);
    return call;
  }

  /** Answers calls until none waits. */
  async settle(): Promise<void> {
    for (await turn(); this.pending.length > 0; await turn()) this.next().answer();
  }

  #log(channel: string): Log {
    let log = this.#logs.get(channel);
    if (log === undefined) {
      log = { newest: 0, messages: [] };
      this.#logs.set(channel, log);
    }
    return log;
  }

  #call<T>(
    method: Method,
    channel: string,
    read: () => T,
    failed: () => void = () => {},
  ): MaybePromise<T> {
    if (!this.isAsynchronous) return read();
    return new Promise<T>((resolve, reject) => {
      let taken: { value: T } | undefined;
      this.pending.push({
        method,
        channel,
        snapshot: () => {
          taken ??= { value: read() };
        },
        answer: () => resolve((taken ?? { value: read() }).value),
        fail: (error) => {
          failed();
          reject(error);
        },
      });
    });
  }
}

/** A turn of the event loop: all promises that are settled have had their effect. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function epochOf(channel: string): string {
  return `epoch${channel.replaceAll(/[^0-9a-z]/g, "")}`;
}
