// Plain server-sent events with `Last-Event-ID`, as a browser's EventSource does it: it knows nothing
// of hexpush but the address. Only the wait before it comes back is shorter than the server's
// `retry:`, or a run would be made of waiting.
import { get } from "node:http";

export function startEventSource({ port, record, resumes, pauseMs }) {
  const query = new URLSearchParams(record.channels.map((channel) => ["channel", channel]));
  let lastEventId = "";
  let outgoing;
  let retry;
  let isClosed = false;
  let isReady;
  const ready = new Promise((resolve) => {
    isReady = resolve;
  });

  function open() {
    const since = resumes ? lastEventId : "";
    const headers = since === "" ? {} : { "last-event-id": since };
    const options = { port, host: "127.0.0.1", path: `/push_events?${query}`, headers };
    outgoing = get({ ...options, agent: false }, (response) => {
      if (response.statusCode !== 200) {
        refused(response);
        return;
      }
      let gaps = 0;
      let hasBegun = false;
      record.connects++;
      // All is decided, and the stream has joined, before its head is sent.
      isReady();
      response.setEncoding("utf8");
      response.on("error", () => {});
      const parse = eventParser((type, data, id) => {
        if (id !== undefined) lastEventId = id;
        // The gaps come before anything else.
        if (type === "gap") gaps++;
        else if (!hasBegun) {
          hasBegun = true;
          if (gaps > 0) record.gaps += gaps;
          else if (since !== "") record.resumes++;
        }
        if (type !== "message") return;
        const { channel, data: content } = JSON.parse(data);
        record.message(channel, content);
      });
      response.on("data", parse);
    });
    outgoing.on("error", () => {});
    outgoing.on("close", () => {
      record.breaks++;
      if (!isClosed) retry = setTimeout(open, pauseMs());
    });
  }

  /** uWebSockets.js gives this answer to a request line that has not come whole. */
  function refused({ statusCode }) {
    if (statusCode !== 505) throw new Error(`a stream was answered ${statusCode}`);
    // An EventSource stays away after this, and its page makes another one.
    record.refused++;
    outgoing.destroy();
  }

  open();
  return {
    ready,
    close() {
      isClosed = true;
      clearTimeout(retry);
      outgoing.destroy();
    },
  };
}

/** "Interpreting an event stream" of the HTML standard, as far as lines end with a line feed. */
function eventParser(onEvent) {
  let rest = "";
  let type = "";
  let data = [];
  let id;
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0) onEvent(type || "message", data.join("\n"), id);
        type = "";
        data = [];
        id = undefined;
      } else {
        const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
        if (field === "event") type = value;
        else if (field === "data") data.push(value);
        else if (field === "id") id = value;
      }
    }
  };
}
