// What people write with socket.io: a channel is a room, and a push is an event to it. All of
// socket.io's options are its defaults.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { pushApp } from "./koa-push.mjs";

const app = pushApp((channel, { data, event }) => {
  io.to(channel).emit("msg", { channel, data, event });
});
const server = createServer(app.callback());
const io = new Server(server);

io.on("connection", (socket) => {
  socket.on("join", (channel, done) => {
    socket.join(channel);
    done("ok");
  });
});

server.listen(Number(process.env.PORT), "127.0.0.1");
