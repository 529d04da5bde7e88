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
import type { ChannelLog } from "./channel-log.js";
import { ChannelLogs } from "./channel-logs.js";
import { OwnNames, ownText } from "./own-text.js";

export interface MemoryBrokerOptions {
  /** Called when a channel's log is created, and for each message of a channel without one. */
  readonly historyLimits: (channel: string) => HistoryLimits;
  /** Memory for the history of all channels, in bytes; a conservative estimate is held against it. */
  readonly memoryBytesMax: number;
  /** Maximum number of idempotency keys remembered at a time; 0 refuses every key. */
  readonly idempotencyKeysMax: number;
  /** How long a key is remembered, in milliseconds. @defaultValue 300000 */
  readonly idempotencyWindowMs?: number;
  /** Milliseconds; should not go back. */
  readonly now: () => number;
  /**
   * Makes an epoch, different from all before it: 1 to 32 of `0-9a-z`. Called at the start, and
   * whenever positions had to be forgotten.
   *
   * @defaultValue 12 random hexadecimal digits
   */
  readonly newEpoch?: () => string;
}

/** How often messages that are too old are looked for, and in how many channels at a time. */
const SWEEP_MS = 250;
const SWEEP_LOGS = 2000;

const NO_HISTORY: History = { position: undefined, recovered: true, messages: [] };
const UNKNOWN: History = { position: undefined, recovered: false, messages: [] };

interface Running {
  readonly deliver: Deliver;
  readonly logs: ChannelLogs;
  readonly sweeping: NodeJS.Timeout;
}

/**
 * The broker of a single node that keeps everything in memory. It answers at once and delivers a push
 * within `publish`. The history ends with the process.
 *
 * A message that needs more memory than the whole budget is delivered, but not kept.
 */
export class MemoryBroker implements Broker {
  readonly #historyLimits: MemoryBrokerOptions["historyLimits"];
  readonly #memoryBytesMax: number;
  readonly #now: () => number;
  readonly #keys: IdempotencyStore<string>;
  readonly #newEpoch: () => string;
  #running: Running | undefined;
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
  }

  /** The estimated memory of the history, in bytes, as it is held against the budget. */
  get memoryBytes(): number {
    return this.#running?.logs.bytes ?? 0;
  }

  /** @throws {BrokerError} if `newEpoch` returns an invalid epoch. */
  start(deliver: Deliver): void {
    const logs = new ChannelLogs(this.#memoryBytesMax, this.#newEpoch);
    if (parseMessageId(positionIn(logs, "")) === undefined) {
      throw new BrokerError("the epoch of a broker must be 1 to 32 of 0-9a-z");
    }
    const sweeping = setInterval(() => logs.sweep(this.#now(), SWEEP_LOGS), SWEEP_MS);
    sweeping.unref();
    this.#running = { deliver, logs, sweeping };
  }

  stop(): void {
    clearInterval(this.#running?.sweeping);
    this.#running = undefined;
  }

  publish(publication: Publication): MaybePromise<PublishResult> {
    const { pushId, idempotency } = publication;
    const running = this.#running;
    if (running === undefined) throw new BrokerUnavailable("the broker is not running");
    if (idempotency === undefined) return this.#accept(publication, running);
    const { key, fingerprint } = idempotency;
    // The key is claimed before delivery, so that a repeat published during the delivery is known.
    const claimed = this.#keys.claim(key, fingerprint, () => pushId);
    return andThen(claimed, (claim): PublishResult => {
      if (claim.kind === "first") return this.#accept(publication, running);
      return claim.kind === "repeated" ? { kind: "repeated", pushId: claim.value } : claim;
    });
  }

  subscribe(): void {}

  unsubscribe(): void {}

  position(channel: string): string | undefined {
    const running = this.#running;
    if (running === undefined || !this.#keeps(channel, running.logs)) return undefined;
    return positionIn(running.logs, channel);
  }

  history(channel: string, { since, limit = Number.POSITIVE_INFINITY }: HistoryQuery): History {
    const logs = this.#running?.logs;
    if (logs === undefined || !this.#keeps(channel, logs)) {
      return since === undefined ? NO_HISTORY : UNKNOWN;
    }
    const log = logs.read(channel, this.#now());
    const { epoch, newest } = log ?? logs.position(channel);
    const position = formatMessageId(epoch, newest);
    let from = 0;
    if (since !== undefined) {
      const id = parseMessageId(since);
      const trimmedTo = log?.trimmedTo ?? newest;
      if (id?.epoch !== epoch || id.sequence < trimmedTo || id.sequence > newest) {
        return { ...UNKNOWN, position };
      }
      from = id.sequence;
    }
    const entries = log?.after(from, limit) ?? [];
    const messages = entries.map(({ sequence, event, data }) => ({
      channel,
      event,
      data: Json.trusted(data),
      id: formatMessageId(epoch, sequence),
    }));
    return { position, recovered: true, messages };
  }

  #accept(publication: Publication, running: Running): PublishResult {
    if (this.#isDelivering) {
      this.#waiting.push(publication);
      return ACCEPTED;
    }
    const errors: unknown[] = [];
    this.#isDelivering = true;
    try {
      this.#deliverEach(publication, running, errors);
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        this.#deliverEach(next, running, errors);
      }
    } finally {
      this.#isDelivering = false;
    }
    // `deliver` broke its promise. The push is accepted all the same, but its caller must know.
    if (errors.length > 0) throw errors[0];
    return ACCEPTED;
  }

  #deliverEach({ pushId, push }: Publication, running: Running, errors: unknown[]): void {
    const { deliver, logs } = running;
    let kept: Kept | undefined;
    for (const channel of push.channels) {
      const log = logs.get(channel) ?? this.#newLog(channel, logs);
      let message: Message;
      if (log === undefined) {
        message = push.message(channel);
      } else {
        kept ??= this.#kept(push);
        const sequence = logs.append(log, kept.entry);
        const id = formatMessageId(log.epoch, sequence);
        // Made of the texts that are kept, so that others who keep some share them.
        message = { channel: log.channel, event: kept.entry.event, data: kept.data, id };
      }
      try {
        deliver(message, pushId);
      } catch (error) {
        errors.push(error);
      }
    }
  }

  #kept(push: Push): Kept {
    const event = this.#events.of(push.event);
    const data = ownText(push.data.text);
    return {
      data: Json.trusted(data.text),
      // The data is shared, and counts in every channel: it stays until the last one drops it.
      entry: {
        at: this.#now(),
        event: event.text,
        data: data.text,
        bytes: event.bytes + data.bytes,
      },
    };
  }

  #newLog(channel: string, logs: ChannelLogs): ChannelLog | undefined {
    const limits = this.#historyLimits(channel);
    return keepsHistory(limits) ? logs.open(channel, limits) : undefined;
  }

  #keeps(channel: string, logs: ChannelLogs): boolean {
    return keepsHistory(logs.get(channel)?.limits ?? this.#historyLimits(channel));
  }
}

const ACCEPTED: PublishResult = { kind: "accepted" };

/** What the logs of a push's channels keep of it. */
interface Kept {
  readonly data: Json;
  readonly entry: {
    readonly at: number;
    readonly event: string;
    readonly data: string;
    readonly bytes: number;
  };
}

function positionIn(logs: ChannelLogs, channel: string): string {
  const { epoch, newest } = logs.position(channel);
  return formatMessageId(epoch, newest);
}

function keepsHistory({ size, ttl }: HistoryLimits): boolean {
  return size > 0 && ttl > 0;
}
