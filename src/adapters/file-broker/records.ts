import { createHash } from "node:crypto";

/** Longest name, in UTF-8 bytes, that is used as a key itself; a longer one is hashed. */
const PLAIN_BYTES_MAX = 500;
const PLAIN = 0;
const HASHED = 1;

/** The key of a text in a table, whatever its length and characters. No two texts share a key. */
export function textKey(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length <= PLAIN_BYTES_MAX) return Buffer.concat([Buffer.of(PLAIN), bytes]);
  return Buffer.concat([Buffer.of(HASHED), createHash("sha256").update(bytes).digest()]);
}

/** Where a channel stands. Its messages from `trimmedTo + 1` to `newest` are stored. */
export interface ChannelRecord {
  /** Names the channel in the other tables; no other channel ever has the same. */
  readonly id: number;
  readonly epoch: string;
  /** The sequence of its newest message that is gone; 0 if none is. */
  readonly trimmedTo: number;
  /** The sequence of its newest message. */
  readonly newest: number;
  /** Since when it has no message, in milliseconds; undefined while it has one. */
  readonly emptySince: number | undefined;
}

const EPOCH_AT = 32;

/** Four numbers of 8 bytes each, then the epoch. */
export function encodeChannel(record: ChannelRecord): Buffer {
  const { id, epoch, trimmedTo, newest, emptySince = -1 } = record;
  return Buffer.concat([numbers(id, trimmedTo, newest, emptySince), Buffer.from(epoch)]);
}

export function decodeChannel(record: Buffer): ChannelRecord {
  const emptySince = record.readDoubleBE(24);
  return {
    id: record.readDoubleBE(0),
    epoch: record.toString("latin1", EPOCH_AT),
    trimmedTo: record.readDoubleBE(8),
    newest: record.readDoubleBE(16),
    emptySince: emptySince < 0 ? undefined : emptySince,
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

/** When it was accepted (8 bytes), the length of the event's name (4), the name, the data. */
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

/** A used key, and the push it was used for. */
export interface ClaimRecord {
  readonly fingerprint: string;
  readonly pushId: string;
  /** Milliseconds; the key is free from then on. */
  readonly endsAt: number;
}

export function encodeClaim({ endsAt, fingerprint, pushId }: ClaimRecord): Buffer {
  return Buffer.from(JSON.stringify([endsAt, fingerprint, pushId]));
}

export function decodeClaim(record: Buffer): ClaimRecord {
  const [endsAt, fingerprint, pushId] = JSON.parse(record.toString()) as [number, string, string];
  return { endsAt, fingerprint, pushId };
}

/** The key that sorts claims by their ends. */
export function claimEndKey(endsAt: number, claimKey: Buffer): Buffer {
  return Buffer.concat([numbers(endsAt), claimKey]);
}

export function readClaimEnd(key: Buffer): { endsAt: number; claimKey: Buffer } {
  return { endsAt: key.readDoubleBE(0), claimKey: key.subarray(8) };
}

/** The state of the whole broker. */
export interface BrokerState {
  /** The epoch of channels without a record. No channel that lost its record ever had it. */
  readonly epoch: string;
  /** The last id that was given to a channel. */
  readonly lastChannelId: number;
  /** Whether messages of channels without history were delivered since the start. */
  readonly unkept: boolean;
}

/** As big-endian doubles, which sort like the numbers from 0 on. */
function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(values.length * 8);
  for (const [at, value] of values.entries()) bytes.writeDoubleBE(value, at * 8);
  return bytes;
}
