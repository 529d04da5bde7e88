import type { Json } from "../../domain/json.js";
import type { Message } from "../../domain/message.js";

/**
 * A frame that a client sent. References are JSON texts (`"1"`, `null`, also `7` or an object):
 * the client gets them back as they came.
 */
export interface ClientFrame {
  readonly joinRef: string;
  readonly ref: string;
  readonly topic: string;
  readonly event: string;
  readonly payload: Json;
}

export type ReplyStatus = "ok" | "error";

/** One version of Phoenix's serializer: what the frames look like on the wire. */
export interface Codec {
  /** @returns undefined if the text is not a frame. */
  decodeText(text: string): ClientFrame | undefined;

  /** @returns undefined if the bytes are not a frame. `bytes` is not kept. */
  decodeBinary(bytes: Uint8Array): ClientFrame | undefined;

  encodeReply(frame: ReplyFrame): string;

  /** `phx_close` and `phx_error`: they carry the join's reference in both places. */
  encodeChannelEvent(topic: string, event: "phx_close" | "phx_error", joinRef: string): string;

  /** The same text for every subscriber: it holds no reference of theirs. */
  encodeMessage(message: Message): string;
}

export interface ReplyFrame {
  readonly joinRef: string;
  readonly ref: string;
  readonly topic: string;
  readonly status: ReplyStatus;
  readonly response: Json;
}

/**
 * The payload of a push, in both versions: event `msg` with this in it (PushEx), and `id` on a
 * channel that keeps history. An id needs no escape.
 */
export function messagePayload({ data, event, id }: Message): string {
  const end = id === undefined ? "}" : `,"id":"${id}"}`;
  return `{"data":${data.text},"event":${JSON.stringify(event)}${end}`;
}

/** A decoder for bytes that must be UTF-8; a byte order mark is kept, as it is no JSON. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @returns undefined if the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}
