import { createRequire } from "node:module";
import * as phoenix from "phoenix";
import * as phoenix17 from "phoenix17";
import { WebSocket } from "ws";
import { Inbox } from "./inbox.js";

/** What the tests use of phoenix.js: https://hexdocs.pm/phoenix/js/ */
export interface PhoenixModule {
  readonly Socket: new (endPoint: string, options: PhoenixSocketOptions) => PhoenixSocket;
}

export interface PhoenixSocketOptions {
  readonly transport?: unknown;
  readonly params?: Readonly<Record<string, string>>;
  readonly authToken?: string;
  readonly vsn?: string;
  readonly reconnectAfterMs?: (tries: number) => number;
  readonly rejoinAfterMs?: (tries: number) => number;
  readonly encode?: (message: unknown, done: (text: string) => void) => void;
  readonly decode?: (text: string, done: (message: unknown) => void) => void;
}

export interface PhoenixSocket {
  connect(): void;
  disconnect(): void;
  channel(topic: string, params?: Readonly<Record<string, unknown>>): PhoenixChannel;
  onOpen(callback: () => void): void;
  onError(callback: () => void): void;
  onClose(callback: (event: { readonly code: number }) => void): void;
  onMessage(callback: (message: PhoenixMessage) => void): void;
}

export interface PhoenixMessage {
  readonly topic: string;
  readonly event: string;
  readonly payload: unknown;
}

export interface PhoenixChannel {
  /** Undocumented: PushEx's client joins by itself and does not hand out what `join` returns. */
  readonly joinPush: PhoenixPush;
  on(event: string, callback: (payload: PushPayload) => void): number;
  join(): PhoenixPush;
  leave(): PhoenixPush;
}

export interface PhoenixPush {
  receive(status: "ok" | "error", callback: (response: unknown) => void): PhoenixPush;
}

export interface PushPayload {
  readonly event: string;
  readonly data: unknown;
}

/** PushEx's own client: https://github.com/pushex-project/pushex.js */
export interface PushexModule {
  readonly Pushex: new (url: string, options: PushexOptions) => Pushex;
}

export interface PushexOptions {
  readonly getParams?: () => Promise<Readonly<Record<string, string>>>;
  readonly socketReconnectAlgorithm?: (tries: number) => number;
  readonly onConnect?: (pushex: Pushex) => void;
  readonly onConnectionError?: (pushex: Pushex) => void;
}

export interface Pushex {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  subscribe(channel: string): PushexSubscription;
  unsubscribe(channel: string): Promise<void>;
  getExistingSubscription(channel: string): PushexSubscription | undefined;
  getSocket(): PhoenixSocket;
}

export interface PushexSubscription {
  readonly channel: PhoenixChannel;
  bind(event: string, callback: (data: unknown, event: string) => void): () => void;
  unbind(event: string): void;
  unbindAll(): void;
  hasBindings(): boolean;
}

export interface ClientOptions {
  /** `ws://host:port/push_socket` */
  readonly url: string;
  readonly params?: Readonly<Record<string, string>>;
  /** phoenix.js 1.8 sends it as a subprotocol, so that it stays out of the URL. */
  readonly authToken?: string;
  /** The serializer's version. PushEx's client speaks 2.0.0 only. @defaultValue "2.0.0" */
  readonly vsn?: "1.0.0" | "2.0.0";
}

/** What happens at a client, as the driver reports it. */
export interface ClientEvents {
  /** The connection is open, also each time that it comes back. */
  open: null;
  /** It could not be had, or broke. */
  error: null;
  close: number;
  joined: JoinOutcome;
  left: string;
  /** What the client's bindings received. */
  message: Received;
  /** What came over the wire as a push, for a joined channel or for none. */
  frame: Received;
}

export interface JoinOutcome {
  readonly channel: string;
  readonly status: "ok" | "error";
  readonly response: unknown;
}

export interface Received extends PushPayload {
  readonly channel: string;
  /** Of frames on channels that keep history; PushEx and its clients know none. */
  readonly id?: string;
}

export type Report = <K extends keyof ClientEvents>(kind: K, value: ClientEvents[K]) => void;

export interface Driver {
  connect(): void;
  disconnect(): void;
  join(channel: string): void;
  leave(channel: string): void;
}

/**
 * One client of a library, told what to do by calls and telling what happens by `report`.
 *
 * Its text also runs in a web page, so it uses nothing from outside itself.
 */
export function driveClient(
  library: PhoenixModule | PushexModule,
  options: ClientOptions & { readonly transport?: unknown },
  report: Report,
): Driver {
  const soon = () => 50;

  function watch(socket: PhoenixSocket): void {
    socket.onOpen(() => report("open", null));
    socket.onError(() => report("error", null));
    socket.onClose(({ code }) => report("close", code));
    socket.onMessage(({ topic, event, payload }) => {
      // Comes after the channel's own bindings.
      if (event === "msg") report("frame", { channel: topic, ...(payload as PushPayload) });
      // The libraries' own leave is done at once, while its frame is still on its way.
      if (event === "phx_close") report("left", topic);
    });
  }

  function reportJoins(channel: string, push: PhoenixPush): void {
    // The hooks of a join stay: they report every later one too.
    push.receive("ok", (response) => report("joined", { channel, status: "ok", response }));
    push.receive("error", (response) => report("joined", { channel, status: "error", response }));
  }

  if ("Pushex" in library) {
    const pushex = new library.Pushex(options.url, {
      getParams: () => Promise.resolve(options.params ?? {}),
      socketReconnectAlgorithm: soon,
    });
    watch(pushex.getSocket());
    return {
      connect: () => void pushex.connect(),
      disconnect: () => void pushex.disconnect(),
      join(channel) {
        const subscription = pushex.subscribe(channel);
        subscription.bind("*", (data, event) => report("message", { channel, data, event }));
        reportJoins(channel, subscription.channel.joinPush);
      },
      leave: (channel) => void pushex.unsubscribe(channel),
    };
  }

  const { url, vsn = "2.0.0", ...given } = options;
  const socket = new library.Socket(url, {
    ...given,
    vsn,
    reconnectAfterMs: soon,
    rejoinAfterMs: soon,
    ...(vsn === "1.0.0" && {
      encode: (message: unknown, done: (text: string) => void) => done(JSON.stringify(message)),
      decode: (text: string, done: (message: unknown) => void) => done(JSON.parse(text)),
    }),
  });
  const channels = new Map<string, PhoenixChannel>();
  watch(socket);
  return {
    connect: () => socket.connect(),
    disconnect: () => socket.disconnect(),
    join(name) {
      const channel = socket.channel(name);
      channels.set(name, channel);
      channel.on("msg", ({ data, event }) => report("message", { channel: name, data, event }));
      reportJoins(name, channel.join());
    },
    leave: (name) => void channels.get(name)?.leave(),
  };
}

/** A driver elsewhere: its calls take effect in order, and each is done once it resolves. */
export type RemoteDriver = {
  [K in keyof Driver]: (...args: Parameters<Driver[K]>) => void | Promise<void>;
};

/** A client of one of the libraries, wherever it runs, as a test sees it. */
export class TestClient {
  readonly opens = new Inbox<"open" | "error">("connections");
  readonly closes = new Inbox<number>("close codes");
  readonly joins = new Inbox<JoinOutcome>("answers to joins");
  readonly messages = new Inbox<Received>("messages");
  readonly frames = new Inbox<Received>("pushes on the wire");
  readonly #left = new Inbox<string>("answers to leaves");
  #driver: RemoteDriver | undefined;

  /** @param start builds the driver, which reports to this client. */
  static async create(
    start: (report: Report) => RemoteDriver | Promise<RemoteDriver>,
  ): Promise<TestClient> {
    const client = new TestClient();
    client.#driver = await start((kind, value) => client.#receive({ kind, value } as ClientEvent));
    return client;
  }

  /** Connects and tells how the first attempt ended. */
  async connect(): Promise<"open" | "error"> {
    await this.#driver?.connect();
    return this.opens.next();
  }

  async disconnect(): Promise<void> {
    await this.#driver?.disconnect();
  }

  async join(channel: string): Promise<JoinOutcome> {
    await this.#driver?.join(channel);
    return this.joined(channel);
  }

  /** The next answer to a join of the channel, for instance to the one after a reconnect. */
  async joined(channel: string): Promise<JoinOutcome> {
    return this.joins.next((outcome) => outcome.channel === channel);
  }

  /** Resolves once the server has answered. */
  async leave(channel: string): Promise<void> {
    await this.#driver?.leave(channel);
    await this.#left.next((left) => left === channel);
  }

  #receive(event: ClientEvent): void {
    switch (event.kind) {
      case "open":
      case "error":
        this.opens.push(event.kind);
        break;
      case "close":
        this.closes.push(event.value);
        break;
      case "joined":
        this.joins.push(event.value);
        break;
      case "left":
        this.#left.push(event.value);
        break;
      case "message":
        this.messages.push(event.value);
        break;
      case "frame":
        this.frames.push(event.value);
        break;
    }
  }
}

type ClientEvent = {
  [K in keyof ClientEvents]: { kind: K; value: ClientEvents[K] };
}[keyof ClientEvents];

export interface ClientKind {
  readonly name: string;
  readonly library: "phoenix" | "phoenix17" | "pushex";
  readonly vsn: "1.0.0" | "2.0.0";
}

export const CLIENT_KINDS: readonly ClientKind[] = [
  { name: "phoenix 1.8", library: "phoenix", vsn: "2.0.0" },
  { name: "phoenix 1.8, serializer 1.0.0", library: "phoenix", vsn: "1.0.0" },
  { name: "phoenix 1.7", library: "phoenix17", vsn: "2.0.0" },
  { name: "phoenix 1.7, serializer 1.0.0", library: "phoenix17", vsn: "1.0.0" },
  { name: "pushex 0.0.15", library: "pushex", vsn: "2.0.0" },
];

/** Makes a client that has not connected yet. */
export type MakeClient = (kind: ClientKind, options: ClientOptions) => Promise<TestClient>;

/** In this process, over `ws`. */
export const nodeClient: MakeClient = (kind, options) =>
  TestClient.create((report) =>
    driveClient(loadLibrary(kind), { ...options, vsn: kind.vsn, transport: WebSocket }, report),
  );

function loadLibrary({ library }: ClientKind): PhoenixModule | PushexModule {
  if (library === "pushex") return loadPushex();
  return library === "phoenix" ? phoenix : phoenix17;
}

/**
 * PushEx's client is built for browsers and takes no transport: the Phoenix client in its bundle
 * keeps the `window` that it was loaded with and takes its WebSocket.
 */
export function loadPushex(): PushexModule {
  const scope = globalThis as { window?: object };
  scope.window = { WebSocket, addEventListener: () => undefined };
  try {
    return createRequire(import.meta.url)("pushex") as PushexModule;
  } finally {
    delete scope.window;
  }
}
