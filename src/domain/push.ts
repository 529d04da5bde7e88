import type { Json } from "./json.js";
import type { Message } from "./message.js";
import { nameFault } from "./name.js";

/** What a push is made of before it is checked: what a caller sent, whatever it is. */
export interface PushInput {
  /** A channel name or an array of them. */
  readonly channel?: unknown;
  /** The event's name. */
  readonly event?: unknown;
  /** Any JSON value, null too; undefined where the caller sent none. */
  readonly data?: Json | undefined;
}

export interface PushLimits {
  /** Longest channel name, in UTF-8 bytes. @defaultValue 1024 */
  readonly channelNameBytesMax: number;
  /** Longest event name, in UTF-8 bytes. @defaultValue 255 */
  readonly eventNameBytesMax: number;
  /** Most different channels in one push. @defaultValue 1000 */
  readonly channelsMax: number;
}

export const DEFAULT_PUSH_LIMITS: PushLimits = {
  channelNameBytesMax: 1024,
  eventNameBytesMax: 255,
  channelsMax: 1000,
};

export type PushField = "channel" | "data" | "event";

/** One thing that is wrong with a push. */
export interface PushFault {
  readonly field: PushField;
  /** Words that follow the field's name, for instance "must be a string". */
  readonly reason: string;
}

/** Why an input is no push: every fault of it, and one line that names them all. */
export interface InvalidPush {
  readonly code: "invalid_push";
  readonly faults: readonly PushFault[];
  readonly message: string;
}

export type PushResult =
  | { readonly ok: true; readonly push: Push }
  | { readonly ok: false; readonly error: InvalidPush };

const REQUIRED = "is required";

/**
 * One event for one or more channels: what a backend asks to have delivered.
 *
 * Holds at least one channel, each once, in the order in which they were first named. Immutable.
 */
export class Push {
  private constructor(
    readonly channels: readonly string[],
    readonly event: string,
    readonly data: Json,
  ) {
    Object.freeze(channels);
    Object.freeze(this);
  }

  /** Checks and normalises; never throws, whatever the input is. */
  static of(input: PushInput, limits: PushLimits = DEFAULT_PUSH_LIMITS): PushResult {
    const faults: PushFault[] = [];
    const channels = normalizeChannels(input.channel, limits, faults);
    const data = input.data;
    if (data === undefined) faults.push({ field: "data", reason: REQUIRED });
    const event = checkEvent(input.event, limits, faults);
    if (channels === undefined || data === undefined || event === undefined) {
      return { ok: false, error: invalidPush(faults) };
    }
    return { ok: true, push: new Push(channels, event, data) };
  }

  /** The push on one of its channels, as it is delivered there. */
  message(channel: string): Message {
    return { channel, event: this.event, data: this.data };
  }

  /** The answer to the caller: `{"channel":[…],"data":…,"event":…}` with the keys in this order. */
  toAnswer(): string {
    return `{"channel":${JSON.stringify(this.channels)},"data":${this.data.text},"event":${JSON.stringify(this.event)}}`;
  }
}

function normalizeChannels(
  channel: unknown,
  limits: PushLimits,
  faults: PushFault[],
): string[] | undefined {
  const refuse = (reason: string): undefined => {
    faults.push({ field: "channel", reason });
  };
  if (channel === undefined || channel === null) return refuse(REQUIRED);
  if (typeof channel !== "string" && !Array.isArray(channel)) {
    return refuse("must be a string or an array of strings");
  }
  const names: readonly unknown[] = typeof channel === "string" ? [channel] : channel;
  if (names.length === 0) return refuse("must name at least one channel");
  const unique = new Set<string>();
  // By index, so that a sparse array's holes are seen too.
  for (let at = 0; at < names.length; at++) {
    const name = names[at];
    const where = typeof channel === "string" ? "" : `[${at}] `;
    if (typeof name !== "string") return refuse(`${where}must be a string`);
    if (name === "") return refuse(`${where}must not be empty`);
    if (unique.has(name)) continue;
    const fault = nameFault(name, limits.channelNameBytesMax);
    if (fault !== undefined) return refuse(`${where}${fault}`);
    unique.add(name);
    if (unique.size > limits.channelsMax) {
      return refuse(`must not name more than ${limits.channelsMax} channels`);
    }
  }
  return [...unique];
}

function checkEvent(event: unknown, limits: PushLimits, faults: PushFault[]): string | undefined {
  const refuse = (reason: string): undefined => {
    faults.push({ field: "event", reason });
  };
  if (event === undefined || event === null) return refuse(REQUIRED);
  if (typeof event !== "string") return refuse("must be a string");
  if (event === "") return refuse("must not be empty");
  const fault = nameFault(event, limits.eventNameBytesMax);
  return fault === undefined ? event : refuse(fault);
}

/** "channel, data are required; event must be a string": the missing ones together, as PushEx says it. */
function invalidPush(faults: readonly PushFault[]): InvalidPush {
  const missing = faults.filter((fault) => fault.reason === REQUIRED).map((fault) => fault.field);
  const parts = faults
    .filter((fault) => fault.reason !== REQUIRED)
    .map((fault) => `${fault.field}${fault.reason.startsWith("[") ? "" : " "}${fault.reason}`);
  if (missing.length > 0) {
    parts.unshift(`${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} required`);
  }
  return { code: "invalid_push", faults, message: `Invalid push arguments: ${parts.join("; ")}.` };
}
