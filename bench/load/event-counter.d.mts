/** Has the members of a FrameCounter; a frame is a message of an event stream. */
export class EventCounter {
  frames: number;
  bytes: number;
  onText: ((text: string) => void) | undefined;
  /** Whether the answer has `transfer-encoding: chunked`; to be set before the first `feed`. */
  isChunked: boolean;
  /** Takes the bytes from `begin` to `end`; returns how many messages ended in them. */
  feed(buffer: Buffer, end: number, begin?: number): number;
}
