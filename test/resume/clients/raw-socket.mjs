// A client of docs/protocol.md written by hand, as one is in another language.
import { WebSocket } from "ws";

const HEARTBEAT_MS = 10_000;

const serializers = {
  "1.0.0": {
    encode: (joinRef, ref, topic, event, payload) =>
      JSON.stringify({ topic, event, payload, ref, join_ref: joinRef }),
    decode: (text) => JSON.parse(text),
  },
  "2.0.0": {
    encode: (...frame) => JSON.stringify(frame),
    decode(text) {
      const [, ref, topic, event, payload] = JSON.parse(text);
      return { ref, topic, event, payload };
    },
  },
};

/** @param options.version of the serializer */
export function startRawSocket({ port, record, resumes, pauseMs, version }) {
  const { encode, decode } = serializers[version];
  const positions = new Map();
  const unjoined = new Set(record.channels);
  let socket;
  let heartbeat;
  let retry;
  let isClosed = false;
  let isReady;
  const ready = new Promise((resolve) => {
    isReady = resolve;
  });

  function open() {
    socket = new WebSocket(`ws://127.0.0.1:${port}/push_socket/websocket?vsn=${version}`);
    let refs = 0;
    const joins = new Map();
    const send = (topic, event, payload) => {
      const ref = `${++refs}`;
      const joinRef = event === "phx_join" ? ref : null;
      socket.send(encode(joinRef, ref, topic, event, payload));
      return ref;
    };
    socket.on("error", () => {});
    socket.on("open", () => {
      record.connects++;
      heartbeat = setInterval(() => send("phoenix", "heartbeat", {}), HEARTBEAT_MS);
      for (const channel of record.channels) {
        const since = positions.get(channel);
        const params = resumes && since !== undefined ? { last_event_id: since } : {};
        joins.set(send(channel, "phx_join", params), channel);
      }
    });
    socket.on("message", (bytes) => {
      const { ref, topic, event, payload } = decode(bytes.toString());
      if (event === "msg") {
        positions.set(topic, payload.id);
        record.message(topic, payload.data);
      } else if (event === "phx_reply" && joins.has(ref)) {
        joined(joins.get(ref), payload);
      }
    });
    socket.on("close", () => {
      clearInterval(heartbeat);
      record.breaks++;
      if (!isClosed) retry = setTimeout(open, pauseMs());
    });
  }

  function joined(channel, { status, response: { id, recovered } }) {
    if (status !== "ok") throw new Error("a join was refused");
    if (recovered === true) record.resumes++;
    else if (recovered === false) record.gaps++;
    if (recovered !== true) positions.set(channel, id);
    unjoined.delete(channel);
    if (unjoined.size === 0) isReady();
  }

  open();
  return {
    ready,
    close() {
      isClosed = true;
      clearTimeout(retry);
      socket.terminate();
    },
  };
}
