// socket.io 4 over WebSocket alone (Engine.IO 4): "0..." opens, "40" connects, "42[...]" is an
// event, "43[...]" the answer to one that asked for it, "2" is the server's ping.
import { EVENT, sequenceOf } from "../content.mjs";
import { clientFrame } from "../frames.mjs";
import { phoenix } from "./phoenix.mjs";

const CONNECT = clientFrame("40");
const JOIN_ANSWER = '431["ok"]';

/** @type {import("./index.mjs").Dialect} */
export const socketIo = {
  // The push route is the one of hexpush.
  ...phoenix,
  subscribePath: () => "/socket.io/?EIO=4&transport=websocket",
  // A client may not speak before it has got the session's parameters.
  hello: () => Buffer.alloc(0),
  join(text, channel) {
    if (text.startsWith("0{")) return CONNECT;
    if (text.startsWith("40{")) return clientFrame(`421${JSON.stringify(["join", channel])}`);
    if (text === JOIN_ANSWER) return "joined";
    throw new Error(`join refused: ${text}`);
  },
  heartbeat: undefined,
  ping: { length: 1, reply: clientFrame("3") },

  delivered(text, channel) {
    if (!text.startsWith("42")) return undefined;
    const [name, payload] = JSON.parse(text.slice(2));
    const right = name === "msg" && payload.channel === channel && payload.event === EVENT;
    return right ? sequenceOf(payload.data) : undefined;
  },
};
