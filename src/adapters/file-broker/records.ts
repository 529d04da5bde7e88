import { createHash } from "node:crypto";

/** Longest name, in UTF-8 bytes, that is a key as it is; a longer one goes by its hash. */
const PLAIN_BYTES_MAX = 500;
const PLAIN = 0;
const HASHED = 1;

/** The key that a text of any length and any characters has in a table; never that of another text. */
export function textKey(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length <= PLAIN_BYTES_MAX) return Buffer.concat([Buffer.of(PLAIN), bytes]);
  return Buffer.concat([Buffer.of(HASHED), createHash("sha256").update(bytes).digest()]);
}

/** What is kept of a channel beside its messages. */
export interface ChannelRecord {
  /** The sequence that came with its first message: no other channel has or gets it. */
  readonly id: number;
  /** The sequence of its newest message that is gone; 0 while none is. */
  trimmedTo: number;
  /** The sequence of its newest message. */
  newest: number;
  /** How many messages are stored, up to `newest`. */
  count: number;
}

export function encodeChannel({ id, trimmedTo, newest, count }: ChannelRecord): Buffer {
  return numbers(id, trimmedTo, newest, count);
}

export function decodeChannel(record: Buffer): ChannelRecord {
  return {
    id: record.readDoubleBE(0),
    trimmedTo: record.readDoubleBE(8),
    newest: record.readDoubleBE(16),
    count: record.readDoubleBE(24),
  };
}

const MESSAGE_HEAD = 12;

export interface StoredMessage {
  /** Milliseconds. */
  readonly acceptedAt: number;
  readonly event: string;
  /** JSON text. */
  readonly data: string;
}

/** When it was accepted (8 bytes), how long the event's name is (4), the name, the data. */
export function encodeMessage({ acceptedAt, event, data }: StoredMessage): Buffer {
  const eventBytes = Buffer.byteLength(event);
  const record = Buffer.allocUnsafe(MESSAGE_HEAD + eventBytes + Buffer.byteLength(data));
  record.writeDoubleBE(acceptedAt, 0);
  record.writeUInt32BE(eventBytes, 8);
  record.write(event, MESSAGE_HEAD);
  record.write(data, MESSAGE_HEAD + eventBytes);
  return record;
}

export function decodeMessage(record: Buffer): StoredMessage {
  const dataAt = MESSAGE_HEAD + record.readUInt32BE(8);
  return {
    acceptedAt: acceptedAt(record),
    event: record.toString("utf8", MESSAGE_HEAD, dataAt),
    data: record.toString("utf8", dataAt),
  };
}

export function acceptedAt(record: Buffer): number {
  return record.readDoubleBE(0);
}

/** A key that was used, and for what. */
export interface ClaimRecord {
  readonly fingerprint: string;
  readonly pushId: string;
  /** Milliseconds; from then on it does not count. */
  readonly endsAt: number;
}

export function encodeClaim({ endsAt, fingerprint, pushId }: ClaimRecord): Buffer {
  return Buffer.from(JSON.stringify([endsAt, fingerprint, pushId]));
}

export function decodeClaim(record: Buffer): ClaimRecord {
  const [endsAt, fingerprint, pushId] = JSON.parse(record.toString()) as [number, string, string];
  return { endsAt, fingerprint, pushId };
}

/** Where a claim stands in the order of their ends. */
export function claimEndKey(endsAt: number, claimKey: Buffer): Buffer {
  return Buffer.concat([numbers(endsAt), claimKey]);
}

export function readClaimEnd(key: Buffer): { endsAt: number; claimKey: Buffer } {
  return { endsAt: key.readDoubleBE(0), claimKey: key.subarray(8) };
}

/** Where the broker as a whole stands. */
export interface BrokerState {
  readonly epoch: string;
  /** The last that was given to a message. */
  readonly sequence: number;
  /** The newest message of all channels of which no record is left. */
  readonly forgottenTo: number;
  /** Whether messages were delivered that were not kept since this was last false. */
  readonly unkept: boolean;
}

/** As big-endian doubles, which sort as the numbers do from 0 on. */
function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(values.length * 8);
  for (const [at, value] of values.entries()) bytes.writeDoubleBE(value, at * 8);
  return bytes;
}
