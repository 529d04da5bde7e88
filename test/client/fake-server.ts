import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { Inbox } from "../support/inbox.js";

interface Stored {
  readonly at: number;
  readonly event: string;
  readonly data: unknown;
}

interface Listener {
  readonly channels: Map<string, string>;
  deliver(channel: string, message: Stored): void;
  /** Cuts the connection without a word. */
  cut(): void;
  close(code: number, reason: string): void;
}

export interface JoinSeen {
  readonly channel: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

/**
 * The server's side of resume and of server-sent events, as the server has it: positions that mean
 * nothing to a client and grow over all channels, a history of bounded length, streams that say
 * first what is denied and lost and then where they begin. Channels whose name begins with `plain`
 * keep no history, those with `secret` are denied.
 */
export class FakeServer {
  readonly #http: Server;
  readonly #ws = new WebSocketServer({
    noServer: true,
    handleProtocols: (names) => (names.has("phoenix") ? "phoenix" : false),
  });
  readonly #tcp = new Set<Socket>();
  readonly #history = new Map<string, Stored[]>();
  /** By channel, the last message that its history has dropped. */
  readonly #dropped = new Map<string, number>();
  #head = 0;
  readonly listeners = new Set<Listener>();
  readonly sockets = new Set<WebSocket>();
  readonly joins = new Inbox<JoinSeen>("joins");
  readonly left = new Inbox<string>("leaves");
  /** Request targets of WebSocket upgrades and of streams, with the token that came beside it. */
  readonly connects = new Inbox<{ url: string; token: string | undefined }>("connects");
  /** The largest number of connections that one channel had at a time. */
  mostListeners = 0;
  historyLength = 1000;
  refuseWebSockets = false;
  refuseStreams = false;
  /** A stream says so late where it begins, in milliseconds. */
  beginsAfterMs = 0;
  answersHeartbeats = true;
  answersLeaves = true;
  /** Before each answer to a join comes a message of an earlier join. */
  sendsStale = false;
  /** So many answers to joins go out without what follows them; then the connection ends. */
  endsBehindReplies = 0;
  url = "";

  private constructor() {
    this.#http = createServer((request, response) => this.#stream(request, response));
    this.#http.on("connection", (socket) => {
      this.#tcp.add(socket);
      socket.on("close", () => this.#tcp.delete(socket));
    });
    this.#http.on("upgrade", (request, socket: Socket, head) => {
      this.connects.push({ url: request.url ?? "", token: tokenOf(request) });
      if (this.refuseWebSockets) {
        socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
        return;
      }
      this.#ws.handleUpgrade(request, socket, head, (ws) => this.#socket(ws));
    });
  }

  static async start(): Promise<FakeServer> {
    const server = new FakeServer();
    await new Promise<void>((done) => server.#http.listen(0, "127.0.0.1", done));
    server.url = `ws://127.0.0.1:${(server.#http.address() as AddressInfo).port}/push_socket`;
    return server;
  }

  async stop(): Promise<void> {
    const closed = new Promise((done) => this.#http.close(done));
    for (const socket of this.#tcp) socket.destroy();
    await closed;
  }

  push(channel: string, event: string, data: unknown): void {
    const message = { at: ++this.#head, event, data };
    const history = [...(this.#history.get(channel) ?? []), message];
    this.#history.set(channel, history.slice(-this.historyLength));
    const dropped = history.at(-this.historyLength - 1);
    if (dropped !== undefined) this.#dropped.set(channel, dropped.at);
    for (const listener of this.listeners) {
      if (listener.channels.has(channel)) listener.deliver(channel, message);
    }
  }

  /** Cuts all connections. */
  cut(): void {
    for (const listener of [...this.listeners]) listener.cut();
    for (const socket of this.sockets) socket.terminate();
  }

  /** Closes all connections, each in its transport's way. */
  close(code: number, reason = ""): void {
    for (const listener of [...this.listeners]) {
      listener.close(code, reason);
      this.listeners.delete(listener);
    }
    for (const socket of this.sockets) socket.close(code, reason);
  }

  /** What is missed behind a position; undefined where that is not known any more. */
  #missed(channel: string, position: unknown): Stored[] | undefined {
    const at = Number(/^p(\d+)$/.exec(String(position))?.[1] ?? Number.NaN);
    const isKept = at >= (this.#dropped.get(channel) ?? 0) && at <= this.#head;
    if (!isKept || !keepsHistory(channel)) return undefined;
    return (this.#history.get(channel) ?? []).filter((message) => message.at > at);
  }

  #listen(listener: Listener): void {
    this.listeners.add(listener);
    const counts = new Map<string, number>();
    for (const { channels } of this.listeners) {
      for (const name of channels.keys()) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    this.mostListeners = Math.max(this.mostListeners, ...counts.values());
  }

  #socket(ws: WebSocket): void {
    const send = (frame: unknown) => ws.send(JSON.stringify(frame));
    const listener: Listener = {
      channels: new Map(),
      deliver: (channel, message) =>
        send([null, null, channel, "msg", payloadOf(channel, message)]),
      cut: () => ws.terminate(),
      close: (code, reason) => ws.close(code, reason),
    };
    this.sockets.add(ws);
    ws.on("close", () => {
      this.sockets.delete(ws);
      this.listeners.delete(listener);
    });
    ws.on("message", (bytes) => {
      const [joinRef, ref, topic, event, payload] = JSON.parse(String(bytes)) as [
        string,
        string,
        string,
        string,
        Record<string, unknown>,
      ];
      const reply = (status: string, response: object) =>
        send([joinRef, ref, topic, "phx_reply", { status, response }]);
      if (event === "heartbeat") {
        if (this.answersHeartbeats) reply("ok", {});
      } else if (event === "phx_leave") {
        this.left.push(topic);
        listener.channels.delete(topic);
        if (this.answersLeaves) reply("ok", {});
      } else if (event === "phx_join") {
        this.joins.push({ channel: topic, payload });
        if (topic.startsWith("secret")) {
          reply("error", { reason: "members only" });
          return;
        }
        if (this.sendsStale) listener.deliver(topic, { at: 0, event: "e", data: "stale" });
        const asked = payload.last_event_id;
        const missed = asked === undefined ? undefined : this.#missed(topic, asked);
        reply("ok", {
          ...(keepsHistory(topic) && { id: `p${this.#head}` }),
          ...(keepsHistory(topic) && asked !== undefined && { recovered: missed !== undefined }),
        });
        if (this.endsBehindReplies > 0) {
          this.endsBehindReplies -= 1;
          ws.close(1012);
          return;
        }
        listener.channels.set(topic, joinRef);
        this.#listen(listener);
        for (const message of missed ?? []) listener.deliver(topic, message);
      }
    });
  }

  #stream(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "", "http://here");
    if (url.pathname === "/push_events") {
      const token = url.searchParams.get("token") ?? undefined;
      this.connects.push({ url: request.url ?? "", token });
    }
    const names = url.searchParams.getAll("channel");
    const isDenied = names.every((name) => name.startsWith("secret"));
    response.setHeader("access-control-allow-origin", "*");
    if (this.refuseStreams || isDenied || url.pathname !== "/push_events") {
      response.writeHead(403).end();
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("retry: 2000\n\n:\n\n");
    const since = url.searchParams.get("last_event_id");
    const listener = listenerOf(request, response);
    const missed: [string, Stored][] = [];
    const gaps: object[] = [];
    let begin: string | undefined;
    for (const channel of names) {
      if (channel.startsWith("secret")) {
        say(response, "denied", { channel, reason: "members only" });
        continue;
      }
      const id = keepsHistory(channel) ? `p${this.#head}` : undefined;
      const found = since === null ? [] : this.#missed(channel, since);
      if (found === undefined) gaps.push({ channel, recovered: false, id });
      if (id !== undefined) begin = found === undefined ? (begin ?? id) : (since ?? id);
      for (const message of found ?? []) missed.push([channel, message]);
      listener.channels.set(channel, "");
    }
    this.#listen(listener);
    request.socket.on("close", () => this.listeners.delete(listener));
    const position = begin;
    const start = (): void => {
      for (const gap of gaps) say(response, "gap", gap);
      if (position !== undefined) say(response, "position", { id: position }, position);
      missed.sort(([, one], [, other]) => one.at - other.at);
      for (const [channel, message] of missed) listener.deliver(channel, message);
    };
    if (this.beginsAfterMs > 0) setTimeout(start, this.beginsAfterMs);
    else start();
  }
}

function listenerOf(request: IncomingMessage, response: ServerResponse): Listener {
  return {
    channels: new Map(),
    deliver: (channel, message) => {
      const id = keepsHistory(channel) ? `p${message.at}` : undefined;
      say(response, "", { channel, ...payloadOf(channel, message) }, id);
    },
    cut: () => request.socket.destroy(),
    close: (code, reason) => {
      say(response, "closed", { code, reason });
      response.end();
    },
  };
}

function say(response: ServerResponse, event: string, data: object, id?: string): void {
  const name = event && `event: ${event}\n`;
  response.write(`${id ? `id: ${id}\n` : ""}${name}data: ${JSON.stringify(data)}\n\n`);
}

function keepsHistory(channel: string): boolean {
  return !channel.startsWith("plain");
}

function payloadOf(channel: string, { at, event, data }: Stored): object {
  return { data, event, ...(keepsHistory(channel) && { id: `p${at}` }) };
}

function tokenOf(request: IncomingMessage): string | undefined {
  const protocols = (request.headers["sec-websocket-protocol"] ?? "").split(/, ?/);
  const prefix = "base64url.bearer.phx.";
  const found = protocols.find((name) => name.startsWith(prefix));
  if (found !== undefined) return Buffer.from(found.slice(prefix.length), "base64url").toString();
  return new URL(request.url ?? "", "http://here").searchParams.get("token") ?? undefined;
}
