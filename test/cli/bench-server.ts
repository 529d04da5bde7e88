import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { type PhoenixFrame, reply } from "./program.js";

export interface BenchPush {
  readonly channel: string;
  readonly data: { readonly n: number };
  /** From 1, the dry run left out. */
  readonly count: number;
}

export interface BenchServerOptions {
  /** What a push does; by default it is delivered to everybody and then accepted. */
  readonly onPush?: (push: BenchPush, server: BenchServer, response: ServerResponse) => void;
}

/** The routes that `hexpush bench` uses, for a server that does wrong what no real one does. */
export class BenchServer {
  readonly url: string;
  /** The channel that each socket has joined. */
  readonly joins: ReadonlyMap<WebSocket, string>;

  constructor(url: string, joins: ReadonlyMap<WebSocket, string>) {
    this.url = url;
    this.joins = joins;
  }

  get sockets(): WebSocket[] {
    return [...this.joins.keys()];
  }

  deliver({ channel, data }: Pick<BenchPush, "channel" | "data">, to = this.sockets): void {
    const frame = JSON.stringify([null, null, channel, "msg", { data, event: "bench" }]);
    for (const socket of to) socket.send(frame);
  }
}

/** It ends with the test. */
export async function benchServer({ onPush = works }: BenchServerOptions = {}) {
  const http = createServer((request, response) => {
    void bodyOf(request).then((text) => {
      if (request.url?.includes("dry_run") === true) response.end("{}");
      else onPush({ ...(JSON.parse(text) as BenchPush), count: ++count }, server, response);
    });
  });
  let count = 0;
  const webSockets = new WebSocketServer({ server: http });
  const joins = new Map<WebSocket, string>();
  webSockets.on("connection", (socket) => {
    socket.on("message", (bytes) => {
      const frame = JSON.parse(bytes.toString()) as unknown as PhoenixFrame;
      joins.set(socket, frame[2]);
      reply(socket, frame);
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const { port } = http.address() as AddressInfo;
  const server = new BenchServer(`http://127.0.0.1:${port}`, joins);
  onTestFinished(() => {
    for (const socket of webSockets.clients) socket.terminate();
    http.closeAllConnections();
    http.close();
  });
  return server;
}

export function works(push: BenchPush, server: BenchServer, response: ServerResponse): void {
  server.deliver(push);
  response.end("{}");
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) text += chunk;
  return text;
}
