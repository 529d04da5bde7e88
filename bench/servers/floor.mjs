// The floor: a bare uWebSockets.js server that does only the essential work of a push server.
// It checks next to nothing, on purpose: what hexpush costs above it is the price of everything
// that hexpush does besides. It is a yardstick, not an example of how to write a server.
import uWS from "uWebSockets.js";

const port = Number(process.env.PORT);

uWS._cfg("silent");

const app = uWS.App();

function push(body, res) {
  const { channel, data, event } = JSON.parse(body);
  const channels = [...new Set(Array.isArray(channel) ? channel : [channel])];
  const dataText = JSON.stringify(data);
  const eventText = JSON.stringify(event);
  for (const name of channels) {
    const frame = `[null,null,${JSON.stringify(name)},"msg",{"data":${dataText},"event":${eventText}}]`;
    app.publish(name, frame);
  }
  res.cork(() => {
    res.writeHeader("content-type", "application/json; charset=utf-8");
    res.end(`{"channel":${JSON.stringify(channels)},"data":${dataText},"event":${eventText}}`);
  });
}

app.post("/api/push", (res) => {
  let earlier;
  let aborted = false;
  res.onAborted(() => {
    aborted = true;
  });
  res.onData((chunk, isLast) => {
    // uWebSockets.js takes the chunk's memory back after this call, so only what must wait is copied.
    if (!isLast) {
      const copy = Buffer.from(Buffer.from(chunk));
      earlier = earlier ? Buffer.concat([earlier, copy]) : copy;
      return;
    }
    const last = Buffer.from(chunk);
    if (!aborted) push((earlier ? Buffer.concat([earlier, last]) : last).toString(), res);
  });
});

app.ws("/push_socket/websocket", {
  // As in hexpush: the client speaks, or is closed; the server never pings.
  idleTimeout: 45,
  sendPingsAutomatically: false,
  maxBackpressure: 1024 * 1024,
  closeOnBackpressureLimit: true,
  message(ws, bytes) {
    const [joinRef, ref, topic, event] = JSON.parse(Buffer.from(bytes).toString());
    if (event === "phx_join") ws.subscribe(topic);
    const reply = { status: "ok", response: {} };
    ws.send(JSON.stringify([joinRef, ref, topic, "phx_reply", reply]));
  },
});

app.any("/*", (res) => {
  res.writeStatus("404 Not Found").end();
});

app.listen("127.0.0.1", port, (token) => {
  if (!token) {
    console.error(`floor: cannot listen on port ${port}`);
    process.exit(1);
  }
});
