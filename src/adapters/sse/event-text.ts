import type { Message } from "../../domain/message.js";

/*
 * Blocks of an event stream (HTML standard, "Server-sent events"). Each field is one line: JSON that
 * has no blanks between its tokens holds no line break, since its strings must escape theirs, and
 * U+2028 and U+2029 end no line here.
 */

/** A message as a default event. Its id becomes the `Last-Event-ID` that a browser comes back with. */
export function messageEvent({ channel, event, data, id }: Message): Buffer {
  const names = `"channel":${JSON.stringify(channel)},"event":${JSON.stringify(event)}`;
  const position = id === undefined ? "" : `,"id":${JSON.stringify(id)}`;
  const line = id === undefined ? "" : `id: ${id}\n`;
  return Buffer.from(`${line}data: {${names},"data":${data.text}${position}}\n\n`);
}

/** What is no message has a name of its own, so that `onmessage` doesn't see it. */
export function namedEvent(name: string, value: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(value)}\n\n`;
}

/**
 * Where the stream begins: who loses it before its first message comes back with this id.
 *
 * An id without data would do by the standard, but Firefox and the npm package `eventsource` drop
 * the id of a block that has none.
 */
export function positionEvent(id: string): string {
  return `id: ${id}\n${namedEvent("position", { id })}`;
}

/** How long an EventSource waits before it comes back, in milliseconds. */
export function retryLine(milliseconds: number): string {
  return `retry: ${milliseconds}\n\n`;
}

/** No event to anybody: it tells every part of the way that the stream is alive. */
export const HEARTBEAT = Buffer.from(":\n\n");

/** The meanings of the codes with which a WebSocket is closed (RFC 6455, section 7.4.1). */
export const CLOSE_DISCONNECTED = 1001;
export const CLOSE_POLICY = 1008;
export const CLOSE_DRAIN = 1012;
export const CLOSE_TRY_AGAIN = 1013;
