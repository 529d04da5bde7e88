import type { Identity } from "../../domain/auth-policy.js";
import type { SocketInfo } from "../../domain/push-listener.js";
import type { CatchingUp, WritableSocket } from "./catch-up.js";
import type { SubscribedSocket, Subscriber } from "./fan-out.js";
import type { Listed } from "./open-sockets.js";
import { Session, type SessionTerms } from "./phoenix/session.js";
import type { SocketGroup } from "./socket-groups.js";

/** The parts of uWebSockets.js's WebSocket that a socket needs, without importing it. */
export interface SocketHandle extends WritableSocket, SubscribedSocket {
  cork(write: () => void): unknown;
  end(code: number, reason?: string): unknown;
  /** Without a close frame. */
  close(): unknown;
}

/**
 * What is kept of one socket; ten thousands of these are idle at a time, so it is small. It is its
 * own session: an object more for each would be a tenth of what it takes.
 */
export class OpenSocket
  extends Session
  implements SocketInfo, CatchingUp, Subscriber, Listed<OpenSocket>
{
  /** Undefined before it opens and once it is gone. */
  ws: SocketHandle | undefined;
  group: SocketGroup | undefined;
  lastFrameAt = 0;
  silentLonger: OpenSocket | undefined;
  silentShorter: OpenSocket | undefined;

  constructor(
    terms: SessionTerms,
    readonly identity: Identity,
  ) {
    super(terms);
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
