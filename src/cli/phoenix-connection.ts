import type { IncomingMessage } from "node:http";
import { Json } from "../domain/json.js";
import { PhoenixClient } from "./phoenix-client.js";
import { type Received, readMessage, readReply, type ServerFrame } from "./phoenix-frames.js";
import { networkFault, printable } from "./terminal.js";

/** Maximum time for a handshake, and for the answers to the joins. */
const ANSWER_TIMEOUT_MS = 10_000;
/** Maximum time for the server to answer a close frame. */
const CLOSE_TIMEOUT_MS = 500;
/** Maximum size of the body of a refused handshake, in characters. */
const REFUSAL_MAX = 4096;

const CLOSE_NORMAL = 1000;
const CLOSE_DRAIN = 1012;
/** Maximum delay before a reconnect that a server may ask for, in milliseconds. */
const RETRY_MS_MAX = 600_000;
/** A reconnect would fail in the same way: the policy refuses, or our own frame is too big. */
const FINAL_CLOSES: ReadonlySet<number> = new Set([1008, 1009]);

export interface ConnectionOptions {
  /** `ws://host:port/push_socket/websocket?vsn=2.0.0` */
  readonly url: string;
  /** Sent as a subprotocol, as phoenix.js 1.8 sends its `authToken`. */
  readonly token: string | undefined;
  readonly heartbeatMs: number;
  /** Each channel to join, with the join's payload. */
  readonly joins: ReadonlyMap<string, Json>;
  readonly onJoined: (channel: string, response: Json) => void;
  readonly onMessage: (message: Received) => void;
  /**
   * Called first with the bytes of each text frame, as unchecked UTF-8.
   *
   * @returns true if it has handled the frame, which is then not parsed.
   */
  readonly take?: (bytes: Buffer) => boolean;
  /** Called once at the end, even if the connection was never open; not after `close`. */
  readonly onEnd: (end: ConnectionEnd) => void;
}

export interface ConnectionEnd {
  /** Text that is safe for a terminal. */
  readonly why: string;
  readonly wasOpen: boolean;
  /** Whether a reconnect would end in the same way. */
  readonly isFinal: boolean;
  /** Milliseconds after which a draining server wants the client to reconnect. */
  readonly retryMs?: number | undefined;
}

/** One connection that joins its channels at once and stays until it ends. */
export class PhoenixConnection {
  readonly #options: ConnectionOptions;
  readonly #client: PhoenixClient;
  #wasOpen = false;
  #isOver = false;
  /** Reference → channel of the joins without an answer. */
  readonly #joins = new Map<string, string>();
  #joinTimer: NodeJS.Timeout | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #closeTimer: NodeJS.Timeout | undefined;
  /** The reference of the heartbeat without an answer. */
  #unanswered: string | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { url, token, take } = options;
    this.#client = new PhoenixClient({
      url,
      token,
      handshakeTimeoutMs: ANSWER_TIMEOUT_MS,
      onOpen: () => this.#onOpen(),
      take: take && ((bytes) => this.#isOver || take(bytes)),
      onFrame: (frame) => this.#onFrame(frame),
      onError: (error) => this.#end(networkFault(error), false),
      // Without this, only an error's message would have the status, and the reason would be lost.
      onRefused: (response) => {
        void readRefusal(response).then((reason) => {
          this.#end(`refused with ${response.statusCode}${reason}`, response.statusCode === 403);
        });
      },
      onClose: (code, reason) => {
        const retryMs = code === CLOSE_DRAIN ? retryOf(reason) : undefined;
        const hasReason = reason !== "" && retryMs === undefined;
        const suffix = hasReason ? `: ${printable(reason)}` : "";
        const why = code === 1006 ? "no close frame" : `closed with ${code}${suffix}`;
        clearTimeout(this.#closeTimer);
        this.#end(why, FINAL_CLOSES.has(code), retryMs);
      },
    });
  }

  /** Closes the connection. No callback is called afterwards. */
  close(): void {
    this.#settle();
    if (!this.#client.isOpen) {
      this.#client.terminate();
      return;
    }
    this.#client.close(CLOSE_NORMAL);
    this.#closeTimer = setTimeout(() => this.#client.terminate(), CLOSE_TIMEOUT_MS);
  }

  #settle(): void {
    this.#isOver = true;
    clearInterval(this.#heartbeat);
    clearTimeout(this.#joinTimer);
  }

  #end(why: string, isFinal: boolean, retryMs?: number): void {
    if (this.#isOver) return;
    this.#settle();
    this.#client.terminate();
    this.#options.onEnd({ why, isFinal, wasOpen: this.#wasOpen, retryMs });
  }

  #onOpen(): void {
    if (this.#isOver) return;
    this.#wasOpen = true;
    for (const [channel, payload] of this.#options.joins) {
      this.#joins.set(this.#client.join(channel, payload), channel);
    }
    this.#joinTimer = setTimeout(() => this.#end("no answer to a join", false), ANSWER_TIMEOUT_MS);
    this.#heartbeat = setInterval(() => this.#beat(), this.#options.heartbeatMs);
  }

  #beat(): void {
    if (this.#unanswered !== undefined) {
      this.#end("no answer to a heartbeat", false);
      return;
    }
    this.#unanswered = this.#client.heartbeat();
  }

  #onFrame(frame: ServerFrame | undefined): void {
    if (this.#isOver) return;
    if (frame === undefined) {
      this.#end("the server sent an invalid Phoenix Channels frame", true);
    } else if (frame.event === "phx_reply") {
      this.#onReply(frame);
    } else if (this.#options.joins.has(frame.topic)) {
      this.#onEvent(frame);
    }
  }

  #onEvent(frame: ServerFrame): void {
    const message = frame.event === "msg" ? readMessage(frame) : undefined;
    if (message !== undefined) this.#options.onMessage(message);
    // As in phoenix.js: a failed channel is joined again, a closed one is not.
    const name = printable(frame.topic);
    if (frame.event === "phx_error") this.#end(`${name} failed`, false);
    if (frame.event === "phx_close") this.#end(`the server closed ${name}`, true);
  }

  #onReply(frame: ServerFrame): void {
    const { ref } = frame;
    if (ref === null) return;
    if (ref === this.#unanswered) this.#unanswered = undefined;
    const channel = this.#joins.get(ref);
    if (channel === undefined) return;
    this.#joins.delete(ref);
    if (this.#joins.size === 0) clearTimeout(this.#joinTimer);
    const { isOk, reason, response } = readReply(frame);
    if (isOk) this.#options.onJoined(channel, response);
    else this.#end(`cannot join ${printable(channel)}: ${printable(reason)}`, true);
  }
}

/** @returns ": " and the error in the body; "" if there is none. */
async function readRefusal(response: IncomingMessage): Promise<string> {
  try {
    response.setEncoding("utf8");
    let body = "";
    for await (const chunk of response) {
      body += chunk;
      if (body.length > REFUSAL_MAX) return "";
    }
    const error = Json.members(body, ["error"])?.get("error")?.value();
    return typeof error === "string" ? `: ${printable(error)}` : "";
  } catch {
    // The status is enough.
    return "";
  }
}

/** The milliseconds in a close reason such as "retry in 1234". */
function retryOf(reason: string): number | undefined {
  const digits = /^retry in (\d{1,9})$/.exec(reason)?.[1];
  return digits === undefined ? undefined : Math.min(Number(digits), RETRY_MS_MAX);
}
