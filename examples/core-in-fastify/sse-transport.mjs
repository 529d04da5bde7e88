/** @import { Message, Transport, TransportCounts } from "hexpush/core" */
/** @import { ServerResponse } from "node:http" */

/** A stream with more than this waiting is cut, because `deliver` must not wait for slow clients. */
const BUFFER_BYTES_MAX = 1_048_576;

/**
 * Each socket is a stream of server-sent events that is joined to its channels while it is open.
 *
 * @implements {Transport}
 */
export class SseTransport {
  /** @type {Map<string, Set<Stream>>} */
  #byChannel = new Map();
  /** @type {Set<Stream>} */
  #streams = new Set();

  /**
   * @param {ServerResponse} response
   * @param {readonly string[]} channels each once
   * @param {string | undefined} socketId
   */
  open(response, channels, socketId) {
    const stream = { response, channels, socketId };
    this.#streams.add(stream);
    for (const channel of channels) {
      const joined = this.#byChannel.get(channel);
      if (joined === undefined) this.#byChannel.set(channel, new Set([stream]));
      else joined.add(stream);
    }
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write(": joined\n\n");
    response.on("close", () => this.#forget(stream));
  }

  /** @param {Message} message */
  deliver({ channel, event, data }) {
    const names = `"channel":${JSON.stringify(channel)},"event":${JSON.stringify(event)}`;
    // One line is enough: `data.text` contains no line breaks.
    const text = `data: {${names},"data":${data.text}}\n\n`;
    const joined = [...(this.#byChannel.get(channel) ?? [])];
    for (const { response } of joined) {
      response.write(text);
      if (response.writableLength > BUFFER_BYTES_MAX) response.destroy();
    }
    return joined.length;
  }

  /** @param {string} channel */
  subscribers(channel) {
    return this.#byChannel.get(channel)?.size ?? 0;
  }

  /** @returns {TransportCounts} */
  counts() {
    let subscriptions = 0;
    for (const { channels } of this.#streams) subscriptions += channels.length;
    return { sockets: this.#streams.size, subscriptions };
  }

  /** @param {string} socketId */
  closeSockets(socketId) {
    const closing = [...this.#streams].filter((stream) => stream.socketId === socketId);
    for (const stream of closing) this.#close(stream);
    return closing.length;
  }

  /** Ends all streams; their clients reconnect by themselves. */
  close() {
    for (const stream of [...this.#streams]) this.#close(stream);
  }

  /** @param {Stream} stream */
  #close(stream) {
    this.#forget(stream);
    stream.response.end();
  }

  /** @param {Stream} stream */
  #forget(stream) {
    this.#streams.delete(stream);
    for (const channel of stream.channels) {
      const joined = this.#byChannel.get(channel);
      joined?.delete(stream);
      if (joined?.size === 0) this.#byChannel.delete(channel);
    }
  }
}

/**
 * @typedef {object} Stream
 * @property {ServerResponse} response
 * @property {readonly string[]} channels
 * @property {string | undefined} socketId
 */
