import { randomBytes } from "node:crypto";
import { IdempotencyStore } from "../../application/idempotency.js";
import type { MaybePromise } from "../../domain/auth-policy.js";
import {
  type Broker,
  BrokerError,
  BrokerUnavailable,
  type Deliver,
  type History,
  type HistoryLimits,
  type HistoryQuery,
  type Publication,
  type PublishResult,
} from "../../domain/broker.js";
import { Json } from "../../domain/json.js";
import { andThen } from "../../domain/maybe-promise.js";
import type { Message } from "../../domain/message.js";
import { formatMessageId, parseMessageId } from "../../domain/message-id.js";
import type { Push } from "../../domain/push.js";
import { ChannelLogs } from "./channel-logs.js";
import { OwnNames, ownBytes, ownText } from "./own-text.js";

export interface MemoryBrokerOptions {
  /** Asked when a channel's log is made, and at each message of a channel that has none. */
  readonly historyLimits: (channel: string) => HistoryLimits;
  /** Most memory for all that is kept of all channels, in bytes, by an estimate on the safe side. */
  readonly memoryBytesMax: number;
  /** Most idempotency keys that are remembered at a time; 0 refuses every key. */
  readonly idempotencyKeysMax: number;
  /** How long a key is remembered, in milliseconds. @defaultValue 300000 */
  readonly idempotencyWindowMs?: number;
  /** Milliseconds; should not go back. */
  readonly now: () => number;
  /**
   * Names what this broker gives from its start on, unlike any before it: 1 to 32 of `0-9a-z`.
   *
   * @defaultValue 12 random hexadecimal digits
   */
  readonly newEpoch?: () => string;
}

/** How often what is too old is looked for, and in how many channels at a time. */
const SWEEP_MS = 250;
const SWEEP_LOGS = 2000;

const NO_HISTORY: History = { position: undefined, recovered: true, messages: [] };
const UNKNOWN: History = { position: undefined, recovered: false, messages: [] };

/**
 * The broker of one node that keeps all in memory: a push is delivered within `publish`, and what is
 * kept ends with the process.
 *
 * A message that takes more memory than there is for all is delivered, and not kept.
 */
export class MemoryBroker implements Broker {
  readonly #historyLimits: MemoryBrokerOptions["historyLimits"];
  readonly #memoryBytesMax: number;
  readonly #now: () => number;
  readonly #keys: IdempotencyStore<string>;
  readonly #newEpoch: () => string;
  #epoch = "";
  /** Of the newest message that is kept, or was. */
  #sequence = 0;
  #logs: ChannelLogs;
  #deliver: Deliver | undefined;
  #sweeping: NodeJS.Timeout | undefined;
  #isDelivering = false;
  /** Accepted while another push is being delivered. */
  readonly #waiting: Publication[] = [];
  readonly #events = new OwnNames();

  constructor(options: MemoryBrokerOptions) {
    this.#historyLimits = options.historyLimits;
    this.#memoryBytesMax = options.memoryBytesMax;
    this.#now = options.now;
    this.#keys = new IdempotencyStore<string>({
      keysMax: options.idempotencyKeysMax,
      now: options.now,
      ...(options.idempotencyWindowMs === undefined
        ? {}
        : { windowMs: options.idempotencyWindowMs }),
    });
    this.#newEpoch = options.newEpoch ?? (() => randomBytes(6).toString("hex"));
    this.#logs = new ChannelLogs(options.memoryBytesMax);
  }

  /** What is kept takes so much memory, by the estimate that the budget goes by. */
  get memoryBytes(): number {
    return this.#logs.bytes;
  }

  /** @throws {BrokerError} where `newEpoch` names none. */
  start(deliver: Deliver): void {
    this.#epoch = this.#newEpoch();
    if (parseMessageId(this.#position()) === undefined) {
      throw new BrokerError("the epoch of a broker must be 1 to 32 of 0-9a-z");
    }
    this.#deliver = deliver;
    this.#sweeping = setInterval(() => this.#logs.sweep(this.#now(), SWEEP_LOGS), SWEEP_MS);
    this.#sweeping.unref();
  }

  stop(): void {
    clearInterval(this.#sweeping);
    this.#deliver = undefined;
    this.#logs = new ChannelLogs(this.#memoryBytesMax);
  }

  publish(publication: Publication): MaybePromise<PublishResult> {
    const { pushId, idempotency } = publication;
    const deliver = this.#deliver;
    if (deliver === undefined) throw new BrokerUnavailable("the broker is not running");
    if (idempotency === undefined) return this.#accept(publication, deliver);
    const { key, fingerprint } = idempotency;
    // The key is known before the push is delivered, to a repeat from within that too.
    const claimed = this.#keys.claim(key, fingerprint, () => pushId);
    return andThen(claimed, (claim): PublishResult => {
      if (claim.kind === "first") return this.#accept(publication, deliver);
      return claim.kind === "repeated" ? { kind: "repeated", pushId: claim.value } : claim;
    });
  }

  subscribe(): void {}

  unsubscribe(): void {}

  position(channel: string): string | undefined {
    return this.#deliver !== undefined && this.#keeps(channel) ? this.#position() : undefined;
  }

  history(channel: string, { since, limit = Number.POSITIVE_INFINITY }: HistoryQuery): History {
    if (this.#deliver === undefined || !this.#keeps(channel)) {
      return since === undefined ? NO_HISTORY : UNKNOWN;
    }
    const position = this.#position();
    // Before `trimmedTo` is asked: it rises with what is too old.
    const log = this.#logs.read(channel, this.#now());
    let from = 0;
    if (since !== undefined) {
      const id = parseMessageId(since);
      if (id === undefined || id.epoch !== this.#epoch || id.sequence > this.#sequence) {
        return { ...UNKNOWN, position };
      }
      from = id.sequence;
      if (from < this.#logs.trimmedTo(channel)) return { ...UNKNOWN, position };
    }
    const entries = log?.behind(from, limit) ?? [];
    const messages = entries.map(({ sequence, event, data }) =>
      this.#message(channel, sequence, event, Json.again(data)),
    );
    return { position, recovered: true, messages };
  }

  #accept(publication: Publication, deliver: Deliver): PublishResult {
    if (this.#isDelivering) {
      this.#waiting.push(publication);
      return { kind: "accepted", deliveries: 0 };
    }
    const errors: unknown[] = [];
    let deliveries = 0;
    this.#isDelivering = true;
    try {
      deliveries = this.#deliverEach(publication, deliver, errors);
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        this.#deliverEach(next, deliver, errors);
      }
    } finally {
      this.#isDelivering = false;
    }
    // Against `deliver`'s promise. The push is accepted all the same, but whoever made it must know.
    if (errors.length > 0) throw errors[0];
    return { kind: "accepted", deliveries };
  }

  #deliverEach({ pushId, push }: Publication, deliver: Deliver, errors: unknown[]): number {
    let deliveries = 0;
    let kept: Kept | undefined;
    for (const channel of push.channels) {
      const log = this.#logs.get(channel) ?? this.#newLog(channel);
      let message: Message;
      if (log === undefined) {
        message = push.message(channel);
      } else {
        kept ??= this.#kept(push);
        const { event, data, bytes } = kept;
        const sequence = ++this.#sequence;
        this.#logs.append(log, { sequence, at: kept.at, event, data: data.text, bytes });
        // With the texts that are kept: whoever keeps some too need not have them twice.
        message = this.#message(log.channel, sequence, event, data);
      }
      try {
        deliveries += deliver(message, pushId);
      } catch (error) {
        errors.push(error);
      }
    }
    return deliveries;
  }

  #kept(push: Push): Kept {
    const event = this.#events.of(push.event);
    const { text } = push.data;
    const isOwn = push.data.isOwn;
    const own = isOwn ? { text, bytes: ownBytes(text) } : ownText(text);
    return {
      at: this.#now(),
      event: event.text,
      data: isOwn ? push.data : push.data.over(own.text),
      // The data is one for all channels, and counts in each: it is there until the last one drops it.
      bytes: event.bytes + own.bytes,
    };
  }

  #newLog(channel: string) {
    const limits = this.#historyLimits(channel);
    return keepsAny(limits) ? this.#logs.open(channel, limits) : undefined;
  }

  #keeps(channel: string): boolean {
    return keepsAny(this.#logs.get(channel)?.limits ?? this.#historyLimits(channel));
  }

  #position(): string {
    return formatMessageId(this.#epoch, this.#sequence);
  }

  #message(channel: string, sequence: number, event: string, data: Json): Message {
    return { channel, event, data, id: formatMessageId(this.#epoch, sequence) };
  }
}

/** What the logs of all channels of a push keep of it. */
interface Kept {
  readonly at: number;
  readonly event: string;
  readonly data: Json;
  readonly bytes: number;
}

function keepsAny({ size, ttl }: HistoryLimits): boolean {
  return size > 0 && ttl > 0;
}
