// The command line's Phoenix client, with reconnects and resumes as docs/protocol.md describes them.
import { PhoenixClient } from "../../../dist/cli/phoenix-client.js";
import { Json } from "../../../dist/domain/json.js";
import { SERIALIZER_1 } from "../../../dist/testing/serializer-1.js";

const HEARTBEAT_MS = 10_000;

const SERIALIZERS = { "1.0.0": { serializer: SERIALIZER_1 }, "2.0.0": {} };

/** @param options.version of the serializer */
export function startRawSocket({ port, record, resumes, pauseMs, version }) {
  const positions = new Map();
  const unjoined = new Set(record.channels);
  let client;
  let heartbeat;
  let retry;
  let isClosed = false;
  let isReady;
  const ready = new Promise((resolve) => {
    isReady = resolve;
  });

  function open() {
    const joins = new Map();
    client = new PhoenixClient({
      ...SERIALIZERS[version],
      url: `ws://127.0.0.1:${port}/push_socket/websocket?vsn=${version}`,
      onOpen() {
        record.connects++;
        heartbeat = setInterval(() => client.heartbeat(), HEARTBEAT_MS);
        for (const channel of record.channels) {
          const since = positions.get(channel);
          const params = resumes && since !== undefined ? { last_event_id: since } : {};
          joins.set(client.join(channel, Json.of(params)), channel);
        }
      },
      onFrame(frame, text) {
        if (frame === undefined) throw new Error(`no frame: ${text}`);
        const { ref, topic, event } = frame;
        const payload = frame.payload.value();
        if (event === "msg") {
          positions.set(topic, payload.id);
          record.message(topic, payload.data);
        } else if (event === "phx_reply" && joins.has(ref)) {
          joined(joins.get(ref), payload);
        }
      },
      onClose() {
        clearInterval(heartbeat);
        record.breaks++;
        if (!isClosed) retry = setTimeout(open, pauseMs());
      },
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
      client.terminate();
    },
  };
}
