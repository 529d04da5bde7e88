// One client socket: a WebSocket or an event stream that joins its channel, and counts what arrives.
import { connect } from "node:net";
import { EventCounter } from "./event-counter.mjs";
import { FrameCounter } from "./frames.mjs";
import { EVENT_STREAM, WEBSOCKET } from "./handshakes.mjs";

// All sockets read into the same memory: each read is handled to its end before the next begins.
const shared = Buffer.allocUnsafe(256 * 1024);

/** Deliveries of all subscribers together, with a call when their number reaches `wakeAt`. */
export class Tally {
  frames = 0;
  wakeAt = Number.POSITIVE_INFINITY;
  onWake = () => {};
  onFailure = () => {};
  pacer = undefined;

  add(frames) {
    this.frames += frames;
    if (this.pacer) this.pacer.active = true;
    if (this.frames >= this.wakeAt) this.onWake();
  }
}

export class Subscriber {
  counter;
  /** Reads once, and again after `resume`. */
  lazy = false;
  #dialect;
  #socket;
  #tally;
  #live = false;
  #closing = false;

  constructor(dialect, channel, tally) {
    this.#dialect = dialect;
    this.channel = channel;
    this.#tally = tally;
    const { ping, isStream } = dialect;
    this.counter = isStream
      ? new EventCounter()
      : new FrameCounter(ping?.length, () => this.#socket.write(ping.reply));
  }

  /** Resolves once the server has confirmed the join. */
  open({ port, localAddress }) {
    const { request, check } = this.#dialect.isStream ? EVENT_STREAM : WEBSOCKET;
    return new Promise((resolve, reject) => {
      let head = "";
      const fail = (error) => {
        if (this.#closing) return;
        if (this.#live) this.#tally.onFailure(error);
        else reject(error);
      };
      const joined = () => {
        this.counter.onText = undefined;
        this.#live = true;
        resolve();
      };
      this.counter.onText = (text) => {
        const next = this.#dialect.join?.(text, this.channel);
        if (next === "joined") joined();
        else if (next !== undefined) this.#socket.write(next);
      };
      const frames = (length, begin) => {
        const count = this.counter.feed(shared, length, begin);
        if (this.#live) this.#tally.add(count);
      };
      const handshake = (length) => {
        const earlier = head.length;
        head += shared.latin1Slice(0, length);
        const end = head.indexOf("\r\n\r\n");
        if (end === -1) return;
        check(head.slice(0, end + 2), this.counter);
        read = frames;
        const hello = this.#dialect.hello(this.channel);
        if (hello === undefined) joined();
        else if (hello.length > 0) this.#socket.write(hello);
        if (end + 4 - earlier < length) frames(length, end + 4 - earlier);
      };
      let read = handshake;
      this.#socket = connect({
        port,
        host: "127.0.0.1",
        localAddress,
        noDelay: true,
        // `onread` hands over the bytes without building a stream chunk for each read.
        onread: {
          buffer: shared,
          callback: (length) => {
            try {
              read(length, 0);
            } catch (error) {
              fail(error);
            }
            return !this.lazy;
          },
        },
      });
      this.#socket.once("error", fail);
      this.#socket.once("close", () => fail(new Error("the server closed a socket")));
      this.#socket.write(request(this.#dialect.subscribePath(this.channel), port));
    });
  }

  heartbeat() {
    this.#socket.write(this.#dialect.heartbeat);
  }

  resume() {
    this.#socket.resume();
  }

  /** With a reset, so that ten thousand ports do not wait out their minute before the next run. */
  close() {
    this.#closing = true;
    this.#socket.resetAndDestroy();
  }
}
