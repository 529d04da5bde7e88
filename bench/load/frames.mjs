// Just enough of WebSocket for a generator: client frames made beforehand, server frames counted
// by their lengths. Nothing here parses JSON while a measurement runs. That is why the generator
// does not use src/cli/phoenix-client.ts: its library copies and hands out each message, which takes
// more CPU time than the server spends on it, so the generator would be what is measured. Joins and
// heartbeats travel on the same sockets.

const MASK = [0x5a, 0x13, 0xc4, 0x7e];

/** A masked text frame, as a client must send it. The mask may be constant: nobody attacks here. */
export function clientFrame(text) {
  const payload = Buffer.from(text);
  if (payload.length > 0xffff) throw new Error("client frame too long for the benchmark");
  const long = payload.length > 125;
  const head = long
    ? [0x81, 0x80 | 126, payload.length >> 8, payload.length & 0xff, ...MASK]
    : [0x81, 0x80 | payload.length, ...MASK];
  for (let i = 0; i < payload.length; i++) payload[i] ^= MASK[i & 3];
  return Buffer.concat([Buffer.from(head), payload]);
}

/** Counts the whole data frames of a server's byte stream, however it is cut into reads. */
export class FrameCounter {
  frames = 0;
  bytes = 0;
  /** A function that gets each text; while undefined, payloads are skipped unseen. */
  onText = undefined;

  #ping;
  #onPing;
  #skip = 0;
  #length = 0;
  #opcode = 0;
  #head = [];
  #kept = [];

  /** A text of `ping` bytes is not counted, but told to `onPing`; there is none unless told. */
  constructor(ping = -1, onPing = () => {}) {
    this.#ping = ping;
    this.#onPing = onPing;
  }

  /** Takes `end` bytes; returns how many data frames ended in them. */
  feed(buffer, end, begin = 0) {
    const before = this.frames;
    let at = begin;
    while (at < end) {
      if (this.#skip > 0) {
        const take = Math.min(this.#skip, end - at);
        if (this.onText) this.#kept.push(Buffer.from(buffer.subarray(at, at + take)));
        this.#skip -= take;
        at += take;
        if (this.#skip === 0) this.#ended();
        continue;
      }
      // The whole header lies in this read nearly always; the other path is for when it does not.
      if (this.#head.length === 0 && end - at >= 4 && (buffer[at + 1] & 0x7f) < 127) {
        const short = buffer[at + 1];
        if (short < 126) {
          this.#begun(buffer[at], short);
          at += 2;
        } else {
          this.#begun(buffer[at], (buffer[at + 2] << 8) | buffer[at + 3]);
          at += 4;
        }
      } else {
        this.#head.push(buffer[at++]);
        this.#tryHead();
      }
    }
    return this.frames - before;
  }

  #tryHead() {
    const head = this.#head;
    if (head.length < 2) return;
    const size = head[1] === 127 ? 10 : head[1] === 126 ? 4 : 2;
    if (head.length < size) return;
    let length = head[1];
    if (size > 2) length = head.slice(2).reduce((sum, byte) => sum * 256 + byte, 0);
    this.#head = [];
    this.#begun(head[0], length);
  }

  #begun(first, length) {
    if ((first & 0xf0) !== 0x80) throw new Error("a fragmented or compressed frame, not asked for");
    this.#opcode = first & 0x0f;
    this.#skip = length;
    this.#length = length;
    if (length === 0) this.#ended();
  }

  #ended() {
    const text = this.onText && Buffer.concat(this.#kept).toString();
    this.#kept = [];
    if (this.#opcode === 8) throw new Error("the server closed a socket");
    if (this.#opcode !== 1) return;
    if (this.#length === this.#ping) return this.#onPing();
    this.bytes += this.#length;
    this.frames++;
    this.onText?.(text);
  }
}
