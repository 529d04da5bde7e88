// `hexpush/client` as it is built. It resumes by itself, over either transport.
import { WebSocket } from "ws";
import { Hexpush } from "../../../dist/client/index.js";

/** @param options.transport "websocket" or "sse" */
export function startHexpushClient({ port, record, pauseMs, transport }) {
  const client = new Hexpush(`ws://127.0.0.1:${port}/push_socket`, {
    WebSocket,
    transports: [transport],
    socketReconnectAlgorithm: pauseMs,
    onConnect: () => record.connects++,
    onDisconnect: () => record.breaks++,
  });
  void client.connect();
  const joined = record.channels.map((name) => subscribe(client, name, record));
  return { ready: Promise.all(joined), close: () => client.disconnect() };
}

function subscribe(client, name, record) {
  const subscription = client.subscribe(name);
  subscription.bind("*", (data) => record.message(name, data));
  subscription.on("recovered", ({ recovered }) => {
    if (recovered) record.resumes++;
    else record.gaps++;
  });
  return new Promise((resolve) => {
    subscription.on("joined", resolve);
  });
}
