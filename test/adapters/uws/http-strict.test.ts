import fc from "fast-check";
import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createHexpush, type Hexpush, MemoryTransport } from "../../../src/index.js";
import { RawHttp } from "../../support/raw-http.js";

/*
 * Request smuggling (RFC 9112, section 11.2): behind a head that two servers could read in two ways
 * stands a whole push. It must never be delivered, neither from the same bytes nor from later ones.
 */

const events: string[] = [];
let hexpush: Hexpush;
let port: number;

beforeAll(async () => {
  const transport = new MemoryTransport();
  transport.connect({ onMessage: ({ event }) => events.push(event) }).join("watched");
  hexpush = createHexpush({
    port: 0,
    logger: pino({ level: "silent" }),
    transports: [transport],
  });
  ({ port } = await hexpush.start());
});

afterAll(() => hexpush.stop(0));

beforeEach(() => {
  events.length = 0;
});

function pushOf(event: string): string {
  const body = JSON.stringify({ channel: "watched", event, data: 1 });
  return `POST /api/push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

const UPGRADE =
  "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/** Each kind of request that a bad head can come with, up to the fields in question. */
const KINDS = [
  ["a push", "POST /api/push HTTP/1.1\r\nContent-Type: application/json\r\n"],
  ["a health check", "GET /health/live HTTP/1.1\r\n"],
  ["an upgrade", `GET /push_socket/websocket?vsn=2.0.0 HTTP/1.1\r\n${UPGRADE}`],
] as const;

/** Heads that uWebSockets.js lets through, or refuses by itself. */
const BAD_FIELDS = [
  "Host: x\r\nTransfer-Encoding: gzip\r\n",
  "Host: x\r\nTransfer-Encoding: gzip, chunked\r\n",
  "Host: x\r\nTransfer-Encoding: chunked, chunked\r\n",
  "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
  "Host: x\r\nTransfer-Encoding: Chunked\r\n",
  "Host: x\r\nTransfer-Encoding: xchunked\r\n",
  "Host: x\r\nTransfer-Encoding:\r\n",
  "Host: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n",
  "Host: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n",
  "Host: x\r\nContent-Length:\r\n",
  "Host: x\r\nContent-Length: +0\r\n",
  "Host: x\r\nContent-Length: -1\r\n",
  "Host: x\r\nContent-Length: 0, 0\r\n",
  "Host: x\r\nContent-Length: 0x0\r\n",
  "Host: x\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n",
  "Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n",
  "Host: x\r\nHost: x\r\n",
  "Host: x\r\nHost: y\r\n",
  "Host:\r\n",
  "Host: a b\r\n",
  "Host: a/b\r\n",
] as const;

/** A push on a connection of its own: once it is answered, what was sent before has had its turn. */
async function afterAnother(): Promise<void> {
  const client = await RawHttp.connect(port);
  await client.send(pushOf("honest"));
  expect((await client.answer()).status).toBe(200);
  client.destroy();
}

describe.each(KINDS)("%s with a head that a strict server refuses", (_kind, start) => {
  it.each(BAD_FIELDS)("is answered 400 and is the last on its connection: %j", async (fields) => {
    const client = await RawHttp.connect(port);
    await client.send(`${start}${fields}\r\n`);
    const [answer, ...others] = await client.answersUntilClosed();
    expect(others).toEqual([]);
    expect([answer?.status, answer?.header("connection")]).toEqual([400, "close"]);
    // Some are refused by uWebSockets.js itself, in HTML.
    if (answer?.header("content-type")?.includes("json")) {
      expect(answer.json()).toEqual({ error: expect.stringMatching(/\.$/) });
    }
  });

  it.each(BAD_FIELDS)("lets no push behind it run, from the same bytes: %j", async (fields) => {
    const client = await RawHttp.connect(port);
    await client.send(`${start}${fields}\r\n${pushOf("smuggled")}`);
    const answers = await client.answersUntilClosed();
    expect(answers.filter(({ status }) => status < 400)).toEqual([]);
    await afterAnother();
    expect(events).toEqual(["honest"]);
  });

  it.each(BAD_FIELDS)("lets no push behind it run, from later bytes: %j", async (fields) => {
    const client = await RawHttp.connect(port);
    await client.send(`${start}${fields}\r\n`, pushOf("smuggled"), pushOf("smuggled"));
    const answers = await client.answersUntilClosed();
    expect(answers.filter(({ status }) => status < 400)).toEqual([]);
    await afterAnother();
    expect(events).toEqual(["honest"]);
  });
});

describe("a well-formed head", () => {
  it("lets the push behind it run: these tests could fail", async () => {
    const client = await RawHttp.connect(port);
    await client.send(
      `GET /health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n${pushOf("second")}`,
    );
    expect([(await client.answer()).status, (await client.answer()).status]).toEqual([200, 200]);
    expect(events).toEqual(["second"]);
    client.destroy();
  });
});

describe("any combination of framing fields", () => {
  it("lets a push behind it run only where the head is well-formed", async () => {
    const value = fc.constantFrom(
      "0",
      "",
      "1",
      "+0",
      "0,0",
      "chunked",
      "gzip",
      "chunked, gzip",
      "x",
      "a b",
      " ",
    );
    const field = fc.tuple(fc.constantFrom("Host", "Content-Length", "Transfer-Encoding"), value);
    await fc.assert(
      fc.asyncProperty(
        fc.array(field, { maxLength: 4 }),
        fc.constantFrom(...KINDS),
        async (fields, [, start]) => {
          events.length = 0;
          const client = await RawHttp.connect(port);
          const lines = fields.map(([name, text]) => `${name}: ${text}\r\n`).join("");
          await client.send(`${start}Host: x\r\n${lines}\r\n${pushOf("smuggled")}`);
          client.end();
          await afterAnother();
          client.destroy();
          const isPlain = fields.every(([name, text]) => name === "Content-Length" && text === "0");
          if (!isPlain || fields.length > 1) expect(events).not.toContain("smuggled");
        },
      ),
      { numRuns: 150 },
    );
  });
});
