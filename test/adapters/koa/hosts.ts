import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  request,
} from "node:http";
import type { AddressInfo } from "node:net";
import { pino } from "pino";
import {
  createHexpush,
  type Hexpush,
  type HexpushOptions,
  type Message,
} from "../../../src/index.js";
import { within } from "../../support/inbox.js";

/** The HTTP API on one of the servers that it runs on. */
export interface RunningHost {
  readonly port: number;
  readonly hexpush: Hexpush;
  /** Every message that was delivered to any channel, in order. */
  readonly delivered: readonly Message[];
  /** The whole log, at level trace, one line of JSON for each entry. */
  readonly log: readonly string[];
  stop(): Promise<void>;
}

export type StartHost = (options?: HexpushOptions) => Promise<RunningHost>;

/** For `describe.each`: what must hold on one holds on the other. */
export const HOSTS: readonly (readonly [name: string, start: StartHost])[] = [
  ["uWebSockets.js", startOnUws],
  ["uWebSockets.js without the fast path", startWithMiddleware],
  ["node:http", startOnNode],
];

/** A host's middleware sees every request, so the fast path is off. */
export function startWithMiddleware(options: HexpushOptions = {}): Promise<RunningHost> {
  const { middleware = [] } = options;
  return startOnUws({ ...options, middleware: [(_ctx, next) => next(), ...middleware] });
}

export async function startOnUws(options: HexpushOptions = {}): Promise<RunningHost> {
  const made = make(options);
  const { port } = await made.hexpush.start();
  return { ...made, port, stop: () => made.hexpush.stop(0) };
}

export async function startOnNode(options: HexpushOptions = {}): Promise<RunningHost> {
  const made = make(options);
  const server = createServer(made.hexpush.callback());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const stop = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  };
  return { ...made, port, stop };
}

function make(options: HexpushOptions): Pick<RunningHost, "hexpush" | "delivered" | "log"> {
  const delivered: Message[] = [];
  const log: string[] = [];
  const logger = pino({ level: "trace" }, { write: (line: string) => void log.push(line) });
  const recorder = {
    // Sees everything, and is no socket: what a push comes to is that of the other transports.
    deliver: (message: Message) => {
      delivered.push(message);
      return 0;
    },
    subscribers: () => 0,
    counts: () => ({ sockets: 0, subscriptions: 0 }),
    closeSockets: () => 0,
  };
  const hexpush = createHexpush({
    port: 0,
    logger,
    ...options,
    transports: [recorder, ...(options.transports ?? [])],
  });
  return { hexpush, delivered, log };
}

export interface Ask {
  readonly method?: string;
  /** @defaultValue "/api/push" */
  readonly path?: string;
  readonly headers?: OutgoingHttpHeaders;
  /** Several pieces are sent in chunks. */
  readonly body?: string | Uint8Array | readonly (string | Uint8Array)[];
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** One request on a connection of its own; POST where there is a body. */
export function ask(port: number, { method, path, headers, body }: Ask): Promise<Answer> {
  const pieces = body === undefined || typeof body === "string" || body instanceof Uint8Array;
  const agent = new Agent({ keepAlive: true });
  const answer = new Promise<Answer>((resolve, reject) => {
    const outgoing = request(
      {
        port,
        host: "127.0.0.1",
        path: path ?? "/api/push",
        method: method ?? (body === undefined ? "GET" : "POST"),
        headers: headers ?? {},
        // The fast path serves only connections that stay open, as a backend's do.
        agent,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () =>
          resolve({
            status: response.statusCode as number,
            headers: response.headers,
            text: Buffer.concat(chunks).toString("utf8"),
          }),
        );
      },
    );
    outgoing.on("error", reject);
    if (pieces) outgoing.end(body);
    else {
      for (const piece of body) outgoing.write(piece);
      outgoing.end();
    }
  });
  return within(answer, `an answer to ${method ?? ""} ${path ?? "/api/push"}`).finally(() =>
    agent.destroy(),
  );
}

export const JSON_TYPE = { "content-type": "application/json" } as const;
export const FORM_TYPE = { "content-type": "application/x-www-form-urlencoded" } as const;

/** `POST /api/push` with this JSON text, or the JSON of this value. */
export function push(port: number, body: unknown, headers: OutgoingHttpHeaders = {}) {
  const text = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
  return ask(port, { body: text, headers: { ...JSON_TYPE, ...headers } });
}

export function pushForm(port: number, body: string, headers: OutgoingHttpHeaders = {}) {
  return ask(port, { body, headers: { ...FORM_TYPE, ...headers } });
}
