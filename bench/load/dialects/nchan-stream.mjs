// nchan's EventSource subscribers. The body that is posted is the data that hexpush makes of a push,
// without its id: nchan sends an `id` field of its own with each message.
import { dataText, EVENT } from "../content.mjs";
import { eventStream } from "./event-stream.mjs";
import { nchan } from "./nchan.mjs";

/** @type {import("./index.mjs").Dialect} */
export const nchanStream = {
  ...nchan,
  isStream: true,
  subscribePath: (channel) => `/events/${channel}`,
  request: (channel, sequence, dataBytes) => ({
    ...nchan.request(channel, sequence, dataBytes),
    body: `{"channel":${JSON.stringify(channel)},"event":"${EVENT}","data":${dataText(sequence, dataBytes)}}`,
  }),
  delivered: eventStream.delivered,
};
