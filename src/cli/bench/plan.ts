/** One run of `hexpush bench`; all numbers are within their limits. */
export interface BenchPlan {
  /** `http://host:port` and an optional path, without a slash at its end. */
  readonly url: string;
  /** `ws://host:port/push_socket/websocket?vsn=2.0.0` and the parameters of the connect. */
  readonly socketUrl: string;
  /** The header fields of a push. */
  readonly headers: Readonly<Record<string, string>>;
  readonly token: string | undefined;
  /** One socket each, spread evenly over the channels. */
  readonly subscribers: number;
  readonly channels: readonly string[];
  /** The run ends after this many pushes, or after `seconds`, whichever comes first. */
  readonly pushes: number;
  readonly seconds: number;
  /** Pushes per second; if undefined, each is sent as soon as there is room in the window. */
  readonly rate: number | undefined;
  /** Size of the window: maximum number of pushes not answered or not fully delivered. */
  readonly inFlight: number;
  /** Size of the JSON in each push. */
  readonly dataBytes: number;
  /** How long a run waits without any progress, in milliseconds. */
  readonly patienceMs: number;
}

/** All sequence numbers have 8 digits, so that each message has the same length. */
export const FIRST_SEQUENCE = 10_000_000;
export const SEQUENCE_DIGITS = 8;

export const EVENT = "bench";

/** The text before the sequence number in a push's data. */
export const DATA_HEAD = '{"n":';
const PAD_HEAD = ',"pad":"';
const DATA_TAIL = '"}';

/** Minimum size of data with a sequence number. */
export const DATA_BYTES_MIN =
  DATA_HEAD.length + SEQUENCE_DIGITS + PAD_HEAD.length + DATA_TAIL.length;

/** The text after the sequence number, for data of `bytes` bytes. */
export function dataTail(bytes: number): string {
  return `${PAD_HEAD}${"x".repeat(bytes - DATA_BYTES_MIN)}${DATA_TAIL}`;
}
