// What people write today: Koa with koa-bodyparser on node:http for the push route, `ws` for the
// sockets, one Map from a channel to its sockets, and a loop that sends. It also stands for
// "Koa on node:http" in the comparison of POST throughput.
import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { pushApp } from "./koa-push.mjs";

const port = Number(process.env.PORT);
const channels = new Map();

const app = pushApp((channel, { data, event }) => {
  const members = channels.get(channel);
  if (!members) return;
  const frame = JSON.stringify([null, null, channel, "msg", { data, event }]);
  for (const socket of members) socket.send(frame);
});

const server = createServer(app.callback());
const sockets = new WebSocketServer({ server, path: "/push_socket/websocket" });

sockets.on("connection", (socket) => {
  const joined = new Set();
  socket.on("message", (bytes) => {
    const [joinRef, ref, topic, event] = JSON.parse(bytes.toString());
    if (event === "phx_join") {
      joined.add(topic);
      if (!channels.has(topic)) channels.set(topic, new Set());
      channels.get(topic).add(socket);
    }
    const reply = { status: "ok", response: {} };
    socket.send(JSON.stringify([joinRef, ref, topic, "phx_reply", reply]));
  });
  socket.on("close", () => {
    for (const topic of joined) {
      const members = channels.get(topic);
      members?.delete(socket);
      if (members?.size === 0) channels.delete(topic);
    }
  });
  socket.on("error", () => socket.terminate());
});

server.listen(port, "127.0.0.1");
