/** What one run of `hexpush bench` does; every number lies within its limits. */
export interface BenchPlan {
  /** `http://host:port`, perhaps with a path, without a slash at its end. */
  readonly url: string;
  /** `ws://host:port/push_socket/websocket?vsn=2.0.0` and the parameters of the connect. */
  readonly socketUrl: string;
  /** The header fields of a push. */
  readonly headers: Readonly<Record<string, string>>;
  readonly token: string | undefined;
  /** One socket each, spread evenly over the channels. */
  readonly subscribers: number;
  readonly channels: readonly string[];
  /** The run ends after so many, or after `seconds`, whichever comes first. */
  readonly pushes: number;
  readonly seconds: number;
  /** Pushes a second; undefined where each goes out as soon as there is room in the window. */
  readonly rate: number | undefined;
  /** Pushes that are not answered yet, or have not arrived at everybody. */
  readonly inFlight: number;
  /** Of the JSON that each push carries. */
  readonly dataBytes: number;
  /** How long a run waits while nothing at all comes, in milliseconds. */
  readonly patienceMs: number;
}

/** All sequence numbers have 8 digits, so that each message has the same length. */
export const FIRST_SEQUENCE = 10_000_000;
export const SEQUENCE_DIGITS = 8;

export const EVENT = "bench";

/** What stands before the sequence number in a push's data. */
export const DATA_HEAD = '{"n":';
const PAD_HEAD = ',"pad":"';
const DATA_TAIL = '"}';

/** The shortest data that carries a sequence number. */
export const DATA_BYTES_MIN =
  DATA_HEAD.length + SEQUENCE_DIGITS + PAD_HEAD.length + DATA_TAIL.length;

/** What stands behind the sequence number in data of so many bytes. */
export function dataTail(bytes: number): string {
  return `${PAD_HEAD}${"x".repeat(bytes - DATA_BYTES_MIN)}${DATA_TAIL}`;
}
