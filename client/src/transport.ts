import type { Position, TransportKind } from "./types.js";

export interface Message {
  readonly event: string;
  readonly data: unknown;
  /** On channels that keep history. */
  readonly id?: Position;
}

/** A join's answer: `id` and `recovered` are the server's, the rest is its policy's. */
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
  /** Only once it is open. */
  join(channel: string, params: Readonly<Record<string, unknown>>): void;
  /** Resolves once the server knows, or cannot be told. */
  leave(channel: string): Promise<void>;
  /** Finds out soon whether the other side is still there. */
  probe(): void;
  /** Nothing is reported any more. Resolves once it is closed. */
  close(): Promise<void>;
}

/** What a connection reports; nothing from within its constructor. */
export interface TransportEvents {
  open(): void;
  /** It failed or broke; the last report. */
  closed(close: Close): void;
  joined(channel: string, response: JoinResponse): void;
  denied(channel: string, response: JoinResponse): void;
  /** The server has ended a join, or has not answered it. */
  dropped(channel: string, why: string): void;
  message(channel: string, message: Message): void;
}

/** An attempt that has not opened by then has failed. */
export const CONNECT_TIMEOUT_MS = 10_000;

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What a text holds, or undefined where it is no JSON. */
export function parse(text: unknown): unknown {
  try {
    return JSON.parse(text as string);
  } catch {
    return undefined;
  }
}
