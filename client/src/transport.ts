import type { Position, TransportKind } from "./types.js";

export interface Message {
  readonly event: string;
  readonly data: unknown;
  /** Only on channels that keep history. */
  readonly id?: Position;
}

/** The answer to a join: `id` and `recovered` are from the server, the rest is from its policy. */
export interface JoinResponse {
  readonly id?: Position;
  readonly recovered?: boolean;
  readonly [other: string]: unknown;
}

export interface Close {
  readonly code: number;
  readonly reason: string;
}

/** One connection, from its attempt to its end. */
export interface Transport {
  readonly kind: TransportKind;
  /** May be called only once it is open. */
  join(channel: string, params: Readonly<Record<string, unknown>>): void;
  /** Resolves once the server has answered, or cannot be reached. */
  leave(channel: string): Promise<void>;
  /** Checks whether the server still answers. */
  probe(): void;
  /** Reports no more events. Resolves once it is closed. */
  close(): Promise<void>;
}

/** The events of a connection. None is reported during its constructor. */
export interface TransportEvents {
  open(): void;
  /** It failed or was lost; the last event. */
  closed(close: Close): void;
  joined(channel: string, response: JoinResponse): void;
  denied(channel: string, response: JoinResponse): void;
  /** The server closed a channel, or did not answer its join. */
  dropped(channel: string, why: string): void;
  message(channel: string, message: Message): void;
}

/** An attempt that has not opened within this time has failed. */
export const CONNECT_TIMEOUT_MS = 10_000;

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value of a JSON text, or undefined if it is not JSON. */
export function parse(text: unknown): unknown {
  try {
    return JSON.parse(text as string);
  } catch {
    return undefined;
  }
}
