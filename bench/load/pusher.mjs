// One keep-alive connection that pushes: the bytes of its request are made once, only the digits
// of the sequence number (and of the channel) are written anew for each push.
import { connect } from "node:net";
import { API_KEY } from "../servers.mjs";

export const EVENT = "order.updated";
export const FIRST_SEQUENCE = 10_000_000;

const FILLER = "The parcel has left the warehouse and will be with you between nine and noon.";

const shared = Buffer.allocUnsafe(256 * 1024);

/** All channel names have the same length, so that one can overwrite another in the bytes. */
export const channelName = (index) => `bench:${String(index).padStart(5, "0")}`;

/** The data of a push as JSON text; of so many bytes, where that is more than it has of itself. */
export const dataText = (sequence, bytes = 0) => {
  const text = FILLER.padEnd(FILLER.length + bytes - UNPADDED_BYTES, ".");
  return `{"seq":${sequence},"text":"${text}","urgent":false}`;
};

const UNPADDED_BYTES = `{"seq":${FIRST_SEQUENCE},"text":"${FILLER}","urgent":false}`.length;

/** What a correct server answers to a push, to the byte. */
export const answerText = (channels, sequence, dataBytes) =>
  `{"channel":${JSON.stringify(channels)},"data":${dataText(sequence, dataBytes)},"event":"${EVENT}"}`;

function requestBytes(port, channel, sequence, dataBytes) {
  const data = dataText(sequence, dataBytes);
  const body = `{"channel":${JSON.stringify(channel)},"data":${data},"event":"${EVENT}"}`;
  return Buffer.from(
    `POST /api/push HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\n` +
      `Authorization: Bearer ${API_KEY}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

export class Pusher {
  /** Called with the answer's body, or with nothing where the body was not asked for. */
  onAnswer = () => {};
  onFailure = () => {};

  #port;
  #socket;
  #request;
  #channelAt;
  #sequenceAt;
  #expected;
  #pending = "";
  #wantsBody = false;
  #waiting = false;
  #closing = false;
  #closed = false;

  constructor(port, dataBytes) {
    this.#port = port;
    this.#request = requestBytes(port, channelName(0), FIRST_SEQUENCE, dataBytes);
    this.#channelAt = this.#request.indexOf(channelName(0));
    this.#sequenceAt = this.#request.indexOf(String(FIRST_SEQUENCE));
    this.#expected = answerText([channelName(0)], FIRST_SEQUENCE, dataBytes).length;
  }

  open() {
    return new Promise((resolve, reject) => {
      const fail = (error) => {
        this.#closed = true;
        if (this.#closing) return;
        reject(error);
        // A server may close an idle connection; whether that matters shows when it is used again.
        if (this.#waiting) this.onFailure(error);
      };
      this.#socket = connect({
        port: this.#port,
        host: "127.0.0.1",
        noDelay: true,
        onread: {
          buffer: shared,
          callback: (length) => {
            this.#read(length);
            return true;
          },
        },
      });
      this.#socket.once("connect", resolve);
      this.#socket.once("error", fail);
      this.#socket.once("close", () => fail(new Error("the server closed a push connection")));
    });
  }

  /** Only when the last push was answered: its bytes are overwritten. */
  send(channelIndex, sequence) {
    this.#request.latin1Write(channelName(channelIndex), this.#channelAt);
    this.#request.latin1Write(String(sequence), this.#sequenceAt);
    this.#write(this.#request);
  }

  /** A push outside the measurement, whose answer is compared to the byte by the caller. */
  ask(channel, sequence) {
    return new Promise((resolve, reject) => {
      const { onAnswer, onFailure } = this;
      this.#wantsBody = true;
      this.onAnswer = (body) => {
        this.#wantsBody = false;
        this.onAnswer = onAnswer;
        this.onFailure = onFailure;
        resolve(body);
      };
      this.onFailure = reject;
      this.#write(requestBytes(this.#port, channel, sequence));
    });
  }

  close() {
    this.#closing = true;
    this.#socket.resetAndDestroy();
  }

  #write(bytes) {
    if (this.#closed) return this.onFailure(new Error("the server closed a push connection"));
    this.#waiting = true;
    this.#socket.write(bytes);
  }

  #read(length) {
    const text = this.#pending + shared.latin1Slice(0, length);
    const headEnd = text.indexOf("\r\n\r\n");
    const size = headEnd === -1 ? undefined : contentLength(text, headEnd);
    if (size === undefined ? headEnd === -1 : text.length < headEnd + 4 + size) {
      this.#pending = text;
      return;
    }
    this.#pending = "";
    this.#waiting = false;
    const wrong =
      !text.startsWith("HTTP/1.1 200 ") ||
      size === undefined ||
      text.length !== headEnd + 4 + size ||
      (!this.#wantsBody && size !== this.#expected);
    if (wrong) this.onFailure(new Error(`an unexpected answer: ${text.slice(0, 400)}`));
    else this.onAnswer(this.#wantsBody ? text.slice(headEnd + 4) : undefined);
  }
}

function contentLength(text, headEnd) {
  const match = /\r\ncontent-length: ?(\d+)\r\n/i.exec(text.slice(0, headEnd + 2));
  return match ? Number(match[1]) : undefined;
}
