import type { WebSocket } from "uWebSockets.js";
import type { CloseReason } from "../../application/subscriptions/close-reason.js";
import type {
  Share,
  Socket,
  SocketGroup,
  SocketWriter,
} from "../../application/subscriptions/socket.js";
import { closeFrame } from "../../protocol/phoenix/close-codes.js";
import type { PhoenixProtocol } from "../../protocol/phoenix/phoenix-protocol.js";

export interface UserData {
  /** Set as the socket opens. */
  socket: Socket<WebSocket<UserData>>;
}

type Handle = WebSocket<UserData>;

/** The part of uWebSockets.js's app that publishes. */
export interface TopicPublisher {
  publish(topic: string, text: string): unknown;
}

/** Writes to sockets of one serializer version by uWebSockets.js's own topics. */
export class PhoenixWriter implements SocketWriter<Handle> {
  /** Undefined before the server listens, and once its sockets are gone. */
  app: TopicPublisher | undefined = undefined;

  constructor(readonly protocol: PhoenixProtocol) {}

  send(ws: Handle, frame: string): void {
    ws.send(frame);
  }

  batch(ws: Handle, work: () => void): void {
    ws.cork(work);
  }

  bufferedBytes(ws: Handle): number {
    return ws.getBufferedAmount();
  }

  close(ws: Handle, reason: CloseReason): void {
    const { code, text } = closeFrame(reason);
    ws.end(code, text);
  }

  share(group: SocketGroup, topic: string): Share<Handle> {
    return new TopicShare(group, this, topic);
  }
}

/** The subscribers of a topic. */
class TopicShare implements Share<Handle> {
  sockets = 0;

  constructor(
    readonly group: SocketGroup,
    private readonly writer: PhoenixWriter,
    private readonly topic: string,
  ) {}

  add({ handle }: Socket<Handle>): void {
    handle?.subscribe(this.topic);
  }

  remove({ handle }: Socket<Handle>): void {
    handle?.unsubscribe(this.topic);
  }

  write(frame: string): void {
    this.writer.app?.publish(this.topic, frame);
  }
}
