import { once } from "node:events";
import { connect } from "node:net";
import { expect, it } from "vitest";
import { listedOrigins } from "../../../src/application/origins.js";
import { SOCKET_PATH } from "../../../src/protocol/phoenix/upgrades.js";
import { within } from "../../support/inbox.js";
import { LIBRARIES, startPhoenixForTest } from "../../support/phoenix-server.js";

const KEY = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
const UPGRADE = [
  "host: x",
  "connection: upgrade",
  "upgrade: websocket",
  "sec-websocket-version: 13",
];

/** Heads of requests, and the status that answers them. */
const HEADS: readonly (readonly [name: string, status: number, head: string])[] = [
  ["no version", 101, head(`GET ${SOCKET_PATH}`, [...UPGRADE, KEY])],
  ["an unknown version", 403, head(`GET ${SOCKET_PATH}?vsn=9.0.0`, [...UPGRADE, KEY])],
  [
    "another origin",
    403,
    head(`GET ${SOCKET_PATH}`, [...UPGRADE, KEY, "origin: http://bad.example"]),
  ],
  ["what the policy denies", 403, head(`GET ${SOCKET_PATH}?id=denied`, [...UPGRADE, KEY])],
  ["no key", 400, head(`GET ${SOCKET_PATH}`, UPGRADE)],
  ["a POST", 400, head(`POST ${SOCKET_PATH}`, [...UPGRADE, KEY, "content-length: 0"])],
  ["a plain GET", 400, head(`GET ${SOCKET_PATH}`, ["host: x"])],
];

it.each(HEADS)(
  "every library answers %s with %i and the same bytes",
  async (_name, status, text) => {
    const answers: unknown[] = [];
    for (const library of LIBRARIES) {
      const { port } = await startPhoenixForTest({
        library,
        origins: listedOrigins(["http://good.example"]),
        policy: { authorizeConnect: ({ params }) => ({ allow: params.id !== "denied" }) },
      });
      const socket = connect(port, "127.0.0.1");
      socket.write(text);
      let bytes = "";
      socket.on("data", (chunk) => {
        bytes += chunk.toString("latin1");
        if (bytes.startsWith("HTTP/1.1 101")) socket.destroy();
      });
      socket.on("error", () => {});
      await within(once(socket, "close"), "the end of the connection");
      const [line, body] = [bytes.split("\r\n", 1)[0], bytes.slice(bytes.indexOf("\r\n\r\n"))];
      answers.push({
        line,
        type: /content-type: .*/.exec(bytes)?.[0],
        body: status === 101 ? "" : body,
      });
      expect(line).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    }
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  },
);

function head(line: string, fields: readonly string[]): string {
  return `${[`${line} HTTP/1.1`, ...fields].join("\r\n")}\r\n\r\n`;
}
