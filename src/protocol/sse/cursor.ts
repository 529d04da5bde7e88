import { parseMessageId } from "../../domain/message-id.js";

/**
 * The longest cursor that is sent, in characters: it comes back in a request's field, next to others
 * that servers and proxies allow 4 to 8 kB together.
 */
const CURSOR_LENGTH_MAX = 2_048;

/**
 * Where a stream stands on each of its channels, as one text: `TAG-ID` for each channel, joined by
 * dots. The tag stands for the channel's name. `TAG--SEQUENCE` has the epoch of the entry before it.
 *
 * The cursor is bounded. If it cannot name all channels, it names those whose entries come first; a
 * stream that resumes from it is told of a gap in the others.
 *
 * @param entries tags and ids, the most important first.
 */
export function formatCursor(entries: Iterable<readonly [tag: string, id: string]>): string {
  let cursor = "";
  let lastEpoch = "";
  for (const [tag, id] of entries) {
    const end = id.lastIndexOf("-");
    const epoch = id.slice(0, end);
    const entry = epoch === lastEpoch ? `${tag}-${id.slice(end)}` : `${tag}-${id}`;
    if (cursor.length + 1 + entry.length > CURSOR_LENGTH_MAX) break;
    cursor += cursor === "" ? entry : `.${entry}`;
    lastEpoch = epoch;
  }
  return cursor;
}

/** What a client's cursor says about channels. */
export class Cursor {
  readonly #ids = new Map<string, string>();
  /** A single message's id: it stands for the only channel of a stream. */
  readonly #plain: string | undefined;

  /** @param text whatever the client sent. */
  constructor(text: string) {
    this.#plain = parseMessageId(text) === undefined ? undefined : text;
    if (this.#plain !== undefined || text.length > CURSOR_LENGTH_MAX) return;
    let epoch = "";
    for (const entry of text.split(".")) {
      const [, tag, own, sequence] = /^([0-9a-z]+)-(.*)-(\d+)$/.exec(entry) ?? [];
      if (tag === undefined || sequence === undefined) continue;
      epoch = own || epoch;
      this.#ids.set(tag, `${epoch}-${sequence}`);
    }
  }

  /**
   * The id from which a channel goes on; undefined if the cursor does not name it.
   *
   * @param isOnly the stream has no other channel
   */
  idOf(channel: string, isOnly: boolean): string | undefined {
    return this.#plain === undefined
      ? this.#ids.get(tagOf(channel))
      : isOnly
        ? this.#plain
        : undefined;
  }
}

/**
 * A short text that stands for a channel's name in a cursor: 53 bits of a hash. Two names of one
 * client with the same tag would only mislead that client.
 */
export function tagOf(channel: string): string {
  let low = 0x811c9dc5;
  let high = 0x01000193;
  for (let at = 0; at < channel.length; at++) {
    const unit = channel.charCodeAt(at);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high + unit, 0x5bd1e995);
    high ^= high >>> 15;
  }
  high ^= Math.imul(low ^ (low >>> 16), 0x27d4eb2f);
  return ((high & 0x1fffff) * 0x1_0000_0000 + (low >>> 0)).toString(36);
}
