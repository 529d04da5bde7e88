import type { Json } from "./json.js";
import type { Message } from "./message.js";
import { nameFault } from "./name.js";

/** What a push is made of before it is checked: what a caller sent, whatever it is. */
export interface PushInput {
  /** A channel name or an array of them. */
  readonly channel?: unknown;
  /** The event's name. */
  readonly event?: unknown;
  /** Any JSON value, null too; undefined if the caller sent none. */
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

/** Why an input is not a push: all its faults, and one line that names them all. */
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
    const { data } = input;
    const channels = uniqueChannels(input.channel, limits);
    const eventFault = faultOfEvent(input.event, limits);
    if (typeof channels !== "string" && data !== undefined && eventFault === undefined) {
      return { ok: true, push: new Push(channels, input.event as string, data) };
    }
    const faults: PushFault[] = [];
    if (typeof channels === "string") faults.push({ field: "channel", reason: channels });
    if (data === undefined) faults.push({ field: "data", reason: REQUIRED });
    if (eventFault !== undefined) faults.push({ field: "event", reason: eventFault });
    return { ok: false, error: invalidPush(faults) };
  }

  /** The push on one of its channels, as it is delivered there. */
  message(channel: string): Message {
    return { channel, event: this.event, data: this.data };
  }
}

/** @returns the names, each once, or the reason why there are none. */
function uniqueChannels(channel: unknown, limits: PushLimits): string[] | string {
  const { channelsMax } = limits;
  if (typeof channel === "string") {
    return faultOfChannel(channel, limits) ?? (channelsMax < 1 ? tooMany(limits) : [channel]);
  }
  if (channel === undefined || channel === null) return REQUIRED;
  if (!Array.isArray(channel)) return "must be a string or an array of strings";
  const names: readonly unknown[] = channel;
  if (names.length === 0) return "must name at least one channel";
  const unique = new Set<string>();
  // By index, so that a sparse array's holes are seen too.
  for (let at = 0; at < names.length; at++) {
    const name = names[at];
    if (typeof name !== "string") return `[${at}] must be a string`;
    if (unique.has(name)) continue;
    const fault = faultOfChannel(name, limits);
    if (fault !== undefined) return `[${at}] ${fault}`;
    unique.add(name);
    if (unique.size > channelsMax) return tooMany(limits);
  }
  return [...unique];
}

function tooMany({ channelsMax }: PushLimits): string {
  return `must not name more than ${channelsMax} channels`;
}

function faultOfChannel(name: string, { channelNameBytesMax }: PushLimits): string | undefined {
  return name === "" ? "must not be empty" : nameFault(name, channelNameBytesMax);
}

function faultOfEvent(event: unknown, { eventNameBytesMax }: PushLimits): string | undefined {
  if (event === undefined || event === null) return REQUIRED;
  if (typeof event !== "string") return "must be a string";
  return event === "" ? "must not be empty" : nameFault(event, eventNameBytesMax);
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
