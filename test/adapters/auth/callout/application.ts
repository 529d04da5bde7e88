import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { HttpCalloutPolicy } from "../../../../src/adapters/auth/callout/http-callout.js";
import type {
  CalloutFaultReport,
  HttpCalloutOptions,
} from "../../../../src/adapters/auth/callout/options.js";
import { ANONYMOUS } from "../../../../src/domain/auth-policy.js";
import { Json } from "../../../../src/domain/json.js";

export interface Asked {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export type Handler = (asked: Asked, response: ServerResponse) => unknown;

/** A user's application: a real HTTP server that keeps what it was asked. */
export interface Application {
  readonly url: string;
  readonly asked: Asked[];
  /** How many connections it was given. */
  readonly connections: () => number;
  /** How many of them were open at one time, at most. */
  readonly peak: () => number;
  stop(): Promise<void>;
}

export async function startApplication(handler: Handler): Promise<Application> {
  const asked: Asked[] = [];
  let [connections, open, peak] = [0, 0, 0];
  const server = createServer(async (request, response) => {
    const { method, url, headers } = request;
    const each = { method, url, headers, body: await text(request) };
    asked.push(each);
    await handler(each, response);
  });
  server.on("connection", (socket) => {
    connections++;
    open++;
    peak = Math.max(peak, open);
    socket.on("close", () => open--);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/auth`,
    asked,
    connections: () => connections,
    peak: () => peak,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** A server of bare bytes: `talk` is called with each connection once a whole question has come. */
export async function startTalker(talk: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  let questions = 0;
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (bytes) => {
      // A question is small, and its JSON ends with the one closing brace at the end of a chunk.
      if (!bytes.toString("latin1").endsWith("}")) return;
      questions++;
      talk(socket);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    questions: () => questions,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** What an application answers that has a body to say. */
export function say(body: unknown, fields: Record<string, string> = {}, status = 200): Handler {
  return (_asked, response) => {
    response.writeHead(status, { "content-type": "application/json", ...fields });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  };
}

/** A policy and what it has reported. */
export function policyFor(url: string, options: Partial<HttpCalloutOptions> = {}) {
  const faults: CalloutFaultReport[] = [];
  const policy = new HttpCalloutPolicy({
    url,
    onFault: (fault) => faults.push(fault),
    ...options,
  });
  return { policy, faults, messages: () => faults.map(({ message }) => message) };
}

export const push = {
  method: "POST",
  path: "/api/push",
  headers: { authorization: "Bearer s3cret-key", "x-other": "unseen" },
  remoteAddress: "192.0.2.7",
  input: { channel: ["a", "b"], event: "woohoo", data: Json.parse("12345678901234567890.10") },
};

export const connect = {
  headers: { origin: "https://app.example", cookie: "sid=s3cret-cookie" },
  remoteAddress: "192.0.2.8",
  origin: "https://app.example",
  params: { room: "1", token: "s3cret-token" },
  token: "s3cret-token",
};

export const join = {
  channel: "room:1",
  params: Json.parse('{"id":12345678901234567890}'),
  identity: ANONYMOUS,
};
