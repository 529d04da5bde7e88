/** The parts of uWebSockets.js's request and response that HTTP needs, without importing it. */
export interface RawRequest {
  getCaseSensitiveMethod(): string;
  getUrl(): string;
  getQuery(): string | undefined;
  forEach(each: (name: string, value: string) => unknown): void;
}

export interface RawResponse {
  cork(write: () => void): unknown;
  writeStatus(status: string): unknown;
  writeHeader(name: string, value: string | Uint8Array): unknown;
  write(chunk: string | Uint8Array): boolean;
  tryEnd(chunk: string | Uint8Array, totalBytes: number): [boolean, boolean];
  end(body?: string | Uint8Array, closeConnection?: boolean): unknown;
  endWithoutBody(reportedContentLength?: number, closeConnection?: boolean): unknown;
  getWriteOffset(): number;
  onWritable(handler: (offset: number) => boolean): unknown;
  onAborted(handler: () => void): unknown;
  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): unknown;
  pause(): unknown;
  resume(): unknown;
  close(): unknown;
  getRemoteAddressAsText(): ArrayBuffer;
}

/** Most bytes of an unread body that are taken and dropped so that the client reads its answer. */
export const LINGER_BYTES_MAX = 1_048_576;
/** Longest time for that, in milliseconds. */
export const LINGER_MS_MAX = 5_000;
