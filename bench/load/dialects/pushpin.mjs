// pushpin: a backend posts items to a port of its own, and gives each its text for WebSockets.
import { frameText } from "../content.mjs";
import { phoenix } from "./phoenix.mjs";

const ANSWER = "Published\n";

/** @type {import("./index.mjs").Dialect} */
export const pushpin = {
  subscribePath: (channel) => `/sub/${channel}`,
  // The backend has the client told right behind the subscription.
  hello: () => Buffer.alloc(0),
  join: (text) => (text === "joined" ? text : undefined),
  // The word goes to the client and the subscription to another of its processes.
  settleMs: 500,
  // With some 100 at once it answers 502, without having asked its backend.
  joinsAtOnce: 32,

  takesSeveral: true,
  request(channel, sequence, dataBytes) {
    const items = [channel].flat().map((name) => ({
      channel: name,
      formats: { "ws-message": { content: frameText(name, sequence, dataBytes) } },
    }));
    return { path: "/publish/", type: "application/json", body: JSON.stringify({ items }) };
  },
  accepted: /^HTTP\/1\.1 200 /,
  answerBytes: () => ANSWER.length,
  isAnswer: (body) => body === ANSWER,
  closesAfterAnswer: true,

  delivered: phoenix.delivered,
};
