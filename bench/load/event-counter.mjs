// Just enough of server-sent events for a generator: the blocks of an event stream are counted by
// their ends (an empty line), and each is classified by its first line alone.

const LF = 10;
const CR = 13;
const LETTER_D = "d".charCodeAt(0);
const LETTER_I = "i".charCodeAt(0);
const BLOCK_END = Buffer.from("\n\n");
/** More hexadecimal digits than the size of any chunk has. */
const SIZE_DIGITS_MAX = 8;

/** Parts of a chunk (RFC 9112, section 7.1) that the next byte can belong to. */
const IN_SIZE = 0;
const IN_EXTENSION = 1;
const IN_DATA = 2;
const BEHIND_DATA = 3;

/**
 * Counts the messages of an event stream, however its bytes are cut into reads and chunks.
 *
 * A message is a block without an `event` field: `data` is its first field, or `id` and then `data`.
 * Comments, `retry` and named events (`position`, `gap`) are not counted. Lines must end with a line
 * feed alone.
 */
export class EventCounter {
  frames = 0;
  /** Of all messages, their fields and ends included, without what frames the chunks. */
  bytes = 0;
  /** A function that gets the data of each message; while undefined, data are skipped unseen. */
  onText = undefined;
  /** Whether the answer has `transfer-encoding: chunked`; to be set before the first `feed`. */
  isChunked = false;

  #part = IN_SIZE;
  /** Bytes of the current chunk that have not come. */
  #left = 0;
  #sizeDigits = 0;
  /** The beginning of a block whose end has not come. */
  #begun = undefined;

  /** Takes the bytes from `begin` to `end`; returns how many messages ended in them. */
  feed(buffer, end, begin = 0) {
    const before = this.frames;
    if (this.isChunked) this.#chunks(buffer, begin, end);
    else this.#blocks(buffer, begin, end);
    return this.frames - before;
  }

  #chunks(buffer, begin, end) {
    let at = begin;
    while (at < end) {
      if (this.#part === IN_DATA) {
        const take = Math.min(this.#left, end - at);
        this.#blocks(buffer, at, at + take);
        at += take;
        this.#left -= take;
        if (this.#left === 0) this.#part = BEHIND_DATA;
      } else {
        this.#frame(buffer[at++]);
      }
    }
  }

  /** Takes a byte that frames the chunks. */
  #frame(byte) {
    if (this.#part === BEHIND_DATA) {
      if (byte === LF) this.#part = IN_SIZE;
      else if (byte !== CR) throw new Error("a chunk is longer than its size");
    } else if (byte === LF) {
      if (this.#sizeDigits === 0) throw new Error("a chunk without a size");
      if (this.#left === 0) throw new Error("the server ended a stream");
      this.#part = IN_DATA;
      this.#sizeDigits = 0;
    } else if (this.#part === IN_SIZE) {
      const digit = hexDigit(byte);
      if (digit === undefined) this.#part = IN_EXTENSION;
      else if (++this.#sizeDigits > SIZE_DIGITS_MAX)
        throw new Error("the size of a chunk is wrong");
      else this.#left = this.#left * 16 + digit;
    }
  }

  #blocks(buffer, begin, end) {
    let at = this.#begun === undefined ? begin : this.#endBegun(buffer, begin, end);
    while (at < end) {
      // Behind `end` the buffer may hold an earlier read: an end that is found there does not count.
      const found = buffer.indexOf(BLOCK_END, at);
      const next = found + BLOCK_END.length;
      if (found === -1 || next > end) {
        this.#begun = Buffer.from(buffer.subarray(at, end));
        return;
      }
      this.#block(buffer, at, next);
      at = next;
    }
  }

  /** Ends a block that began earlier; returns where the next one begins. */
  #endBegun(buffer, begin, end) {
    const isCutInEnd = this.#begun.at(-1) === LF && buffer[begin] === LF;
    const found = isCutInEnd ? begin - 1 : buffer.indexOf(BLOCK_END, begin);
    const next = found + BLOCK_END.length;
    const isWhole = (isCutInEnd || found !== -1) && next <= end;
    const block = Buffer.concat([this.#begun, buffer.subarray(begin, isWhole ? next : end)]);
    this.#begun = isWhole ? undefined : block;
    if (!isWhole) return end;
    this.#block(block, 0, block.length);
    return next;
  }

  #block(buffer, begin, end) {
    if (!isMessage(buffer, begin)) return;
    this.frames++;
    this.bytes += end - begin;
    this.onText?.(dataOf(buffer.utf8Slice(begin, end)));
  }
}

function isMessage(buffer, begin) {
  if (buffer[begin] === LETTER_I) return buffer[buffer.indexOf(LF, begin) + 1] === LETTER_D;
  return buffer[begin] === LETTER_D;
}

/** The values of all `data` fields. */
function dataOf(block) {
  const lines = block.split("\n").filter((line) => line.startsWith("data:"));
  return lines.map((line) => line.slice(line[5] === " " ? 6 : 5)).join("\n");
}

function hexDigit(byte) {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = (byte | 0x20) - 0x61;
  return letter >= 0 && letter < 6 ? letter + 10 : undefined;
}
