// hexpush's event streams, with the same push route as its WebSockets.
import { EVENT, sequenceOf } from "../content.mjs";
import { phoenix } from "./phoenix.mjs";

/** @type {import("./index.mjs").Dialect} */
export const eventStream = {
  ...phoenix,
  isStream: true,
  subscribePath: (channel) => `/push_events?channel=${encodeURIComponent(channel)}`,
  // The head of the answer says that the stream has joined.
  hello: () => undefined,
  join: undefined,
  heartbeat: undefined,

  delivered(text, channel) {
    const message = JSON.parse(text);
    const right = message.channel === channel && message.event === EVENT;
    return right ? sequenceOf(message.data) : undefined;
  },
};
