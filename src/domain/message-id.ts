/** A place in a broker's one order of messages. Its epoch changes whenever messages may be lost. */
export interface MessageId {
  readonly epoch: string;
  /** From 1 on; 0 is before all. */
  readonly sequence: number;
}

/** `EPOCH-SEQUENCE` */
export function formatMessageId(epoch: string, sequence: number): string {
  return `${epoch}-${sequence}`;
}

/** Undefined for whatever `formatMessageId` does not make. */
export function parseMessageId(text: string): MessageId | undefined {
  const match = /^([0-9a-z]{1,32})-(0|[1-9]\d{0,14})$/.exec(text);
  if (match?.[1] === undefined) return undefined;
  return { epoch: match[1], sequence: Number(match[2]) };
}
