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

/** The pinned uWebSockets.js waits for more of these, for its ten seconds: no answer, no end. */
const STUCK_FIELDS = [
  "Host: x\r\nX-A: a\0b\r\n",
  "Host: x\r\nX-A: a\x01b\r\n",
  "Host: x\r\nX-A: a\rb\r\n",
  "Host: x\r\nX-A: a\nContent-Length: 3\r\n",
  "Host: x\r\nTransfer-Encoding: \x0bchunked\r\n",
  "Host: x\r\nTransfer-Encoding\t: chunked\r\n",
  "Host: x\r\nContent-Length : 3\r\n",
  "Host: x\r\nX-A\r\n",
  "Host: x\r\nX\x01A: b\r\n",
  "Host: x\r\nX\u00e9A: b\r\n",
  " X-A: b\r\nHost: x\r\n",
] as const;

/** What one server could take for the body of such a request. */
const BODIES = ["", "abc", "0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n", "0\r\n", "\r\n"] as const;

describe.each(KINDS)("%s, whatever its body is taken for,", (_kind, start) => {
  it.each([
    ...BAD_FIELDS,
    "Host: x\r\nX-A: a\x7fb\r\n",
    "Host: x\r\nHost:\r\n",
    "Host: x@y\r\n",
    "Host: x, y\r\n",
    "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "Host: x\r\nTransfer-Encoding:\r\nContent-Length: 3\r\n",
    "Host: x\r\nContent-Length:\r\nContent-Length: 3\r\n",
    "Host: x\r\nContent-Length: 9999999999999999\r\n",
    "Host: x\r\nContent-Length: 18446744073709551619\r\n",
    `Host: x\r\nContent-Length: ${"9".repeat(400)}\r\n`,
  ])("ends the connection, and lets no push behind that run: %j", async (fields) => {
    for (const body of BODIES) {
      const client = await RawHttp.connect(port);
      await client.send(`${start}${fields}\r\n${body}${pushOf("smuggled")}`);
      const answers = await client.answersUntilClosed();
      expect(answers.filter(({ status }) => status < 400)).toEqual([]);
    }
    await afterAnother();
    expect(events).toEqual(["honest"]);
  });

  it.each(STUCK_FIELDS)("lets no push behind that run: %j", async (fields) => {
    for (const body of BODIES) {
      const [together, apart] = [await RawHttp.connect(port), await RawHttp.connect(port)];
      await together.send(`${start}${fields}\r\n${body}${pushOf("smuggled")}`);
      await apart.send(`${start}${fields}\r\n${body}`, pushOf("smuggled"));
      await afterAnother();
      expect([together.pending, apart.pending]).toEqual(["", ""]);
      together.destroy();
      apart.destroy();
    }
    expect(new Set(events)).toEqual(new Set(["honest"]));
  });

  it("lets no push behind a bad head run, whatever stands beside it and wherever it is cut", async () => {
    const line = fc.constantFrom(
      ...["Host: x", "X-A: b", "X-B:", "Content-Length: 3", "Content-Length: 0", "Trailer: host"],
      ...["Transfer-Encoding: chunked", "Connection: close", "Connection: keep-alive"],
      ...["Expect: 100-continue", "TE: trailers", "Upgrade: h2c"],
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...BAD_FIELDS, ...STUCK_FIELDS),
        fc.array(line, { maxLength: 3 }),
        fc.array(line, { maxLength: 3 }),
        fc.constantFrom(...BODIES),
        fc.func(fc.boolean()),
        fc.array(fc.nat(1_000), { maxLength: 3 }),
        async (bad, before, behind, body, isUpper, places) => {
          events.length = 0;
          const fields = [...before, ...bad.split("\r\n").slice(0, -1), ...behind].map((each) =>
            each.replace(/^[^:]*/, (name) =>
              isUpper(name) ? name.toUpperCase() : name.toLowerCase(),
            ),
          );
          const client = await RawHttp.connect(port);
          const head = `${start}${fields.join("\r\n")}\r\n\r\n`;
          await client.send(...cut(`${head}${body}${pushOf("smuggled")}`, places));
          await afterAnother();
          client.destroy();
          expect(events).toEqual(["honest"]);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe("a push", () => {
  it("runs behind any well-formed head, wherever it is cut", async () => {
    const line = fc.constantFrom("X-A: b", "X-B:", "Connection: keep-alive", "Cookie: a=b");
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { maxLength: 3 }),
        fc.constantFrom(...BODIES),
        fc.array(fc.nat(1_000), { maxLength: 3 }),
        async (lines, body, places) => {
          events.length = 0;
          const fields = [...lines, "Host: x", `Content-Length: ${body.length}`].join("\r\n");
          const client = await RawHttp.connect(port);
          const first = `GET /health/live HTTP/1.1\r\n${fields}\r\n\r\n${body}`;
          await client.send(...cut(first, places), pushOf("second"));
          expect([(await client.answer()).status, (await client.answer()).status]).toEqual([
            200, 200,
          ]);
          client.destroy();
          expect(events).toEqual(["second"]);
        },
      ),
      { numRuns: 50 },
    );
  });

  it.each([
    "PUSH /api/push HTTP/1.1\r\n",
    "post /api/push HTTP/1.1\r\n",
    "GET /push_socket/websocket HTTP/1.1\r\n",
  ])("never runs behind what is refused with 400 for its first line: %j", async (line) => {
    const head = `${line}Host: x\r\n\r\n`;
    for (const segments of [[head + pushOf("smuggled")], [head, pushOf("smuggled")]]) {
      const client = await RawHttp.connect(port);
      await client.send(...segments);
      const answers = await client.answersUntilClosed();
      expect(answers.filter(({ status }) => status !== 400)).toEqual([]);
    }
    await afterAnother();
    expect(events).toEqual(["honest"]);
  });

  it("is none of HTTP's behind a well-formed upgrade", async () => {
    const head = `${KINDS[2][1]}Host: x\r\n\r\n`;
    for (const segments of [[head + pushOf("smuggled")], [head, pushOf("smuggled")]]) {
      const client = await RawHttp.connect(port);
      await client.send(...segments);
      expect((await client.answer()).status).toBe(101);
      await afterAnother();
      client.destroy();
    }
    expect(events).toEqual(["honest", "honest"]);
  });
});

/** Never within the first line: the pinned uWebSockets.js answers 505 to half a one. */
function cut(text: string, places: readonly number[]): string[] {
  const from = text.indexOf("\r\n") + 2;
  const at = places.map((place) => from + (place % (text.length - from + 1)));
  const sorted = [...new Set(at)].sort((a, b) => a - b);
  return [0, ...sorted].map((start, index) => text.slice(start, sorted[index] ?? text.length));
}
