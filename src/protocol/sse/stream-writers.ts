import type { CloseReason } from "../../application/subscriptions/close-reason.js";
import { SetShare } from "../../application/subscriptions/set-share.js";
import type { Share, SocketGroup, SocketWriter } from "../../application/subscriptions/socket.js";
import type { Subscriptions } from "../../application/subscriptions/subscriptions.js";
import { utf8Length } from "../../domain/name.js";
import type { Stream } from "./stream.js";
import {
  ManyChannelsProtocol,
  OneChannelProtocol,
  type StreamJoins,
  type StreamProtocol,
} from "./stream-protocol.js";

/** Writes to streams whose events look the same. */
class StreamWriter implements SocketWriter<Stream> {
  /** Streams that use it. */
  streams = 0;
  readonly #writers: StreamWriters;
  #lastFrame = "";
  #lastBytes = 0;

  constructor(
    readonly protocol: StreamProtocol,
    readonly key: string,
    writers: StreamWriters,
  ) {
    this.#writers = writers;
  }

  /** A frame alone is never too much, however large: a client is not slow if it has taken all else. */
  send(stream: Stream, frame: string): void {
    if (frame !== this.#lastFrame) {
      this.#lastFrame = frame;
      this.#lastBytes = utf8Length(frame);
    }
    if (this.#isTooMuch(stream, this.#lastBytes)) this.#writers.cut(stream);
    else stream.write(frame, this.#lastBytes);
  }

  batch(_stream: Stream, work: () => void): void {
    work();
  }

  bufferedBytes({ exchange }: Stream): number {
    // What one turn has gathered does not make a client slow. A little of it decides nothing.
    if (exchange.bufferedBytes > this.#writers.sendBufferBytesMax / 4) exchange.flush();
    return exchange.bufferedBytes;
  }

  close(stream: Stream, reason: CloseReason): void {
    this.#writers.close(stream, reason);
  }

  share(group: SocketGroup): Share<Stream> {
    return new SetShare(group, this);
  }

  #isTooMuch({ exchange }: Stream, bytes: number): boolean {
    const max = this.#writers.sendBufferBytesMax;
    const isOver = () => exchange.bufferedBytes > 0 && exchange.bufferedBytes + bytes > max;
    if (!isOver()) return false;
    exchange.flush();
    return isOver();
  }
}

/** The writers of all streams: one for those of one channel, and one for each set of several. */
export class StreamWriters {
  readonly close: (stream: Stream, reason: CloseReason) => void;
  readonly #joins: StreamJoins;
  readonly #subscriptions: Subscriptions;
  readonly #one: StreamWriter;
  readonly #many = new Map<string, StreamWriter>();

  constructor(
    joins: StreamJoins,
    subscriptions: Subscriptions,
    close: (stream: Stream, reason: CloseReason) => void,
  ) {
    this.#joins = joins;
    this.#subscriptions = subscriptions;
    this.close = close;
    this.#one = new StreamWriter(new OneChannelProtocol(joins), "", this);
  }

  get sendBufferBytesMax(): number {
    return this.#subscriptions.limits.sendBufferBytesMax;
  }

  /** To be given back with `release`. */
  for(channels: readonly string[]): SocketWriter<Stream> {
    if (channels.length === 1) return this.#one;
    const key = JSON.stringify([...channels].sort());
    let writer = this.#many.get(key);
    if (writer === undefined) {
      writer = new StreamWriter(new ManyChannelsProtocol(this.#joins), key, this);
      this.#many.set(key, writer);
    }
    writer.streams++;
    return writer;
  }

  release(writer: SocketWriter<Stream>): void {
    if (writer === this.#one || !(writer instanceof StreamWriter)) return;
    if (--writer.streams === 0) this.#many.delete(writer.key);
  }

  cut(stream: Stream): void {
    if (stream.socket !== undefined) this.#subscriptions.cut(stream.socket);
    stream.exchange.destroy();
    if (stream.socket !== undefined) this.#subscriptions.closed(stream.socket);
  }
}
