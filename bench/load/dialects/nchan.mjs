// nchan: what a publisher posts to a channel is what its subscribers get. So the body is the very
// frame that hexpush makes of a push.
import { frameText } from "../content.mjs";
import { phoenix } from "./phoenix.mjs";

/**
 * Answers tell of the channel, so their length tells nothing. The number behind the time counts the
 * messages of a second in 16 bits, and is negative above 32,767.
 */
const ANSWER =
  /^queued messages: \d+\r\nlast requested: -?\d+ sec\. ago\r\nactive subscribers: \d+\r\nlast message id: \d+:-?\d+$/;

/** @type {import("./index.mjs").Dialect} */
export const nchan = {
  subscribePath: (channel) => `/sub/${channel}`,
  // The upgrade is answered once the subscriber is in the channel.
  hello: () => undefined,

  takesSeveral: false,
  request: (channel, sequence, dataBytes) => ({
    path: `/pub/${channel}`,
    type: "application/json",
    body: frameText(channel, sequence, dataBytes),
  }),
  // 201 if the channel has subscribers, otherwise 202.
  accepted: /^HTTP\/1\.1 20[12] /,
  answerBytes: () => undefined,
  isAnswer: (body) => ANSWER.test(body),

  delivered: phoenix.delivered,
};
