// The clients of a restart run. Each is joined to one channel, comes back by itself and resumes;
// it calls back `opened`, `closed(code, reason)`, `failed()`, `joined(recovered)`, `message(data)`.
import { get } from "node:http";
import * as phoenix from "phoenix";
import { WebSocket } from "ws";
import { PhoenixClient } from "../../dist/cli/phoenix-client.js";
import { Hexpush } from "../../dist/client/index.js";
import { Json } from "../../dist/domain/json.js";

/** phoenix.js's own delays. */
const PHOENIX_DELAYS_MS = [10, 50, 100, 150, 200, 250, 500, 1000, 2000];
const HEARTBEAT_MS = 30_000;

/** hexpush/client: takes the hint of a close. */
export function hexpushClient({ wsUrl, channel }, tell) {
  const client = new Hexpush(wsUrl, {
    WebSocket,
    transports: ["websocket"],
    onConnect: () => tell.opened(),
    onDisconnect: ({ code, reason }) => tell.closed(code, reason),
    onError: ({ code }) => code === "connect" && tell.failed(),
  });
  const subscription = client.subscribe(channel);
  subscription.bind("*", (data) => tell.message(data));
  subscription.on("joined", () => tell.joined(undefined));
  subscription.on("recovered", ({ recovered }) => tell.joined(recovered));
  void client.connect();
  return { end: () => client.disconnect() };
}

/** The package phoenix as it is, with a join parameter that is a function. */
export function phoenixClient({ wsUrl, channel }, tell) {
  const socket = new phoenix.Socket(wsUrl, { transport: WebSocket });
  let last;
  let isOpen = false;
  socket.onOpen(() => {
    isOpen = true;
    tell.opened();
  });
  socket.onClose(({ code, reason }) => {
    if (isOpen) tell.closed(code, reason);
    else tell.failed();
    isOpen = false;
  });
  const joining = socket.channel(channel, () =>
    last === undefined ? {} : { last_event_id: last },
  );
  joining.on("msg", ({ data, id }) => {
    last = id;
    tell.message(data);
  });
  joining.join().receive("ok", ({ id, recovered }) => {
    if (recovered !== true) last = id;
    tell.joined(recovered);
  });
  socket.connect();
  return { end: () => socket.disconnect() };
}

/** The command line's Phoenix client, with phoenix.js's delays: what most of the fleet is made of. */
export function rawClient({ wsUrl, channel }, tell) {
  let client;
  let last;
  let tries = 0;
  let timer;
  let isOver = false;
  const connect = () => {
    let isOpen = false;
    let beat;
    const params = last === undefined ? {} : { last_event_id: last };
    client = new PhoenixClient({
      url: `${wsUrl}/websocket?vsn=2.0.0`,
      onOpen() {
        isOpen = true;
        tries = 0;
        beat = setInterval(() => client.heartbeat(), HEARTBEAT_MS);
        tell.opened();
        client.join(channel, Json.of(params));
      },
      onFrame({ event, payload: { text } }) {
        const payload = JSON.parse(text);
        if (event === "msg") {
          last = payload.id;
          tell.message(payload.data);
        } else if (event === "phx_reply" && payload.response.id !== undefined) {
          if (payload.response.recovered !== true) last = payload.response.id;
          tell.joined(payload.response.recovered);
        }
      },
      onClose(code, reason) {
        clearInterval(beat);
        if (isOver) return;
        if (isOpen) tell.closed(code, reason);
        else tell.failed();
        timer = setTimeout(connect, PHOENIX_DELAYS_MS[tries++] ?? 5000);
      },
    });
  };
  connect();
  return {
    end() {
      isOver = true;
      clearTimeout(timer);
      client.terminate();
    },
  };
}

/** What a browser's EventSource does: comes back after `retry`, with `Last-Event-ID`. */
export function streamClient({ url, channel }, tell) {
  let request;
  let last;
  let retryMs = 3000;
  let timer;
  let isOver = false;
  const connect = () => {
    let isOpen = false;
    let end;
    const again = () => {
      if (isOver) return;
      if (isOpen) tell.closed(end?.code, end?.reason);
      else tell.failed();
      timer = setTimeout(connect, retryMs);
    };
    const headers = last === undefined ? {} : { "last-event-id": last };
    const path = `${url}/push_events?channel=${encodeURIComponent(channel)}`;
    let isClosed = false;
    const once = () => {
      if (!isClosed) again();
      isClosed = true;
    };
    request = get(path, { headers, agent: false }, (response) => {
      let gap = false;
      let rest = "";
      response.setEncoding("utf8");
      response.on("data", (text) => {
        const blocks = (rest + text).split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) {
          const fields = Object.fromEntries(
            block
              .split("\n")
              .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
          );
          if (fields.retry !== undefined) retryMs = Number(fields.retry);
          if (fields.data === undefined) continue;
          const data = JSON.parse(fields.data);
          if (fields.event === "closed") end = data;
          else if (fields.event === "gap") gap = true;
          else if (fields.event === "position") {
            // Streams that are sent away before they have begun are no return.
            isOpen = true;
            tell.opened();
            tell.joined(last === undefined ? undefined : !gap);
          } else if (fields.event === undefined) tell.message(data.data);
          if (fields.id !== undefined) last = fields.id;
        }
      });
      response.on("error", () => {});
      response.on("close", once);
    });
    request.on("error", once);
  };
  connect();
  return {
    end() {
      isOver = true;
      clearTimeout(timer);
      request.destroy();
    },
  };
}

/** Of ten clients: how many are of which kind. */
export const MIX = [
  ...Array(5).fill(["raw", rawClient]),
  ...Array(3).fill(["hexpush", hexpushClient]),
  ["phoenix", phoenixClient],
  ["stream", streamClient],
];
