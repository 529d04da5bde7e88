import { createHmac } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { maxAgeOf } from "./cache.js";
import { CalloutFault } from "./fault.js";
import { type HttpAnswer, HttpExchange } from "./http-exchange.js";

export interface CalloutClientOptions {
  readonly url: URL;
  readonly secret: string | undefined;
  /** For each of two tries, in milliseconds. */
  readonly timeoutMs: number;
  readonly answerBytesMax: number;
  readonly now: () => number;
}

/** What the application said, before anybody has read it. */
export interface Reply {
  /** The body of an answer with status 200; undefined if the status itself says no. */
  readonly text: string | undefined;
  /** For how long the answer may be used again; 0 if it may not. */
  readonly maxAgeSeconds: number;
}

/** The pause before the second try, in milliseconds: so much, and up to as much again. */
const PAUSE_MS = 20;

/** What a gateway says whose application is away for the moment (RFC 9110, section 15.6). */
const GATEWAY = new Set([502, 503, 504]);
const DENIALS = new Set([401, 403]);

/**
 * Sends one question to the application, and once more if it did not get through. Asking twice
 * does no harm, since an answer changes nothing.
 */
export class CalloutClient {
  readonly #options: CalloutClientOptions;
  readonly #exchange: HttpExchange;

  constructor(options: CalloutClientOptions) {
    this.#options = options;
    const { url, timeoutMs, answerBytesMax } = options;
    this.#exchange = new HttpExchange({ url, timeoutMs, bodyBytesMax: answerBytesMax });
  }

  /** Rejects with a `CalloutFault`, after two timeouts and a short pause at the latest. */
  async ask(question: string): Promise<Reply> {
    const body = Buffer.from(question, "utf8");
    try {
      return await this.#try(body);
    } catch (error) {
      if (!(error instanceof CalloutFault && error.retry)) throw error;
    }
    await pause(PAUSE_MS * (1 + Math.random()));
    return this.#try(body);
  }

  async #try(body: Buffer): Promise<Reply> {
    return readReply(await this.#exchange.post(body, this.#headers(body)));
  }

  #headers(body: Buffer): Record<string, string> {
    const { secret, now } = this.#options;
    const headers = {
      "content-type": "application/json",
      accept: "application/json",
      "accept-encoding": "identity",
      "user-agent": "hexpush",
    };
    if (secret === undefined) return headers;
    const timestamp = String(Math.floor(now() / 1000));
    const signature = createHmac("sha256", secret).update(`${timestamp}.`).update(body);
    return {
      ...headers,
      "x-hexpush-timestamp": timestamp,
      "x-hexpush-signature": `sha256=${signature.digest("hex")}`,
    };
  }
}

function readReply({ status, headers, body }: HttpAnswer): Reply {
  const maxAgeSeconds = maxAgeOf(headers["cache-control"]);
  if (DENIALS.has(status)) return { text: undefined, maxAgeSeconds };
  if (status !== 200) throw new CalloutFault(`status ${status}`, GATEWAY.has(status));
  if (body === undefined) throw new CalloutFault("the answer is too long");
  // A question asks for none, so who sends one anyway is not to be trusted with its length.
  if (!isOnly(headers["content-encoding"], "identity")) {
    throw new CalloutFault("the answer has a content-encoding");
  }
  if (!isOnly(headers["transfer-encoding"], "chunked")) {
    throw new CalloutFault("the answer has a transfer-encoding other than chunked");
  }
  return { text: decode(body), maxAgeSeconds };
}

function isOnly(field: string | undefined, coding: string): boolean {
  return field === undefined || field.trim().toLowerCase() === coding;
}

function decode(body: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    throw new CalloutFault("the answer is not UTF-8");
  }
}
