export class FrameCounter {
  constructor(ping?: number, onPing?: () => void);
  frames: number;
  bytes: number;
  onText: ((text: string) => void) | undefined;
  /** Takes `end` bytes; returns how many data frames ended in them. */
  feed(buffer: Uint8Array, end: number, begin?: number): number;
}
