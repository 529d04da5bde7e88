import { quoted } from "../../domain/json.js";
import type { Message } from "../../domain/message.js";

/*
 * Blocks of an event stream (HTML standard, "Server-sent events"). Each field is one line: JSON that
 * has no blanks between its tokens holds no line break, since its strings must escape theirs, and
 * U+2028 and U+2029 end no line here.
 */

/**
 * A message as a default event.
 *
 * @param cursor what the client resumes from after this event; undefined to keep the last one.
 */
export function messageEvent(
  { channel, event, data, id }: Message,
  cursor: string | undefined,
): string {
  const names = `"channel":${quoted(channel)},"event":${quoted(event)}`;
  const position = id === undefined ? "" : `,"id":${quoted(id)}`;
  const line = cursor === undefined ? "" : `id: ${cursor}\n`;
  return `${line}data: {${names},"data":${data.text}${position}}\n\n`;
}

/** An event that is not a message has a name, so that `onmessage` does not see it. */
export function namedEvent(name: string, value: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(value)}\n\n`;
}

/**
 * Where the stream begins: a client that loses it before its first message resumes from here.
 *
 * An id without data would do by the standard, but Firefox and the npm package `eventsource` drop
 * the id of a block that has none.
 */
export function positionEvent(id: string): string {
  return `id: ${id}\n${namedEvent("position", { id })}`;
}

/** How long an EventSource waits before it reconnects, in milliseconds. */
export function retryLine(milliseconds: number): string {
  return `retry: ${milliseconds}\n\n`;
}

/** A comment: it shows every proxy on the way that the stream is alive. */
export const HEARTBEAT = ":\n\n";

/** The last event of a stream, with the meanings of WebSocket close codes (RFC 6455, section 7.4.1). */
export function closedEvent(code: number, reason: string): string {
  return namedEvent("closed", { code, reason });
}
