import { createServer, type IncomingMessage, type Server, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { RejectedUpgrade } from "../../protocol/phoenix/upgrades.js";

/** As the adapter for uWebSockets.js writes it, to the byte. */
export function jsonBody(error: string): string {
  return `${JSON.stringify({ error })}\r\n`;
}

export const JSON_TYPE = "application/json; charset=utf-8";

/** Answers in place of the upgrade, and closes the connection. */
export function rejectUpgrade(
  stream: Duplex,
  { status, error, fields = {} }: RejectedUpgrade,
): void {
  const body = jsonBody(error);
  const all = {
    ...fields,
    "content-type": JSON_TYPE,
    connection: "close",
    "content-length": `${Buffer.byteLength(body)}`,
  };
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
  for (const [name, value] of Object.entries(all)) head += `${name}: ${value}\r\n`;
  stream.once("finish", () => stream.destroy());
  stream.end(`${head}\r\n${body}`);
}

/**
 * Serves requests that ask for an upgrade to something else as what they are without it. A server
 * with a listener for upgrades no longer does: `curl --http2` sends such requests, for example.
 */
export class RequestUpgrades {
  readonly #server: Server;
  /** Has no listener for upgrades. */
  #plain: Server | undefined;

  constructor(server: Server) {
    this.#server = server;
  }

  serve(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    this.#plain ??= createServer((...args) => void this.#server.emit("request", ...args));
    stream.unshift(Buffer.concat([headOf(request), head]));
    this.#plain.emit("connection", stream);
  }
}

function headOf({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  let head = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = "", value] = rawHeaders.slice(at, at + 2);
    if (!/^(?:connection|upgrade)$/i.test(name)) head += `${name}: ${value}\r\n`;
  }
  // The host's server does not know the connection any more, so it must not stay open.
  return Buffer.from(`${head}connection: close\r\n\r\n`, "latin1");
}
