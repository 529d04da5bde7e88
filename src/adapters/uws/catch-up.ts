import { describeError } from "../../application/describe-error.js";
import type { JoinDecision } from "../../domain/auth-policy.js";
import type { Broker } from "../../domain/broker.js";
import { isPromise } from "../../domain/maybe-promise.js";
import type { Codec } from "./phoenix/frame.js";
import { joinResponse, resumePointOf } from "./phoenix/resume.js";
import type { PendingJoin } from "./phoenix/session.js";
import { Replay } from "./replay.js";

/** A socket, as far as catching up goes. */
export interface CatchingUp {
  readonly codec: Codec;
  /** Undefined once it is gone. */
  readonly ws: WritableSocket | undefined;
}

export interface WritableSocket {
  send(text: string): unknown;
  /** In bytes. */
  getBufferedAmount(): number;
}

export interface CatchUpOptions<S> {
  readonly history: Pick<Broker, "position" | "history">;
  readonly log: { warn(fields: object, text: string): void };
  /** What cuts a socket, in bytes. */
  readonly sendBufferBytesMax: number;
  /** Lets the channel's live messages in. Called in the turn in which all before them were sent. */
  readonly goLive: (socket: S, channel: string) => void;
  readonly close: (socket: S, code: number, reason: string) => void;
}

/** 1013, "try again later" (IANA's registry of close codes). */
const CLOSE_TRY_LATER = 1013;
const NO_HISTORY = "the history is not available";

/** What a client has missed of a channel: told at the join, and sent before what comes live. */
export class CatchUp<S extends CatchingUp> {
  readonly #options: CatchUpOptions<S>;
  /** By their channels, the joins whose client has not caught up yet; of those sockets that have some. */
  readonly #replays = new Map<S, Map<string, Replay>>();

  constructor(options: CatchUpOptions<S>) {
    this.#options = options;
  }

  /**
   * Says where the channel stands, and notes from where the client is to get what it has missed. To
   * be called in the turn in which the join is answered. A history that cannot be read refuses the
   * join: clients try again.
   */
  answer(join: PendingJoin, decided: JoinDecision): JoinDecision {
    if (decided.allow !== true) return decided;
    try {
      return this.#answer(join, decided.response);
    } catch (error) {
      this.#options.log.warn({ err: describeError(error) }, "join refused: no history");
      return { allow: false, reason: NO_HISTORY };
    }
  }

  /** Sends what came behind `since`, then lets live messages in. */
  begin(socket: S, channel: string, since: string): void {
    const { history, log, sendBufferBytesMax, goLive, close } = this.#options;
    const replay = new Replay(history, channel, since, {
      send: (message) => {
        socket.ws?.send(socket.codec.encodeMessage(message));
        // Half of what cuts a socket: live messages of other channels need room as well.
        return (socket.ws?.getBufferedAmount() ?? Infinity) < sendBufferBytesMax / 2;
      },
      live: () => {
        this.#delete(socket, channel);
        goLive(socket, channel);
      },
      // It has been told that it gets everything, so it must come back and ask again.
      lost: (error) => {
        if (error !== undefined)
          log.warn({ err: describeError(error) }, "replay ended: no history");
        close(socket, CLOSE_TRY_LATER, error === undefined ? "too slow to catch up" : NO_HISTORY);
      },
    });
    const others = this.#replays.get(socket);
    if (others === undefined) this.#replays.set(socket, new Map([[channel, replay]]));
    else others.set(channel, replay);
    replay.run();
  }

  /** Whether a channel that the socket has joined is not live yet. */
  isBehind(socket: S, channel: string): boolean {
    return this.#replays.get(socket)?.has(channel) === true;
  }

  /** The channel is left. */
  stop(socket: S, channel: string): void {
    this.#replays.get(socket)?.get(channel)?.stop();
    this.#delete(socket, channel);
  }

  /** The socket is gone. */
  stopAll(socket: S): void {
    for (const replay of this.#replays.get(socket)?.values() ?? []) replay.stop();
    this.#replays.delete(socket);
  }

  /** The client has taken some of what waited for it. */
  goOn(socket: S): void {
    const replays = this.#replays.get(socket);
    if (replays === undefined) return;
    const { sendBufferBytesMax } = this.#options;
    if ((socket.ws?.getBufferedAmount() ?? Infinity) > sendBufferBytesMax / 4) return;
    // A replay that ends takes itself out.
    for (const replay of [...replays.values()]) replay.run();
  }

  #delete(socket: S, channel: string): void {
    const replays = this.#replays.get(socket);
    if (replays?.delete(channel) && replays.size === 0) this.#replays.delete(socket);
  }

  #answer(join: PendingJoin, own: Parameters<typeof joinResponse>[0]): JoinDecision {
    const { history } = this.#options;
    const channel = join.frame.topic;
    const point = resumePointOf(join.frame.payload);
    const since = point.kind === "since" ? point.id : undefined;
    const look = since === undefined ? undefined : history.history(channel, { since, limit: 0 });
    const position = look === undefined ? history.position(channel) : undefined;
    if (isPromise(look) || isPromise(position)) {
      throw new TypeError("a broker whose history takes time needs a resume of its own");
    }
    const recovered = look?.recovered ?? (point.kind === "since" ? false : undefined);
    if (recovered === true) join.since = since;
    return { allow: true, response: joinResponse(own, look?.position ?? position, recovered) };
  }
}
