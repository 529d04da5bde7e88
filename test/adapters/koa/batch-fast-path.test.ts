import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { FastRequest } from "../../../src/adapters/uws/fast-path.js";
import { blank, jsonText } from "../../support/arbitraries.js";
import { RawHttp } from "../../support/raw-http.js";
import { headOf, plainAnswer, WORDS, wordPolicy } from "./fast-path-answers.js";
import { type Ask, ask, type RunningHost, startOnUws, startWithMiddleware } from "./hosts.js";

const answers = vi.spyOn(FastRequest.prototype, "receive");
beforeEach(() => {
  answers.mockClear();
});

const path = "/api/push/batch";
const plain = { "content-type": "application/json" };
const batchOf = (...data: unknown[]) =>
  JSON.stringify({ pushes: data.map((each) => ({ channel: "a", event: "e", data: each })) });

const delivered = ({ delivered: messages }: RunningHost) =>
  messages.map(({ channel, event, data }) => [channel, event, data.text]);

const member = (name: string, ...good: string[]) =>
  fc.oneof(
    { weight: 24, arbitrary: fc.constantFrom(...good).map((value) => `"${name}": ${value}`) },
    { weight: 1, arbitrary: fc.constant("") },
    { weight: 1, arbitrary: jsonText.map((json) => `"${name}":${json}`) },
  );
const objectOf = (...members: fc.Arbitrary<string>[]) =>
  fc
    .tuple(fc.tuple(...members), blank)
    .map(([each, space]) => `{${each.filter((text) => text !== "").join(`${space},`)}}`);
const dryRun = (weight: number) =>
  fc.oneof(
    { weight, arbitrary: fc.constant("") },
    member("dry_run", "true", "false", '"1"', "2", "null"),
  );
const pushText = objectOf(
  member("channel", '"x"', '"a channel of some length"', '["a","b","a"]', '"\\u00e9"', '"é"'),
  member("event", '"e"', '"order.updated"', '"\\n"', '""'),
  fc.oneof(
    member("data", "1", "null", '{"a":[{"b":1e400}],"text":"thirteen or more"}'),
    jsonText.map((json) => `"data":${json}`),
  ),
  dryRun(8),
);
const pushes = fc
  .array(fc.oneof({ weight: 8, arbitrary: pushText }, jsonText), { maxLength: 12 })
  .map((items) => `"pushes":[${items.join(",")}]`);
const batchText = objectOf(dryRun(8), pushes, dryRun(12));
const body = fc.oneof(
  { weight: 12, arbitrary: batchText },
  // Broken off, or with a character too many or another one.
  {
    weight: 3,
    arbitrary: fc
      .tuple(batchText, fc.nat(), fc.constantFrom("", "x", '"', "}", "\\", "\n", "é"), fc.nat(1))
      .map(([text, at, put, drop]) => {
        const place = at % text.length;
        return `${text.slice(0, place)}${put}${text.slice(place + drop)}`;
      }),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(batchText, fc.nat()).map(([t, at]) => `{${t.slice(0, at % 99)}`),
  },
  { weight: 1, arbitrary: jsonText },
  { weight: 1, arbitrary: fc.constantFrom("{", "[]", "{}", '{"pushes":[]}', '{"pushes":[1]}x') },
);
const maybe = <T>(each: fc.Arbitrary<T>) => fc.option(each, { freq: 2, nil: undefined });
const headers = fc.record({
  "x-word": maybe(fc.constantFrom(...WORDS)),
  "idempotency-key": maybe(
    fc.oneof(
      { weight: 3, arbitrary: fc.nat().map((number) => `key ${number}`) },
      fc.constantFrom("a", "é", "x".repeat(256)),
    ),
  ),
  accept: maybe(fc.constantFrom("*/*", "application/json")),
  "content-type": fc.constantFrom(plain["content-type"], "application/json; charset=utf-8"),
});

describe("a batch on the fast path, compared with the Koa route", () => {
  let fast: RunningHost;
  let koa: RunningHost;
  beforeAll(async () => {
    const options = { policy: wordPolicy, pushesPerBatch: 10 };
    [fast, koa] = [await startOnUws(options), await startWithMiddleware(options)];
  });
  afterAll(() => Promise.all([fast.stop(), koa.stop()]));

  it("gets the same answer, to the byte", { timeout: 60_000 }, async () => {
    const seen = new Set<number>();
    await fc.assert(
      fc.asyncProperty(body, headers, async (text, fields) => {
        const before = answers.mock.calls.length;
        const own = Object.entries(fields).filter(([, value]) => value !== undefined);
        const post = { path, body: text, headers: { ...plain, ...Object.fromEntries(own) } };
        // A repeat too: of what a key was used for.
        const times = fields["idempotency-key"] === undefined ? 1 : 2;
        for (let time = 0; time < times; time++) {
          const answer = await plainAnswer(fast.port, post);
          expect(answer).toEqual(await plainAnswer(koa.port, post));
          seen.add(answer.status);
        }
        expect(answers.mock.calls.length).toBe(before + times);
      }),
      { numRuns: 400 },
    );
    expect(delivered(fast)).toEqual(delivered(koa));
    expect(fast.delivered.length).toBeGreaterThan(200);
    for (const status of [200, 400, 403, 418, 422]) expect(seen).toContain(status);
  });

  it("reads one of many bytes that comes in pieces, and forgets one whose client goes away", async () => {
    const text = batchOf("é".repeat(60_000), ...Array.from({ length: 9 }, (_, at) => at));
    const head = headOf({ path, body: text, headers: plain });
    const bytes = Buffer.from(text);
    const pieces = Array.from({ length: 10 }, (_, at) =>
      bytes.subarray(at * 13_001, (at + 1) * 13_001),
    );
    const client = await RawHttp.connect(fast.port);
    await client.send(head, ...pieces);
    const answer = await client.answer();
    expect(answer.status).toBe(200);
    client.destroy();
    expect(answers).toHaveBeenCalledTimes(1);
    expect(fast.delivered.slice(-10).map(({ data }) => data.value())).toEqual([
      "é".repeat(60_000),
      ...Array.from({ length: 9 }, (_, at) => at),
    ]);

    const gone = await RawHttp.connect(fast.port);
    await gone.send(head, bytes.subarray(0, 50_000));
    gone.destroy();
    const next = await plainAnswer(fast.port, { path, body: batchOf("next"), headers: plain });
    expect(next.status).toBe(200);
    // All three were on the fast path, and the one that broke off delivered nothing.
    expect(answers).toHaveBeenCalledTimes(3);
    expect(fast.delivered.slice(-2).map(({ data }) => data.value())).toEqual([8, "next"]);
  });
});

describe("a host with a fast path for batches", () => {
  let host: RunningHost;
  beforeEach(async () => {
    host = await startOnUws();
  });
  afterEach(() => host.stop());

  const others: readonly (readonly [string, Partial<Ask>])[] = [
    ["a body in chunks", { body: ['{"pushes":[{"channel":"a","event":"e",', '"data":1}]}'] }],
    ["a form", { headers: { "content-type": "application/x-www-form-urlencoded" } }],
    ["another media type of JSON", { headers: { "content-type": "application/a+json" } }],
    ["a query string", { path: `${path}?dry_run=1` }],
    ["another path to it", { path: "/api//push/batch" }],
    ["a page's origin", { headers: { ...plain, origin: "http://a.example" } }],
    ["an answer that is not wanted", { headers: { ...plain, accept: "text/html" } }],
    ["a last request", { headers: { ...plain, connection: "close" } }],
    ["a compressed body", { headers: { ...plain, "content-encoding": "gzip" } }],
    ["more than it reads at once", { body: batchOf("x".repeat(270_000)) }],
    ["no body at all", { body: "" }],
  ];
  it.each(others)("leaves %s to the Koa route", async (_name, request) => {
    await ask(host.port, { path, body: batchOf(1), headers: plain, ...request });
    expect(answers).not.toHaveBeenCalled();
  });

  it("knows a key on both paths", async () => {
    const key = { ...plain, "idempotency-key": "k" };
    const byKoa = { ...key, accept: "application/json, */*" };
    const first = await ask(host.port, { path, body: batchOf(1, 2), headers: key });
    const other = await ask(host.port, { path, body: batchOf(3), headers: byKoa });
    const again = await ask(host.port, { path, body: batchOf(1, 2), headers: byKoa });
    expect(other.status).toBe(422);
    expect(again.text).toBe(first.text);
    expect(answers).toHaveBeenCalledTimes(1);
    expect(host.delivered).toHaveLength(2);
  });
});
