import { describe } from "vitest";
import type { Subscriptions } from "../../../src/application/subscriptions/subscriptions.js";
import type { ConnectAuthRequest } from "../../../src/domain/auth-policy.js";
import { Json } from "../../../src/domain/json.js";
import type { SocketDirectory, Transport } from "../../../src/domain/transport.js";
import {
  type ContractSocket,
  type ContractSubject,
  type Received,
  transportContract,
} from "../../contract/transport.contract.js";
import { within } from "../../support/inbox.js";
import { query, type SseClient } from "../../support/sse-client.js";
import { type SseServer, startSse } from "../../support/sse-server.js";
import { type Serve, STREAM_SERVERS } from "../uws/http-servers.js";

// A stream has its channels from the start, and at least one. So a socket of the contract joins by
// another stream in the place of the one before, and each has a channel of its own that is not shown.
const OWN = "own of socket ";

describe.each(STREAM_SERVERS)("event streams on %s", (_name, serve) => {
  transportContract(() => contractSubject(serve));
});

async function contractSubject(serve: Serve): Promise<ContractSubject> {
  const server = await startSse({
    serve,
    policy: {
      authorizeConnect: ({ params }: ConnectAuthRequest) => ({
        allow: true,
        identity: params.id === undefined ? {} : { socketId: params.id },
      }),
    },
  });
  let sockets = 0;
  return {
    transport: withoutOwn(server.transport),
    stop: () => server.stop(),
    connect: async (socketId) => {
      const socket = new StreamSocket(server, `${OWN}${++sockets}`, socketId);
      await socket.change(() => {});
      return socket;
    },
  };
}

function withoutOwn(transport: Subscriptions): Transport & SocketDirectory {
  return {
    deliver: (message) => transport.deliver(message),
    subscribers: (channel) => transport.subscribers(channel),
    counts: () => {
      const { sockets, subscriptions } = transport.counts();
      return { sockets, subscriptions: subscriptions - sockets };
    },
    closeSockets: (socketId) => transport.closeSockets(socketId),
    channels: () => [...transport.channels()].filter((channel) => !channel.startsWith(OWN)),
    joined: (channel) => transport.joined(channel),
    closeWhere: (matches, reason) => transport.closeWhere(matches, reason),
  };
}

class StreamSocket implements ContractSocket {
  readonly received: Received[] = [];
  readonly closed: Promise<void>;
  readonly #channels = new Set<string>();
  #client: SseClient | undefined;
  #changing: Promise<void> = Promise.resolve();
  #isClosed: () => void = () => {};
  #markers = 0;

  constructor(
    readonly server: SseServer,
    readonly own: string,
    readonly socketId: string | undefined,
  ) {
    this.closed = new Promise((resolve) => {
      this.#isClosed = resolve;
    });
  }

  join(channel: string): Promise<void> {
    return this.change(() => this.#channels.add(channel));
  }

  leave(channel: string): Promise<void> {
    return this.change(() => this.#channels.delete(channel));
  }

  close(): Promise<void> {
    return this.#goAway();
  }

  change(edit: () => unknown): Promise<void> {
    this.#changing = this.#changing.then(async () => {
      edit();
      await this.#goAway();
      const id = this.socketId === undefined ? {} : { id: this.socketId };
      const client = await this.server.connect(`/${query([this.own, ...this.#channels], id)}`);
      this.#client = client;
      void client.closed.then(() => client === this.#client && this.#isClosed());
    });
    return this.#changing;
  }

  async settled(): Promise<void> {
    const data = `${++this.#markers}`;
    this.server.transport.deliver({ channel: this.own, event: "mark", data: Json.parse(data) });
    // The server sends in order, so what was delivered before it is here when it has come.
    const isMark = (text: string) =>
      text === `{"channel":"${this.own}","event":"mark","data":${data}}`;
    const events = await this.#client?.events.takeUntil((event) => isMark(event.data));
    for (const { data: text } of events?.slice(0, -1) ?? []) {
      const members = Json.members(text, ["channel", "event", "data"]);
      this.received.push({
        channel: members?.get("channel")?.value() as string,
        event: members?.get("event")?.value() as string,
        data: members?.get("data")?.text as string,
      });
    }
  }

  async #goAway(): Promise<void> {
    const client = this.#client;
    if (client === undefined) return;
    this.#client = undefined;
    const gone = until(() => this.server.transport.subscribers(this.own) === 0);
    client.close();
    await within(gone, "the stream's end");
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
