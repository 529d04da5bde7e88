import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { ConnectGate, WaitingConnect } from "../../application/connect-gate.js";
import { describeError } from "../../application/describe-error.js";
import type { OriginRule } from "../../application/origins.js";
import type { AuthPolicy, Headers } from "../../domain/auth-policy.js";
import { andThen, isPromise } from "../../domain/maybe-promise.js";
import { allowOrigin, answerPreflight, openStream, refuse } from "./answers.js";
import { CLOSE_DRAIN, CLOSE_TRY_AGAIN, namedEvent } from "./event-text.js";
import type { OpenStreams } from "./open-streams.js";
import { type Admission, admit, type Denied } from "./opening.js";
import { Stream } from "./stream.js";
import { readStreamRequest, type StreamLimits, type StreamRequest } from "./stream-request.js";

export interface StreamDoorOptions {
  readonly policy: AuthPolicy;
  readonly origins: OriginRule;
  readonly limits: StreamLimits;
  readonly fullness?: (channel: string) => string | undefined;
  /** Who may connect when. @defaultValue everyone, at once */
  readonly gate?: ConnectGate;
  readonly log: SseLog;
}

export interface SseLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

export interface StreamHouse {
  readonly streams: OpenStreams;
  readonly isDraining: () => boolean;
  /** What sends one client away to come back later. */
  readonly comeBack: (code: number, reason?: string) => string;
  /** The `retry` line of one client. */
  readonly retry: () => string;
  /** The stream's head is sent. Called in the turn in which its channels had room. */
  readonly enter: (stream: Stream, channels: readonly string[], since: string | undefined) => void;
}

interface Opening {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly asked: StreamRequest;
  isGone: boolean;
  /** Gives up its place at the gate. */
  leave: (() => void) | undefined;
}

/** Decides who gets a stream, and of which channels. */
export class StreamDoor {
  readonly #options: StreamDoorOptions;
  readonly #house: StreamHouse;

  constructor(options: StreamDoorOptions, house: StreamHouse) {
    this.#options = options;
    this.#house = house;
  }

  /**
   * Answers `GET ?channel=a&channel=b` with a stream, or with why there is none; `OPTIONS` as a
   * browser asks before a GET with fields of the page's own. All is decided before the head is sent.
   */
  open(request: IncomingMessage, response: ServerResponse): void {
    const { origins, limits, log, gate } = this.#options;
    // A client that goes away is no fault; without a listener its error would end the process.
    response.on("error", () => {});
    const { origin, host } = request.headers;
    if (!allowOrigin(request, response, origins)) {
      log.info({ origin, host }, "stream refused: origin not allowed");
      refuse(response, 403, "Origin not allowed.");
      return;
    }
    if (request.method === "OPTIONS") {
      answerPreflight(response);
      return;
    }
    const asked = readStreamRequest(request.url ?? "", request.headers, limits);
    if ("fault" in asked) {
      refuse(response, 422, asked.fault);
      return;
    }
    if (this.#house.isDraining()) {
      this.#turnAway(response, CLOSE_DRAIN);
      return;
    }
    const opening: Opening = { request, response, asked, isGone: false, leave: undefined };
    response.once("close", () => {
      opening.isGone = true;
      opening.leave?.();
    });
    if (gate === undefined || gate.pass()) this.#decide(opening);
    else this.#wait(opening, gate);
  }

  #wait(opening: Opening, gate: ConnectGate): void {
    const { response } = opening;
    const waiting: WaitingConnect = {
      admit: () => {
        opening.leave = undefined;
        if (!opening.isGone) this.#decide(opening);
      },
      turnAway: () => {
        if (!opening.isGone) this.#turnAway(response, CLOSE_DRAIN);
      },
    };
    if (gate.wait(waiting)) opening.leave = () => gate.leave(waiting);
    else this.#turnAway(response, CLOSE_TRY_AGAIN, "too many connects at once");
  }

  #decide(opening: Opening): void {
    const { request, asked } = opening;
    const { headers } = request;
    const connect = {
      headers: plainHeaders(headers),
      remoteAddress: request.socket.remoteAddress,
      origin: headers.origin,
      params: asked.params,
      token: asked.token,
    };
    const admission = admit(this.#options.policy, connect, asked.channels);
    // The policy is guarded by the composition root: its promise does not reject.
    void andThen(admission, (admitted) => this.#admitted(opening, admitted));
  }

  #admitted(opening: Opening, admission: Admission | undefined): void {
    const { response } = opening;
    const { streams } = this.#house;
    if (opening.isGone) return;
    if (admission === undefined) {
      refuse(response, 403, "Access Forbidden");
      return;
    }
    if (admission.allowed.length === 0) {
      refuseAll(response, admission.denied);
      return;
    }
    const ready = streams.want(admission.allowed);
    if (!isPromise(ready)) {
      this.#begin(opening, admission);
      return;
    }
    ready.then(
      () => this.#begin(opening, admission),
      (error: unknown) => {
        streams.release(admission.allowed);
        this.#options.log.warn({ err: describeError(error) }, "stream refused by the broker");
        if (!opening.isGone) this.#turnAway(response, CLOSE_TRY_AGAIN, "try again later");
      },
    );
  }

  /** In one turn from here on, up to where live messages are let in. */
  #begin(opening: Opening, admission: Admission): void {
    const { request, response, asked } = opening;
    const { streams, isDraining, retry, enter } = this.#house;
    if (opening.isGone || isDraining()) {
      streams.release(admission.allowed);
      if (!opening.isGone) this.#turnAway(response, CLOSE_DRAIN);
      return;
    }
    const { allowed, denied } = this.#unlessFull(admission);
    if (allowed.length === 0) {
      refuseAll(response, denied);
      return;
    }
    openStream(response);
    if (request.method === "HEAD") {
      streams.release(allowed);
      response.end();
      return;
    }
    const stream = new Stream(response, admission.identity);
    const denials = denied.map((each) => namedEvent("denied", each)).join("");
    stream.write(`${retry()}:\n\n${denials}`);
    enter(stream, allowed, asked.since);
  }

  #unlessFull({ allowed, denied }: Admission): Pick<Admission, "allowed" | "denied"> {
    const { fullness } = this.#options;
    const { streams } = this.#house;
    if (fullness === undefined) return { allowed, denied };
    const full: Denied[] = [];
    for (const channel of allowed) {
      const reason = fullness(channel);
      if (reason !== undefined) full.push({ channel, reason });
    }
    if (full.length === 0) return { allowed, denied };
    const names = new Set(full.map(({ channel }) => channel));
    streams.release(names);
    return {
      allowed: allowed.filter((channel) => !names.has(channel)),
      denied: [...denied, ...full],
    };
  }

  /** Not an error: an EventSource would stay away for good. */
  #turnAway(response: ServerResponse, code: number, reason?: string): void {
    openStream(response);
    response.end(this.#house.comeBack(code, reason));
  }
}

function refuseAll(response: ServerResponse, denied: readonly Denied[]): void {
  refuse(response, 403, "Access Forbidden", { denied });
}

function plainHeaders(headers: IncomingHttpHeaders): Headers {
  const plain: Record<string, string | undefined> = Object.create(null);
  for (const [name, value] of Object.entries(headers)) {
    plain[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return plain;
}
