import type { IncomingMessage } from "node:http";
import { Json } from "../domain/json.js";
import { PhoenixClient } from "./phoenix-client.js";
import { type Received, readMessage, readReply, type ServerFrame } from "./phoenix-frames.js";
import { networkFault, printable } from "./terminal.js";

/** How long a handshake may take, and the answers to the joins. */
const PATIENCE_MS = 10_000;
/** How long the goodbye may take. */
const GOODBYE_MS = 500;
/** Of a refused handshake's body, in characters. */
const REFUSAL_MAX = 4096;

const CLOSE_ASKED_FOR = 1000;
const CLOSE_DRAIN = 1012;
/** No server's wish keeps us away for longer, in milliseconds. */
const RETRY_MS_MAX = 600_000;
/** To come back would change nothing: the policy refuses, or our own frame is too big. */
const FINAL_CLOSES: ReadonlySet<number> = new Set([1008, 1009]);

export interface ConnectionOptions {
  /** `ws://host:port/push_socket/websocket?vsn=2.0.0` */
  readonly url: string;
  /** Travels beside the URL, as phoenix.js 1.8 sends its `authToken`. */
  readonly token: string | undefined;
  readonly heartbeatMs: number;
  /** Each channel to join, with the join's payload. */
  readonly joins: ReadonlyMap<string, Json>;
  readonly onJoined: (channel: string, response: Json) => void;
  readonly onMessage: (message: Received) => void;
  /**
   * Sees the bytes of each text frame first, unchecked UTF-8.
   *
   * @returns true where it has dealt with the frame: then nothing is parsed.
   */
  readonly take?: (bytes: Buffer) => boolean;
  /** Once, at the end, also where it was never open; not after `close`. */
  readonly onEnd: (end: ConnectionEnd) => void;
}

export interface ConnectionEnd {
  /** In words that are fit for a terminal. */
  readonly why: string;
  readonly wasOpen: boolean;
  /** Whether another try would end in the same way. */
  readonly isFinal: boolean;
  /** The milliseconds after which a server that drains wants its client back. */
  readonly retryMs?: number | undefined;
}

/** One connection that joins its channels at once and stays until it ends. */
export class PhoenixConnection {
  readonly #options: ConnectionOptions;
  readonly #client: PhoenixClient;
  #wasOpen = false;
  #isOver = false;
  /** Reference → channel, of the joins that are not answered yet. */
  readonly #joins = new Map<string, string>();
  #joinsDue: NodeJS.Timeout | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #goodbye: NodeJS.Timeout | undefined;
  /** The reference of the heartbeat that is not answered yet. */
  #unanswered: string | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { url, token, take } = options;
    this.#client = new PhoenixClient({
      url,
      token,
      handshakeTimeoutMs: PATIENCE_MS,
      onOpen: () => this.#onOpen(),
      take: take && ((bytes) => this.#isOver || take(bytes)),
      onFrame: (frame) => this.#onFrame(frame),
      onError: (error) => this.#end(networkFault(error), false),
      // Without this the status would be in an error's message only, and the reason nowhere.
      onRefused: (response) => {
        void readRefusal(response).then((reason) => {
          this.#end(`refused with ${response.statusCode}${reason}`, response.statusCode === 403);
        });
      },
      onClose: (code, reason) => {
        const retryMs = code === CLOSE_DRAIN ? retryOf(reason) : undefined;
        const isSaid = reason !== "" && retryMs === undefined;
        const because = isSaid ? `: ${printable(reason)}` : "";
        const why = code === 1006 ? "it was cut" : `closed with ${code}${because}`;
        clearTimeout(this.#goodbye);
        this.#end(why, FINAL_CLOSES.has(code), retryMs);
      },
    });
  }

  /** Says goodbye; nothing is reported any more. */
  close(): void {
    this.#settle();
    if (!this.#client.isOpen) {
      this.#client.terminate();
      return;
    }
    this.#client.close(CLOSE_ASKED_FOR);
    this.#goodbye = setTimeout(() => this.#client.terminate(), GOODBYE_MS);
  }

  #settle(): void {
    this.#isOver = true;
    clearInterval(this.#heartbeat);
    clearTimeout(this.#joinsDue);
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
    this.#joinsDue = setTimeout(() => this.#end("no answer to a join", false), PATIENCE_MS);
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
      this.#end("the server sends what is no frame of Phoenix Channels", true);
    } else if (frame.event === "phx_reply") {
      this.#onReply(frame);
    } else if (this.#options.joins.has(frame.topic)) {
      this.#onEvent(frame);
    }
  }

  #onEvent(frame: ServerFrame): void {
    const message = frame.event === "msg" ? readMessage(frame) : undefined;
    if (message !== undefined) this.#options.onMessage(message);
    // As phoenix.js takes them: a channel that failed is joined again, one that was closed is not.
    const name = printable(frame.topic);
    if (frame.event === "phx_error") this.#end(`${name} has failed`, false);
    if (frame.event === "phx_close") this.#end(`the server has closed ${name}`, true);
  }

  #onReply(frame: ServerFrame): void {
    const { ref } = frame;
    if (ref === null) return;
    if (ref === this.#unanswered) this.#unanswered = undefined;
    const channel = this.#joins.get(ref);
    if (channel === undefined) return;
    this.#joins.delete(ref);
    if (this.#joins.size === 0) clearTimeout(this.#joinsDue);
    const { isOk, reason, response } = readReply(frame);
    if (isOk) this.#options.onJoined(channel, response);
    else this.#end(`cannot join ${printable(channel)}: ${printable(reason)}`, true);
  }
}

/** @returns ": " and what the body says; empty where it says nothing. */
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
    // The status says enough.
    return "";
  }
}

/** The milliseconds of "retry in 1234". */
function retryOf(reason: string): number | undefined {
  const digits = /^retry in (\d{1,9})$/.exec(reason)?.[1];
  return digits === undefined ? undefined : Math.min(Number(digits), RETRY_MS_MAX);
}
