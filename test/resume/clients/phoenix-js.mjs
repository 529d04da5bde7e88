// phoenix.js as it is published: nothing is added but join parameters that are a function.
import * as phoenix from "phoenix";
import * as phoenix17 from "phoenix17";
import { WebSocket } from "ws";

const libraries = { 1.8: phoenix, 1.7: phoenix17 };
/** Serializer 1.0.0 is an option of phoenix.js, which the caller fills in. */
const JSON_OBJECTS = {
  vsn: "1.0.0",
  encode: (message, done) => done(JSON.stringify(message)),
  decode: (text, done) => done(JSON.parse(text)),
};

/** @param options.library "1.8" or "1.7" */
export function startPhoenixJs({ port, record, resumes, pauseMs, library }) {
  const { Socket } = libraries[library];
  const socket = new Socket(`ws://127.0.0.1:${port}/push_socket`, {
    transport: WebSocket,
    reconnectAfterMs: pauseMs,
    rejoinAfterMs: pauseMs,
    ...(library === "1.7" ? JSON_OBJECTS : {}),
  });
  socket.onOpen(() => record.connects++);
  socket.onClose(() => record.breaks++);
  socket.connect();
  const joined = record.channels.map((name) => join(socket, name, record, resumes));
  return { ready: Promise.all(joined), close: () => socket.disconnect() };
}

function join(socket, name, record, resumes) {
  let lastEventId;
  const channel = socket.channel(name, () => (resumes ? { last_event_id: lastEventId } : {}));
  channel.on("msg", ({ data, id }) => {
    lastEventId = id;
    record.message(name, data);
  });
  return new Promise((resolve) => {
    // Called at each join, not at the first one alone.
    channel.join().receive("ok", ({ id, recovered }) => {
      if (recovered === true) record.resumes++;
      else if (recovered === false) record.gaps++;
      // What was missed follows, so the position is still the old one.
      if (recovered !== true) lastEventId = id;
      resolve();
    });
  });
}
