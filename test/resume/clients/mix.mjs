import { startEventSource } from "./event-source.mjs";
import { startHexpushClient } from "./hexpush-client.mjs";
import { startPhoenixJs } from "./phoenix-js.mjs";
import { startRawSocket } from "./raw-socket.mjs";

/**
 * The kinds of clients. Each takes `{ port, record, resumes, pauseMs }`: whom to connect to, its
 * books, whether it says where it left off, and how long it waits before it comes back. It returns
 * `ready`, which resolves once all its channels are joined, and `close`.
 */
export const KINDS = {
  "phoenix.js 1.8, serializer 2.0.0": (client) => startPhoenixJs({ ...client, library: "1.8" }),
  "phoenix.js 1.7, serializer 1.0.0": (client) => startPhoenixJs({ ...client, library: "1.7" }),
  "PhoenixClient, serializer 1.0.0": (client) => startRawSocket({ ...client, version: "1.0.0" }),
  "PhoenixClient, serializer 2.0.0": (client) => startRawSocket({ ...client, version: "2.0.0" }),
  "hexpush/client, WebSocket": (client) =>
    startHexpushClient({ ...client, transport: "websocket" }),
  "hexpush/client, SSE": (client) => startHexpushClient({ ...client, transport: "sse" }),
  "EventSource by hand": startEventSource,
};
