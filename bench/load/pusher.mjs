// One keep-alive connection that pushes: the bytes of its request are made once, only the digits
// of the sequence number (and of the channel) are written anew for each push.
import { connect } from "node:net";
import { API_KEY, channelName, FIRST_SEQUENCE } from "./content.mjs";

const shared = Buffer.allocUnsafe(256 * 1024);

export class Pusher {
  /** Called with the answer's body, or with nothing if the body was not requested. */
  onAnswer = () => {};
  onFailure = () => {};

  #dialect;
  #port;
  #socket;
  #request;
  #channelAt;
  #sequenceAt;
  #expected;
  #pending = "";
  #wantsBody = false;
  #waiting = false;
  #spent = false;
  #closing = false;
  #closed = false;

  constructor(dialect, { port, pushPort = port, dataBytes }) {
    this.#dialect = dialect;
    this.#port = pushPort;
    this.#request = this.#requestBytes(channelName(0), FIRST_SEQUENCE, dataBytes);
    this.#channelAt = placesOf(channelName(0), this.#request);
    this.#sequenceAt = placesOf(String(FIRST_SEQUENCE), this.#request);
    this.#expected = dialect.answerBytes([channelName(0)], FIRST_SEQUENCE, dataBytes);
  }

  open() {
    return new Promise((resolve, reject) => {
      const socket = connect({
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
      const fail = (error) => {
        if (socket !== this.#socket || this.#closing || this.#spent) return;
        this.#closed = true;
        reject(error);
        // A server may close an idle connection; whether that matters shows when it is used again.
        if (this.#waiting) this.onFailure(error);
      };
      socket.once("connect", resolve);
      socket.once("error", fail);
      socket.once("close", () => fail(new Error("the server closed a push connection")));
      this.#socket = socket;
      this.#spent = false;
    });
  }

  /** Only when the last push was answered: its bytes are overwritten. */
  send(channelIndex, sequence) {
    const channel = channelName(channelIndex);
    for (const at of this.#channelAt) this.#request.latin1Write(channel, at);
    for (const at of this.#sequenceAt) this.#request.latin1Write(String(sequence), at);
    this.#write(this.#request);
  }

  /**
   * A push outside the measurement, whose answer is compared to the byte; one request for each
   * channel if the server does not accept a list.
   */
  async ask(channels, sequence) {
    const pushes = this.#dialect.takesSeveral ? [channels] : channels.map((channel) => [channel]);
    for (const names of pushes) {
      const body = await this.#askOne(names.length > 1 ? names : names[0], sequence);
      if (!this.#dialect.isAnswer(body, names, sequence)) {
        throw new Error(`an unexpected answer: ${body}`);
      }
    }
  }

  #askOne(channel, sequence) {
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
      this.#write(this.#requestBytes(channel, sequence));
    });
  }

  close() {
    this.#closing = true;
    this.#socket.resetAndDestroy();
  }

  #requestBytes(channel, sequence, dataBytes) {
    const { path, type, body } = this.#dialect.request(channel, sequence, dataBytes);
    return Buffer.from(
      `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${this.#port}\r\nContent-Type: ${type}\r\n` +
        `Authorization: Bearer ${API_KEY}\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }

  #write(bytes) {
    // What is written before a connection is open goes out as soon as it is; `open` tells of failure.
    if (this.#spent) this.open().catch(() => {});
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
    this.#spent = this.#dialect.closesAfterAnswer === true;
    const wrong =
      !this.#dialect.accepted.test(text) ||
      size === undefined ||
      text.length !== headEnd + 4 + size ||
      (!this.#wantsBody && this.#expected !== undefined && size !== this.#expected);
    if (wrong) this.onFailure(new Error(`an unexpected answer: ${text.slice(0, 400)}`));
    else this.onAnswer(this.#wantsBody ? text.slice(headEnd + 4) : undefined);
  }
}

function contentLength(text, headEnd) {
  const match = /\r\ncontent-length: ?(\d+)\r\n/i.exec(text.slice(0, headEnd + 2));
  return match ? Number(match[1]) : undefined;
}

function placesOf(text, bytes) {
  const places = [];
  for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + 1)) places.push(at);
  return places;
}
