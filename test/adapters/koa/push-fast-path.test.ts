import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { FastRequest } from "../../../src/adapters/uws/fast-path.js";
import { type ApiProcessed, type ApiRequested, createHexpush } from "../../../src/index.js";
import { jsonText } from "../../support/arbitraries.js";
import { Inbox } from "../../support/inbox.js";
import { RawHttp } from "../../support/raw-http.js";
import { plainAnswer, WORDS, wordPolicy } from "./fast-path-answers.js";
import { ask, push, type RunningHost, startOnUws, startWithMiddleware } from "./hosts.js";

const answers = vi.spyOn(FastRequest.prototype, "receive");
beforeEach(() => {
  answers.mockClear();
});

const plain = { "content-type": "application/json" };

describe("a push on the fast path, compared with the Koa route", () => {
  let fast: RunningHost;
  let koa: RunningHost;
  beforeAll(async () => {
    [fast, koa] = [
      await startOnUws({ policy: wordPolicy }),
      await startWithMiddleware({ policy: wordPolicy }),
    ];
  });
  afterAll(() => Promise.all([fast.stop(), koa.stop()]));

  const answerOf = (port: number, body: string, headers: Record<string, string>) =>
    plainAnswer(port, { path: "/api/push", body, headers: { ...plain, ...headers } });

  const member = (name: string) =>
    fc.oneof(
      fc.constant(`"${name}":"x"`),
      fc.constant(""),
      jsonText.map((j) => `"${name}":${j}`),
    );
  const body = fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .tuple(member("channel"), member("event"), member("data"), member("dry_run"))
        .map((members) => `{${members.filter((each) => each !== "").join(",")}}`),
    },
    { weight: 1, arbitrary: jsonText },
    { weight: 1, arbitrary: fc.constantFrom("{", "[]", '{"a":1}x') },
  );
  const headers = fc.record(
    {
      "x-word": fc.constantFrom(...WORDS),
      "idempotency-key": fc.constantFrom("a", "b", "é", "x".repeat(256)),
      accept: fc.constantFrom("*/*", "application/json"),
      "content-type": fc.constantFrom(plain["content-type"], "application/json; charset=utf-8"),
    },
    { requiredKeys: [] },
  );

  it("gets the same answer, to the byte", { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(body, headers, async (text, fields) => {
        const before = answers.mock.calls.length;
        const given = Object.fromEntries(
          Object.entries(fields).filter(([, value]) => value !== undefined),
        );
        expect(await answerOf(fast.port, text, given)).toEqual(
          await answerOf(koa.port, text, given),
        );
        expect(answers.mock.calls.length).toBe(before + 1);
      }),
      { numRuns: 300 },
    );
    const delivered = ({ delivered: messages }: RunningHost) =>
      messages.map(({ channel, event, data }) => [channel, event, data.text]);
    expect(delivered(fast)).toEqual(delivered(koa));
  });

  it.each([
    ["a body in chunks", { body: ['{"channel":"a","event":"e",', '"data":1}'] }],
    ["another media type", { headers: { "content-type": "text/plain" } }],
    ["a query string", { path: "/api/push?dry_run=1" }],
    ["another path to it", { path: "/api//push" }],
    ["a page's origin", { headers: { ...plain, origin: "http://a.example" } }],
    ["an answer that is not wanted", { headers: { ...plain, accept: "text/html" } }],
    ["a last request", { headers: { ...plain, connection: "close" } }],
    ["a compressed body", { headers: { ...plain, "content-encoding": "gzip" } }],
    ["more than it reads at once", { body: JSON.stringify({ data: "x".repeat(70_000) }) }],
  ])("is not for %s", async (_name, request) => {
    const body = '{"channel":"a","event":"e","data":1}';
    await ask(fast.port, { body, headers: plain, ...request });
    expect(answers).not.toHaveBeenCalled();
  });

  it("reads a body that comes in pieces, and forgets one whose client goes away", async () => {
    const client = await RawHttp.connect(fast.port);
    const body = '{"channel":"pieces","event":"e","data":"é"}';
    const length = Buffer.byteLength(body);
    const head = `POST /api/push HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;
    const bytes = Buffer.from(body);
    await client.send(head, ...[...bytes].map((byte) => Uint8Array.of(byte)));
    expect((await client.answer()).status).toBe(200);
    client.destroy();

    const gone = await RawHttp.connect(fast.port);
    gone.write(`${head}{"channel":`);
    gone.destroy();
    await expect.poll(() => push(fast.port, body).then(({ status }) => status)).toBe(200);
    expect(fast.delivered.filter(({ channel }) => channel === "pieces")).toHaveLength(2);
  });
});

describe("a host that is to see every request", () => {
  let host: RunningHost;
  afterEach(() => host.stop());
  const body = { channel: "a", event: "e", data: 1 };

  it("by middleware, does", async () => {
    host = await startWithMiddleware();
    expect((await push(host.port, body)).status).toBe(200);
    expect(answers).not.toHaveBeenCalled();
  });

  it("by an app of its own, does", async () => {
    const { default: Koa } = await import("koa");
    const { ContainerModule } = await import("inversify");
    const { TOKENS } = await import("../../../src/index.js");
    const app = new Koa().use((ctx) => {
      ctx.body = "mine";
    });
    const modules = [
      new ContainerModule(({ rebind }) => void rebind(TOKENS.koaApp).toConstantValue(app)),
    ];
    host = await startOnUws({ modules });
    expect((await push(host.port, body)).text).toBe("mine");
  });
});

describe("what watches requests", () => {
  let host: RunningHost;
  afterEach(() => host.stop());
  const body = '{"channel":"a","event":"e","data":1}';

  it.each([
    ["the request log", { requestLog: true }],
    ["a listener of requests", { listeners: [{ apiRequested() {} }] }],
    ["a listener of answers", { listeners: [{ apiProcessed() {} }] }],
  ])("leaves the fast path on: %s", async (_name, options) => {
    host = await startOnUws(options);
    expect((await push(host.port, body)).status).toBe(200);
    expect(answers).toHaveBeenCalledTimes(1);
  });

  it("hears of a request before its body has arrived, and of a client that goes away then", async () => {
    const heard = new Inbox<unknown>("events");
    const listener = {
      apiRequested: (event: ApiRequested) => heard.push(event),
      apiProcessed: (event: ApiProcessed) => heard.push(event),
    };
    host = await startOnUws({ listeners: [listener] });
    const client = await RawHttp.connect(host.port);
    client.write(
      `POST /api/push HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n{`,
    );
    const requested = await heard.next();
    expect(requested).toMatchObject({ method: "POST", path: "/api/push" });
    client.destroy();
    expect(await heard.next()).toEqual({
      ...(requested as ApiRequested),
      status: undefined,
      durationMs: expect.any(Number),
    });
    expect(answers).toHaveBeenCalledTimes(1);
  });
});

describe("a drain", () => {
  it("waits for a push on the fast path, and tells its client to close the connection", async () => {
    let decide = (): void => {};
    const waiting = new Promise<void>((resolve) => {
      decide = resolve;
    });
    const asked = vi.fn();
    const hexpush = createHexpush({
      port: 0,
      logLevel: "silent",
      policy: {
        ...wordPolicy,
        authorizePush: () => {
          asked();
          return waiting.then(() => ({ allow: true }));
        },
      },
    });
    const { port } = await hexpush.start();
    const answer = push(port, { channel: "a", event: "e", data: 1 });
    await expect.poll(() => asked.mock.calls.length).toBe(1);
    const stopped = hexpush.stop(5);
    decide();
    expect((await answer).headers.connection).toBe("close");
    await stopped;
    expect(answers).toHaveBeenCalledTimes(1);
  });
});
