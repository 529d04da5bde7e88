import { Json } from "../domain/json.js";

/** A frame to the server. */
export interface ClientFrame {
  /** The reference of the channel's last join; null on topics that were not joined. */
  readonly joinRef: string | null;
  readonly ref: string;
  readonly topic: string;
  readonly event: string;
  readonly payload: Json;
}

/** A frame from the server: `[join_ref, ref, topic, event, payload]` (serializer 2.0.0). */
export interface ServerFrame {
  /** Null if the frame is not an answer. */
  readonly ref: string | null;
  readonly joinRef: string | null;
  readonly topic: string;
  readonly event: string;
  readonly payload: Json;
}

/** A message of a push, as a subscriber gets it. */
export interface Received {
  readonly channel: string;
  readonly event: string;
  readonly data: Json;
  /** Any JSON; only on a channel that keeps history. */
  readonly id: Json | undefined;
}

export interface Reply {
  readonly isOk: boolean;
  /** Why the request was refused; the response's JSON if it has no `reason`. */
  readonly reason: string;
  readonly response: Json;
}

export function writeFrame({ joinRef, ref, topic, event, payload }: ClientFrame): string {
  const names = [joinRef, ref, topic, event].map((name) => JSON.stringify(name)).join();
  return `[${names},${payload.text}]`;
}

/** @returns undefined if the text is not a frame. */
export function readFrame(text: string): ServerFrame | undefined {
  const parts = orUndefined(() => Json.elements(text));
  if (parts === undefined || parts.length < 5) return undefined;
  const [joinRef, ref, topic, event, payload] = parts as [Json, Json, Json, Json, Json];
  const names = [joinRef.value(), ref.value(), topic.value(), event.value()];
  const [joinRefText, refText, topicText, eventText] = names;
  if (typeof topicText !== "string" || typeof eventText !== "string") return undefined;
  return {
    joinRef: typeof joinRefText === "string" ? joinRefText : null,
    ref: typeof refText === "string" ? refText : null,
    topic: topicText,
    event: eventText,
    payload,
  };
}

/** Reads the event `msg`; undefined if its payload is not a push. */
export function readMessage({ topic, payload }: ServerFrame): Received | undefined {
  const members = Json.members(payload.text, ["event", "data", "id"]);
  const event = members?.get("event")?.value();
  const data = members?.get("data");
  if (typeof event !== "string" || data === undefined) return undefined;
  return { channel: topic, event, data, id: members?.get("id") };
}

export function readReply({ payload }: ServerFrame): Reply {
  const members = Json.members(payload.text, ["status", "response"]);
  const response = members?.get("response") ?? Json.null;
  const reason = Json.members(response.text, ["reason"])?.get("reason")?.value();
  return {
    isOk: members?.get("status")?.value() === "ok",
    reason: typeof reason === "string" ? reason : response.text,
    response,
  };
}

function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
