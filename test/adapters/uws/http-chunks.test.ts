import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { chunked, pushBytes, RawHttp } from "../../support/raw-http.js";
import { type RunningHost, startOnUws } from "../koa/hosts.js";

/*
 * uWebSockets.js reads chunks leniently: it takes an empty size for the last chunk, a lone LF for a
 * line break, any two bytes behind a chunk, and `;` for a digit. What it takes for the end of a
 * body may be its middle for another server, so that nothing behind it may run.
 */

const HEAD =
  "POST /api/push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" +
  "Transfer-Encoding: chunked\r\n\r\n";
const BODY = '{"channel":"first","event":"e","data":1}';
const SIZE = BODY.length.toString(16);

let host: RunningHost;
let before = 0;
const delivered = () => host.delivered.slice(before).map(({ channel }) => channel);

beforeAll(async () => {
  host = await startOnUws();
});
afterAll(() => host.stop());
beforeEach(() => {
  before = host.delivered.length;
});

/** A push on a connection of its own: once it is answered, what was sent before has had its turn. */
async function afterAnother(): Promise<void> {
  const client = await RawHttp.connect(host.port);
  await client.send(pushBytes("honest"));
  expect((await client.answer()).status).toBe(200);
  client.destroy();
}

const GARBAGE = [
  `\r\n`,
  `0\r\n`,
  `0\r\nX`,
  `0\r\nXX`,
  `0\r\nX-Trailer: 1\r\n\r\n`,
  `${SIZE}\n${BODY}\r\n0\r\n\r\n`,
  `${SIZE}\r\n${BODY}\n0\n\n`,
  `${SIZE}\r\n${BODY}XX0\r\n\r\n`,
  `${SIZE}\r\n${BODY}0\r\n\r\n`,
  `${SIZE} \r\n${BODY}\r\n0\r\n\r\n`,
  ` ${SIZE}\r\n${BODY}\r\n0\r\n\r\n`,
  `+${SIZE}\r\n${BODY}\r\n0\r\n\r\n`,
  `-${SIZE}\r\n${BODY}\r\n0\r\n\r\n`,
  `0x${SIZE}\r\n${BODY}\r\n0\r\n\r\n`,
  `${SIZE};a=b\r\n${BODY}\r\n0\r\n\r\n`,
  `${SIZE};\n${BODY}\r\n0\r\n\r\n`,
  `${"0".repeat(40)}${SIZE}\r\n${BODY}\r\n0\r\n\r\n`,
  `${SIZE}\r\n${BODY}\r\n${"0".repeat(40)}\r\n\r\n`,
  `1${"0".repeat(16)}${SIZE}\r\n${BODY}\r\n0\r\n\r\n`,
  `zz\r\n${BODY}\r\n0\r\n\r\n`,
  `\0\r\n${BODY}\r\n0\r\n\r\n`,
  `${SIZE}\r\n${BODY}\r\n\r\n\r\n`,
  `${SIZE}\r\n${BODY}\r\n;\r\n\r\n`,
];

describe("behind chunks of any kind", () => {
  it.each(GARBAGE)("no push runs, from the same bytes: %j", async (chunks) => {
    const client = await RawHttp.connect(host.port);
    await client.send(HEAD + chunks + pushBytes("smuggled") + pushBytes("smuggled"));
    client.end();
    await client.closed();
    await afterAnother();
    expect(delivered()).toEqual(["honest"]);
  });

  it.each(GARBAGE)("no push runs, from later bytes: %j", async (chunks) => {
    const client = await RawHttp.connect(host.port);
    await client.send(HEAD, chunks, pushBytes("smuggled"), pushBytes("smuggled"));
    client.end();
    await client.closed();
    await afterAnother();
    expect(delivered()).not.toContain("smuggled");
  });

  it("no push runs, whatever they are and however they are cut", async () => {
    const chunk = fc.oneof(
      fc.constantFrom(...GARBAGE),
      fc
        .array(fc.integer({ min: 1, max: 40 }), { minLength: 1 })
        .map((sizes) => chunked(BODY, sizes)),
      fc.string({ unit: fc.constantFrom(..."0123456789abcf;=\r\n \t"), maxLength: 30 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(chunk, { maxLength: 3 }), fc.boolean(), async (chunks, isCut) => {
        const bytes = chunks.join("") + pushBytes("smuggled");
        const client = await RawHttp.connect(host.port);
        await client.send(...(isCut ? [HEAD, bytes, pushBytes("smuggled")] : [HEAD + bytes]));
        client.end();
        await client.closed();
        await afterAnother();
        expect(delivered()).not.toContain("smuggled");
      }),
      { numRuns: 150 },
    );
  });

  it("no push runs where the answer does not wait for them", async () => {
    for (const line of ["POST /nowhere", "PUT /api/push", "GET /health/live"]) {
      const head = `${line} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`;
      for (const segments of [
        [head + chunked(BODY, [5]) + pushBytes("smuggled")],
        [head, chunked(BODY, [5]) + pushBytes("smuggled")],
        [head, chunked(BODY, [5]), pushBytes("smuggled")],
        [head, `\r\n${pushBytes("smuggled")}`, pushBytes("smuggled")],
      ]) {
        const client = await RawHttp.connect(host.port);
        await client.send(...segments);
        await client.closed();
      }
    }
    await afterAnother();
    expect(delivered()).toEqual(["honest"]);
  });

  it("the push that they carry is not delivered where bytes follow: nobody could be told of it", async () => {
    const client = await RawHttp.connect(host.port);
    await client.send(HEAD + chunked(BODY, [5]) + pushBytes("second"));
    expect(await client.answersUntilClosed()).toEqual([]);
    await afterAnother();
    expect(delivered()).toEqual(["honest"]);
  });

  it("nothing follows: the push that they carry is delivered and answered, and is the last", async () => {
    for (const segments of [[HEAD + chunked(BODY, [5])], [HEAD, ...chunked(BODY, [20])]]) {
      before = host.delivered.length;
      const client = await RawHttp.connect(host.port);
      await client.send(...segments);
      const answer = await client.answer();
      expect(answer.body).toBe('{"channel":["first"],"data":1,"event":"e"}');
      expect(answer.header("connection")).toBe("close");
      expect(await client.closed()).toBe("end");
      expect(delivered()).toEqual(["first"]);
    }
  });
});

describe("a request with a method", () => {
  it.each(["get", "Get", "post", "pOST", "G@T", "GETX", "BREW", "0"])(
    "that is unknown is refused, and is the last: %s",
    async (method) => {
      for (const path of ["/health/live", "/api/push"]) {
        const client = await RawHttp.connect(host.port);
        await client.send(`${method} ${path} HTTP/1.1\r\nHost: x\r\n\r\n`, pushBytes("smuggled"));
        const [answer, ...others] = await client.answersUntilClosed();
        expect(others).toEqual([]);
        expect(answer?.status).toBe(400);
        expect(answer?.json()).toEqual({ error: "The method is unknown." });
      }
      await afterAnother();
      expect(delivered()).toEqual(["honest"]);
    },
  );
});

describe("an upgrade request with a body", () => {
  it.each(["Content-Length: 500\r\n", "Transfer-Encoding: chunked\r\n", ""])(
    "runs no push from it: %j",
    async (framing) => {
      for (const isCut of [false, true]) {
        const head =
          `GET /push_socket/websocket HTTP/1.1\r\nHost: x\r\n${framing}Upgrade: websocket\r\n` +
          "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        const client = await RawHttp.connect(host.port);
        await client.send(
          ...(isCut ? [head, pushBytes("smuggled")] : [head + pushBytes("smuggled")]),
        );
        client.end();
        await client.closed();
      }
      await afterAnother();
      expect(delivered()).toEqual(["honest"]);
    },
  );
});

describe("a header field with a control character", () => {
  const controls = [0, 1, 7, 8, 11, 12, 31, 127].map((code) => String.fromCharCode(code));
  it.each(controls)("lets nothing behind it run: %j", async (control) => {
    for (const field of [
      `X-A: a${control}b`,
      `X-A: ${control}`,
      `X${control}A: b`,
      `X-A: b${control}`,
    ]) {
      const head = `GET /health/live HTTP/1.1\r\nHost: x\r\n${field}\r\n\r\n`;
      const client = await RawHttp.connect(host.port);
      await client.send(head + pushBytes("smuggled"));
      client.end();
      const answers = await client.answersUntilClosed();
      expect(answers.filter(({ status }) => status < 400)).toEqual([]);
    }
    await afterAnother();
    expect(delivered()).toEqual(["honest"]);
  });
});
