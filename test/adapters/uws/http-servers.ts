import uws from "uWebSockets.js";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { HttpBridge } from "../../../src/adapters/uws/http-bridge.js";
import type { StreamRoute } from "../../../src/adapters/uws/uws-exchange.js";
import type { EventStreams } from "../../../src/protocol/sse/event-streams.js";
import { within } from "../../support/inbox.js";

export type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;

/** A handler for `node:http`, served without Koa. */
export interface HandlerServer {
  readonly port: number;
  /** Requests whose answer is not complete. */
  readonly inFlight: () => number;
  /** Resolves once no request is in flight. */
  readonly idle: () => Promise<void>;
  stop(): Promise<void>;
}

export type Serve = (handler: Handler) => Promise<HandlerServer>;

/** For `describe.each`: a handler must not see which one it runs on. */
export const SERVERS: readonly (readonly [name: string, serve: Serve])[] = [
  ["the bridge", serveOnBridge],
  ["node:http", serveOnNode],
];

/** Streams of events on uWebSockets.js itself, past any handler. */
export const STREAM_SERVERS: readonly (readonly [name: string, serve: Serve])[] = [
  ["uWebSockets.js", serveStreams],
  ...SERVERS,
];

/** @param handler one that carries the streams that it opens. */
async function serveStreams(handler: Handler & { readonly streams?: EventStreams }) {
  const { streams } = handler;
  if (streams === undefined) throw new Error("a handler without streams");
  return serveOnBridge(handler, () => false, {
    streams,
    observer: undefined,
    newRequestId: () => "an id",
  });
}

export async function serveOnBridge(
  handler: Handler,
  isDraining: () => boolean = () => false,
  streams?: StreamRoute,
): Promise<HandlerServer> {
  const bridge = new HttpBridge(handler, { isDraining });
  (uws as unknown as { _cfg(key: string): void })._cfg("silent");
  const app = uws.App();
  if (streams !== undefined) app.get("/*", bridge.streams(streams));
  app.any("/*", (response, request) => bridge.handle(response, request));
  const socket = await new Promise<uws.us_listen_socket | false>((resolve) =>
    app.listen("127.0.0.1", 0, resolve),
  );
  if (socket === false) throw new Error("cannot listen");
  return {
    port: uws.us_socket_local_port(socket),
    inFlight: () => bridge.inFlight,
    idle: () => within(bridge.idle(), () => `the end of ${bridge.inFlight} requests`),
    stop: async () => void app.close(),
  };
}

export async function serveOnNode(handler: Handler): Promise<HandlerServer> {
  let inFlight = 0;
  let settled: () => void = () => {};
  const server = createServer((request, response) => {
    inFlight++;
    response.on("close", () => {
      inFlight--;
      settled();
    });
    handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const idle = async (): Promise<void> => {
    while (inFlight > 0) {
      await new Promise<void>((resolve) => {
        settled = resolve;
      });
    }
  };
  return {
    port: (server.address() as AddressInfo).port,
    inFlight: () => inFlight,
    idle: () => within(idle(), () => `the end of ${inFlight} requests`),
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
