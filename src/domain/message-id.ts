/**
 * A message's position in its channel's history. The channel's epoch changes whenever the broker
 * can no longer tell which of the channel's messages it has lost.
 */
export interface MessageId {
  readonly epoch: string;
  /** Counts the messages of the channel in this epoch, from 1. 0 precedes all of them. */
  readonly sequence: number;
}

/** `EPOCH-SEQUENCE` */
export function formatMessageId(epoch: string, sequence: number): string {
  return `${epoch}-${sequence}`;
}

/** Undefined for any text that `formatMessageId` does not produce. */
export function parseMessageId(text: string): MessageId | undefined {
  const match = /^([0-9a-z]{1,32})-(0|[1-9]\d{0,14})$/.exec(text);
  if (match?.[1] === undefined) return undefined;
  return { epoch: match[1], sequence: Number(match[2]) };
}
