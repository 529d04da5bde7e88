// What hexpush, the floor and koa-ws speak: Phoenix Channels (vsn 2.0.0) and PushEx's push route.
import { EVENT, pushText, sequenceOf } from "../content.mjs";
import { clientFrame } from "../frames.mjs";

/** @type {import("./index.mjs").Dialect} */
export const phoenix = {
  subscribePath: () => "/push_socket/websocket?vsn=2.0.0",
  hello: (channel) => clientFrame(JSON.stringify(["1", "1", channel, "phx_join", {}])),
  join(text, channel) {
    const [, ref, topic, event, payload] = JSON.parse(text);
    if (ref !== "1" || topic !== channel || event !== "phx_reply") return undefined;
    if (payload.status !== "ok") throw new Error(`join refused: ${text}`);
    return "joined";
  },
  heartbeat: clientFrame('[null,"2","phoenix","heartbeat",{}]'),

  takesSeveral: true,
  request: (channel, sequence, dataBytes) => ({
    path: "/api/push",
    type: "application/json",
    body: pushText(channel, sequence, dataBytes),
  }),
  accepted: /^HTTP\/1\.1 200 /,
  // The answer is the push itself, with each channel once.
  answerBytes: ([channel], sequence, dataBytes) =>
    Buffer.byteLength(pushText([channel], sequence, dataBytes)),
  isAnswer: (body, channels, sequence) => body === pushText(channels, sequence),

  delivered(text, channel) {
    const [joinRef, ref, topic, event, payload] = JSON.parse(text);
    const right =
      joinRef === null &&
      ref === null &&
      topic === channel &&
      event === "msg" &&
      payload.event === EVENT;
    return right ? sequenceOf(payload.data) : undefined;
  },
};
