import type { Identity } from "../../domain/auth-policy.js";
import type { SocketInfo } from "../../domain/push-listener.js";
import type { CatchingUp, WritableSocket } from "./catch-up.js";
import type { SubscribedSocket, Subscriber } from "./fan-out.js";
import type { Idle } from "./idle-sockets.js";
import type { Codec } from "./phoenix/frame.js";
import type { Session } from "./phoenix/session.js";
import type { Replay } from "./replay.js";
import type { SocketGroup } from "./socket-groups.js";

/** The parts of uWebSockets.js's WebSocket that a socket needs, without importing it. */
export interface SocketHandle extends WritableSocket, SubscribedSocket {
  cork(write: () => void): unknown;
  end(code: number, reason?: string): unknown;
  /** Without a close frame. */
  close(): unknown;
}

/** What is kept of one socket; ten thousands of these are idle at a time, so it is small. */
export class OpenSocket implements SocketInfo, CatchingUp, Subscriber, Idle<OpenSocket> {
  /** Undefined before it opens and once it is gone. */
  ws: SocketHandle | undefined;
  /** How many runs of the session's effects are under way, one within the other. */
  runs = 0;
  /** By their channels, the joins whose client has not caught up yet. */
  replays: Map<string, Replay> | undefined;
  group: SocketGroup | undefined;
  lastFrameAt = 0;
  silentLonger: OpenSocket | undefined;
  silentShorter: OpenSocket | undefined;

  constructor(
    readonly session: Session,
    readonly identity: Identity,
  ) {}

  get codec(): Codec {
    return this.session.codec;
  }

  get transport(): string {
    return "phoenix";
  }

  get socketId(): string | undefined {
    return this.identity.socketId;
  }

  get presenceId(): string | undefined {
    return this.identity.presenceId;
  }
}
