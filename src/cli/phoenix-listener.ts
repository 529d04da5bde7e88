import { Json } from "../domain/json.js";
import { type ConnectionEnd, PhoenixConnection } from "./phoenix-connection.js";
import type { Received } from "./phoenix-frames.js";
import { printable } from "./terminal.js";
import { CommandError } from "./usage-error.js";

/** The server closes a socket after 45 s of silence. As often as Phoenix's own clients. */
const HEARTBEAT_MS = 30_000;

export interface ListenerOptions {
  /** `ws://host:port/push_socket/websocket?vsn=2.0.0` */
  readonly url: string;
  readonly token: string | undefined;
  readonly channels: readonly string[];
  readonly onMessage: (message: Received) => void;
  /** Called with one line about the connection, safe for a terminal. */
  readonly onNotice: (line: string) => void;
  /** @defaultValue 30000 */
  readonly heartbeatMs?: number;
  /** @param tries 0 for the first try after a working connection. @returns milliseconds */
  readonly backoff?: (tries: number) => number;
}

/** Listens to channels, and reconnects unless the server refuses for good. */
export class PhoenixListener {
  readonly #options: ListenerOptions;
  readonly #over: Promise<void>;
  #settle: (error: CommandError | undefined) => void = () => {};
  #isOver = false;
  #connection: PhoenixConnection | undefined;
  #wasOpen = false;
  #tries = 0;
  #retry: NodeJS.Timeout | undefined;
  /** The newest id of each channel that keeps history, to resume from. */
  readonly #lastIds = new Map<string, Json>();

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#over = new Promise((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error));
    });
  }

  /**
   * Resolves once stopped.
   *
   * @throws {CommandError} if the first connect fails, or the server refuses for good.
   */
  run(): Promise<void> {
    this.#connect();
    return this.#over;
  }

  /** Closes the connection. @param error `run` rejects with it, if given */
  stop(error?: CommandError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#retry);
    this.#connection?.close();
    this.#settle(error);
  }

  #connect(): void {
    const { url, token, channels, heartbeatMs = HEARTBEAT_MS } = this.#options;
    this.#connection = new PhoenixConnection({
      url,
      token,
      heartbeatMs,
      joins: new Map(channels.map((channel) => [channel, this.#joinOf(channel)])),
      onJoined: (channel, response) => this.#onJoined(channel, response),
      onMessage: (message) => {
        if (message.id !== undefined) this.#lastIds.set(message.channel, message.id);
        this.#options.onMessage(message);
      },
      onEnd: (end) => this.#onEnd(end),
    });
  }

  #joinOf(channel: string): Json {
    const id = this.#lastIds.get(channel);
    return id === undefined ? Json.emptyObject : Json.parse(`{"last_event_id":${id.text}}`);
  }

  #onJoined(channel: string, response: Json): void {
    this.#wasOpen = true;
    this.#tries = 0;
    const name = printable(channel);
    this.#options.onNotice(`joined ${name}`);
    const answer = Json.members(response.text, ["id", "recovered"]);
    const isRecovered = answer?.get("recovered")?.text === "true";
    if (this.#lastIds.has(channel) && !isRecovered) {
      this.#options.onNotice(`${name}: some messages were missed`);
    }
    // The missed messages that follow have their own ids.
    const id = answer?.get("id");
    if (id !== undefined && !isRecovered) this.#lastIds.set(channel, id);
  }

  #onEnd({ why, wasOpen, isFinal, retryMs }: ConnectionEnd): void {
    const { url, backoff = defaultBackoff, onNotice } = this.#options;
    if (isFinal || !this.#wasOpen) {
      const what = wasOpen ? "" : `cannot connect to ${new URL(url).host}: `;
      this.stop(new CommandError(`${what}${why}`));
      return;
    }
    const delay = retryMs ?? backoff(this.#tries++);
    const seconds = (delay / 1000).toFixed(1);
    onNotice(`connection lost (${why}); connecting again in ${seconds} s`);
    this.#retry = setTimeout(() => this.#connect(), delay);
  }
}

/** Doubles from 0.2 s up to 10 s; half of it is random, so that many clients spread. */
function defaultBackoff(tries: number): number {
  const most = Math.min(10_000, 200 * 2 ** tries);
  return most / 2 + (Math.random() * most) / 2;
}
