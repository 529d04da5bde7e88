import type { ConnectAttempt } from "../../application/subscriptions/connects.js";
import type { AcceptedJoin, Socket, Subscription } from "../../application/subscriptions/socket.js";
import type { Headers } from "../../domain/auth-policy.js";

/** How long a slow client may take for the last event, in milliseconds. */
export const GOODBYE_MS = 5_000;

/** The head of a request for a stream. */
export interface StreamHead {
  readonly method: string;
  /** Of the URL, without "?". */
  readonly query: string;
  readonly headers: Headers;
}

/** The response to it, as a transport holds it. */
export interface StreamExchange {
  /** The client's, while the request is not answered. */
  readonly remoteAddress: string | undefined;

  /** Answers with a whole response; `body` is JSON, or undefined for a response without a body. */
  answer(status: number, fields: StreamFields, body: string | undefined): void;

  /** Answers with the head of a stream. */
  start(fields: StreamFields): void;

  /** @param bytes the length of `text` in UTF-8. */
  write(text: string, bytes: number): void;

  /** Bytes that were written and that the client has not taken yet, also those that wait for `flush`. */
  readonly bufferedBytes: number;

  /** Sends what this turn of the event loop has gathered; it is called at the end of the turn anyway. */
  flush(): void;

  /** Writes the last text and ends the stream; cuts it if the client does not take it in time. */
  end(text: string): void;

  /** Cuts the connection. */
  destroy(): void;
}

/** Header fields, names in lower case. */
export type StreamFields = Readonly<Record<string, string>>;

/** One stream, from its request to its end. */
export class Stream {
  /** Set when the policy has let the client in. */
  socket: Socket<Stream> | undefined = undefined;
  state: "opening" | "open" | "ended" = "opening";
  /** Sweeps since something was written; see `EventStreams`. */
  quietFor = 0;
  /** While it is being opened, or resumed. */
  opening: Opening | undefined = undefined;

  constructor(readonly exchange: StreamExchange) {}

  /** @param bytes the length of `text` in UTF-8. */
  write(text: string, bytes: number): void {
    this.quietFor = 0;
    this.exchange.write(text, bytes);
  }
}

export interface Opening {
  /** While the connect is undecided. */
  attempt: ConnectAttempt | undefined;
  readonly isHead: boolean;
  /** For the page's origin. */
  readonly fields: StreamFields;
  /** As the client asked for them. */
  readonly channels: readonly string[];
  /** Joins that are not decided. */
  undecided: number;
  readonly joined: { readonly subscription: Subscription; readonly accepted: AcceptedJoin }[];
  readonly denied: { readonly channel: string; readonly reason: string }[];
  /** Why the stream cannot be served now, but may be later. */
  unavailable: string | undefined;
  /** The id that was last sent of each channel, the newest last. */
  readonly positions: Map<string, string>;
}
