// What people write today: Koa with koa-bodyparser on node:http for the push route, `ws` for the
// sockets, one Map from a channel to its sockets, and a loop that sends. It also stands for
// "Koa on node:http" in the comparison of POST throughput.
import { createServer } from "node:http";
import Koa from "koa";
import bodyParser from "koa-bodyparser";
import { WebSocketServer } from "ws";

const port = Number(process.env.PORT);
const channels = new Map();

const app = new Koa();
app.use(bodyParser());
app.use((ctx) => {
  if (ctx.method !== "POST" || ctx.path !== "/api/push") return;
  const { channel, data, event } = ctx.request.body;
  const names = [...new Set(Array.isArray(channel) ? channel : [channel])];
  for (const name of names) {
    const sockets = channels.get(name);
    if (!sockets) continue;
    const frame = JSON.stringify([null, null, name, "msg", { data, event }]);
    for (const socket of sockets) socket.send(frame);
  }
  ctx.body = { channel: names, data, event };
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
