import type { Serializer } from "../cli/phoenix-client.js";
import { Json } from "../domain/json.js";

/** The serializer of `vsn=1.0.0`, whose frames are objects. Only tests use it. */
export const SERIALIZER_1: Serializer = {
  encode: ({ topic, event, payload, ref, joinRef }) =>
    `{"topic":${JSON.stringify(topic)},"event":${JSON.stringify(event)},"payload":${payload.text},` +
    `"ref":${JSON.stringify(ref)},"join_ref":${JSON.stringify(joinRef)}}`,
  decode(text) {
    const members = Json.members(text, ["topic", "event", "payload", "ref"]);
    const topic = members?.get("topic")?.value();
    const event = members?.get("event")?.value();
    const payload = members?.get("payload");
    if (typeof topic !== "string" || typeof event !== "string" || payload === undefined) {
      return undefined;
    }
    const ref = members?.get("ref")?.value();
    return { joinRef: null, ref: typeof ref === "string" ? ref : null, topic, event, payload };
  },
};
