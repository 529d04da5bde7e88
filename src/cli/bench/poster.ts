import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request } from "node:http";
import { Agent as HttpsAgent, request as secureRequest } from "node:https";
import { objectOf, refusal } from "../push.js";
import { networkFault } from "../terminal.js";
import { type BenchPlan, DATA_HEAD, dataTail, EVENT } from "./plan.js";

/** Maximum size of a refusal's body, in characters. */
const REFUSAL_MAX = 4096;

/** Pushes over keep-alive connections, one for each push that waits for its answer. */
export class Poster {
  readonly #post: (length: number) => ClientRequest;
  readonly #agent: HttpAgent;
  /** By channel: the body up to the sequence number. */
  readonly #heads: readonly string[];
  readonly #tail: string;
  #isClosed = false;

  constructor({ url, headers, channels, inFlight, dataBytes }: BenchPlan) {
    const target = new URL(`${url}/api/push`);
    const isSecure = target.protocol === "https:";
    const connections = { keepAlive: true, maxSockets: inFlight };
    const agent = isSecure ? new HttpsAgent(connections) : new HttpAgent(connections);
    const options = {
      agent,
      method: "POST",
      // Without the brackets of an IPv6 address.
      hostname: target.hostname.replace(/^\[|\]$/g, ""),
      port: target.port,
      path: target.pathname,
    };
    const send = isSecure ? secureRequest : request;
    this.#agent = agent;
    this.#post = (length) =>
      send({ ...options, headers: { ...headers, "content-length": length } });
    this.#heads = channels.map(
      (name) =>
        `{"channel":${JSON.stringify(name)},"event":${JSON.stringify(EVENT)},"data":${DATA_HEAD}`,
    );
    this.#tail = `${dataTail(dataBytes)}}`;
  }

  /** @param onAnswer called once; `fault` is undefined if the push was accepted */
  push(channel: number, sequence: number, onAnswer: (fault: string | undefined) => void): void {
    const body = `${this.#heads[channel]}${sequence}${this.#tail}`;
    // The body is ASCII, so its length is its size in bytes.
    const post = this.#post(body.length);
    post.on("error", (error) => this.#failed(error, onAnswer));
    post.on("response", (response) => {
      // A connection that breaks within the answer does not emit the request's error.
      response.on("error", (error) => this.#failed(error, onAnswer));
      if (response.statusCode !== 200) {
        readRefusal(response, onAnswer);
        return;
      }
      response.on("end", () => onAnswer(undefined));
      response.resume();
    });
    post.end(body);
  }

  /** Closes the connections. Their errors are no longer reported. */
  close(): void {
    this.#isClosed = true;
    this.#agent.destroy();
  }

  #failed(error: Error, onAnswer: (fault: string) => void): void {
    if (!this.#isClosed) onAnswer(`a push failed: ${networkFault(error)}`);
  }
}

function readRefusal(response: IncomingMessage, onAnswer: (fault: string) => void): void {
  let text = "";
  response.setEncoding("utf8");
  response.on("data", (part: string) => {
    if (text.length < REFUSAL_MAX) text += part;
  });
  response.on("end", () => {
    const { statusCode: status = 0, headers } = response;
    const retryAfter = headers["retry-after"];
    onAnswer(`a push was ${refusal({ status, json: objectOf(text), retryAfter })}`);
  });
}
