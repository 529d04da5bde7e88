import { Json } from "../../domain/json.js";
import { type Codec, decodeUtf8, messagePayload } from "./frame.js";

/**
 * Serializer 1.0.0 (Phoenix.Socket.V1.JSONSerializer):
 * `{"topic":…,"event":…,"payload":…,"ref":…}`, with an optional `join_ref` from the client and
 * none from the server. A binary frame is read like a text one.
 */
export const codecV1: Codec = {
  decodeText(text) {
    const members = membersOf(text);
    const topic = members?.get("topic")?.value();
    const event = members?.get("event")?.value();
    const payload = members?.get("payload");
    const ref = members?.get("ref");
    if (typeof topic !== "string" || typeof event !== "string") return undefined;
    if (payload === undefined || ref === undefined) return undefined;
    return {
      joinRef: members?.get("join_ref")?.text ?? "null",
      ref: ref.text,
      topic,
      event,
      payload,
    };
  },

  decodeBinary(bytes) {
    const text = decodeUtf8(bytes);
    return text === undefined ? undefined : this.decodeText(text);
  },

  encodeReply({ ref, topic, status, response }) {
    return `{"event":"phx_reply","payload":{"response":${response.text},"status":"${status}"},"ref":${ref},"topic":${JSON.stringify(topic)}}`;
  },

  encodeChannelEvent(topic, event, joinRef) {
    return `{"event":"${event}","payload":{},"ref":${joinRef},"topic":${JSON.stringify(topic)}}`;
  },

  encodeMessage(message) {
    return `{"event":"msg","payload":${messagePayload(message)},"ref":null,"topic":${JSON.stringify(message.channel)}}`;
  },
};

const MEMBERS = ["topic", "event", "payload", "ref", "join_ref"] as const;

function membersOf(text: string): Map<(typeof MEMBERS)[number], Json> | undefined {
  try {
    return Json.members(text, MEMBERS);
  } catch {
    return undefined;
  }
}
