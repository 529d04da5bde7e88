import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { Json, MemoryTransport, type PushAuthRequest } from "../../../src/index.js";
import { channelName, jsonText, name } from "../../support/arbitraries.js";
import { expectError } from "./errors-in-json.js";
import { type Answer, ask, FORM_TYPE, HOSTS, JSON_TYPE, push, type RunningHost } from "./hosts.js";
import { named, policyOf } from "./policy-of.js";

interface Result {
  readonly status: number;
  readonly body: unknown;
  readonly id?: string;
}

const PATH = "/api/push/batch";
const item = (channel: unknown, data: unknown = 1) => ({ channel, event: "e", data });
const textOf = (body: unknown) => (typeof body === "string" ? body : JSON.stringify(body));
const batchText = (...pushes: unknown[]) => `{"pushes":[${pushes.map(textOf).join(",")}]}`;

function send(port: number, body: unknown, headers = {}, query = ""): Promise<Answer> {
  const path = `${PATH}${query}`;
  return ask(port, { path, body: textOf(body), headers: { ...JSON_TYPE, ...headers } });
}

function resultsOf(answer: Answer): readonly Result[] {
  expect(answer.status).toBe(200);
  const parsed = JSON.parse(answer.text) as { results: Result[] };
  expect(Object.keys(parsed)).toEqual(["results"]);
  return parsed.results;
}
const statuses = (answer: Answer) => resultsOf(answer).map(({ status }) => status);
const ids = (answer: Answer) => resultsOf(answer).map(({ id }) => id);

describe.each(HOSTS)("POST /api/push/batch on %s", (_name, start) => {
  let host: RunningHost;
  afterEach(() => host.stop());
  const channels = () => host.delivered.map(({ channel }) => channel);

  describe("each push of it", () => {
    it("is answered as if it had come alone, with its id", async () => {
      host = await start();
      const pushes = [
        '{"channel":["b","a","b"],"event":"e","data":{"n":12345678901234567890,"x":1.10}}',
        '{"event":"e" , "data" : [ 1e400 ] , "channel":"c","more":true}',
      ];
      const { text, headers } = await send(host.port, batchText(...pushes));
      expect(text.replaceAll(/"id":"[\w-]{20}"/g, '"id":"ID"')).toBe(
        '{"results":[' +
          '{"status":200,"body":{"channel":["b","a"],"data":{"n":12345678901234567890,"x":1.10},"event":"e"},"id":"ID"},' +
          '{"status":200,"body":{"channel":["c"],"data":[1e400],"event":"e"},"id":"ID"}]}',
      );
      expect(headers["content-type"]).toBe("application/json; charset=utf-8");
      expect(headers["cache-control"]).toBe("max-age=0, private, must-revalidate");
      expect(host.delivered.map(({ data }) => data.text)).toEqual([
        '{"n":12345678901234567890,"x":1.10}',
        '{"n":12345678901234567890,"x":1.10}',
        "[1e400]",
      ]);
    });

    it("has an id of its own, by which its trace is found", async () => {
      host = await start();
      const found = ids(await send(host.port, batchText(item("a"), item("b"), item("a"))));
      expect(new Set(found).size).toBe(3);
      const traces = found.map((id) => host.hexpush.trace(id as string)?.channels);
      expect(traces.map((trace) => trace?.map(({ channel }) => channel))).toEqual([
        ["a"],
        ["b"],
        ["a"],
      ]);
    });

    it("that is no push spoils no other", async () => {
      host = await start();
      const answer = await send(
        host.port,
        batchText(item("a"), {}, item(["b", 1]), 5, null, "[]", item("c")),
      );
      expect(statuses(answer)).toEqual([200, 422, 422, 422, 422, 422, 200]);
      expect(resultsOf(answer)[1]?.body).toEqual({
        error: "Invalid push arguments: channel, data, event are required.",
      });
      expect(channels()).toEqual(["a", "c"]);
      const refused = resultsOf(answer)[2]?.id as string;
      expect(host.hexpush.trace(refused)).toMatchObject({ outcome: "invalid" });
    });

    it("is answered as POST /api/push answers it, whatever it is", async () => {
      host = await start();
      const pushText = fc
        .tuple(
          fc.oneof(channelName, fc.array(channelName, { maxLength: 3 })).map(textJson),
          fc.oneof(name(), fc.constant("")).map(textJson),
          jsonText,
          fc.subarray(["channel", "event", "data", "dry_run"], { minLength: 2 }),
          fc.constantFrom("true", "false", "1", '"0"', "null", "2", "[]", '"yes"'),
        )
        .map(([channel, event, data, members, dryRun]) => {
          const values: Record<string, string> = { channel, event, data, dry_run: dryRun };
          return `{${members.map((member) => `"${member}": ${values[member]}`).join(" ,")}}`;
        });
      const anyItem = fc.oneof({ weight: 4, arbitrary: pushText }, jsonText);
      await fc.assert(
        fc.asyncProperty(fc.array(anyItem, { minLength: 1, maxLength: 6 }), async (items) => {
          const before = host.delivered.length;
          const answer = await send(host.port, `{"pushes":[${items.join(",")}]}`);
          const together = host.delivered.slice(before);
          const alone: string[] = [];
          for (const each of items) {
            const { status, text, headers } = await push(host.port, each);
            const hasId = headers["x-push-id"] !== undefined;
            alone.push(`{"status":${status},"body":${text}${hasId ? ',"id":"ID"' : ""}}`);
          }
          const results = answer.text.replaceAll(/,"id":"[\w-]{20}"\}/g, ',"id":"ID"}');
          expect(results).toBe(`{"results":[${alone.join(",")}]}`);
          const messages = host.delivered.slice(before + together.length);
          expect(together.map(plain)).toEqual(messages.map(plain));
        }),
        { numRuns: 25 },
      );
    });

    it("is delivered in the order of the batch, to whom several of them reach", async () => {
      const memory = new MemoryTransport();
      const got: unknown[] = [];
      const socket = memory.connect({ onMessage: ({ data }) => got.push(data.value()) });
      for (const channel of ["a", "b"]) socket.join(channel);
      // The later ones are decided first.
      let left = 20;
      const policy = policyOf(async () => {
        for (let turns = left--; turns > 0; turns--) await Promise.resolve();
        return { allow: true };
      });
      host = await start({ transports: [memory], policy });
      const pushes = Array.from({ length: 20 }, (_, n) => item(n % 3 === 0 ? "b" : "a", n));
      expect(statuses(await send(host.port, batchText(...pushes)))).toEqual(Array(20).fill(200));
      expect(got).toEqual(Array.from({ length: 20 }, (_, n) => n));
    });
  });

  describe("how many", () => {
    it("may be 100 and no more, unless set otherwise", async () => {
      host = await start();
      const pushes = Array.from({ length: 101 }, () => item("a"));
      const answer = await send(host.port, batchText(...pushes));
      expect(answer.status).toBe(422);
      expect(expectError(answer)).toBe("pushes must not hold more than 100 pushes.");
      expect(channels()).toEqual([]);
      expect(statuses(await send(host.port, batchText(...pushes.slice(1))))).toHaveLength(100);
    });

    it("is the setting pushesPerBatch", async () => {
      host = await start({ pushesPerBatch: 2 });
      expect(statuses(await send(host.port, batchText(item("a"), item("b"))))).toEqual([200, 200]);
      const answer = await send(host.port, batchText(item("a"), item("b"), item("c")));
      expect(expectError(answer)).toBe("pushes must not hold more than 2 pushes.");
    });
  });

  describe("what is no batch", () => {
    it.each([
      ["nothing", ""],
      ["an empty object", "{}"],
      ["an array", "[]"],
      ["a text", '"pushes"'],
      ["pushes that are an object", '{"pushes":{"0":{}}}'],
      ["pushes that are null", '{"pushes":null}'],
      ["pushes that are a text", '{"pushes":"[]"}'],
      ["a push", JSON.stringify(item("a"))],
    ])("is refused in words: %s", async (_what, body) => {
      host = await start();
      const answer = await send(host.port, body);
      expect(answer.status).toBe(422);
      expect(expectError(answer)).toBe('A batch is an object with an array "pushes".');
    });

    it.each(['{"pushes":[]}', ' { "pushes" : [ ] } '])("holds no push: %s", async (body) => {
      host = await start();
      const answer = await send(host.port, body);
      expect(answer.status).toBe(422);
      expect(expectError(answer)).toBe("pushes must hold at least one push.");
    });

    it.each(["{", '{"pushes":[1', '{"pushes":[}]}', '{"pushes":[1,]}', "{} x"])(
      "is 400 where it is no JSON: %s",
      async (body) => {
        host = await start();
        const answer = await send(host.port, body);
        expect(answer.status).toBe(400);
        expect(expectError(answer)).toBe("The request body is not valid JSON.");
      },
    );

    it("is 415 as a form", async () => {
      host = await start();
      const body = "pushes[0][channel]=a&pushes[0][event]=e&pushes[0][data]=1";
      const answer = await ask(host.port, { path: PATH, body, headers: FORM_TYPE });
      expect(answer.status).toBe(415);
      expect(expectError(answer)).toBe("The request body must be application/json.");
    });

    it("is 406 where the answer would not be taken", async () => {
      host = await start();
      const answer = await send(host.port, batchText(item("a")), { accept: "text/html" });
      expect(answer.status).toBe(406);
      expect(channels()).toEqual([]);
    });

    it("is 413 above the body's limit", async () => {
      host = await start({ bodyLimit: 100 });
      const answer = await send(host.port, batchText(item("a"), item("b"), item("c")));
      expect(answer.status).toBe(413);
    });

    it("takes of a repeated member the first", async () => {
      host = await start();
      const body = `{"pushes":[${textOf(item("a"))}],"pushes":[${textOf(item("b"))}]}`;
      expect(statuses(await send(host.port, body))).toEqual([200]);
      expect(channels()).toEqual(["a"]);
    });
  });

  describe("the policy", () => {
    it("is asked once for each push, with that push", async () => {
      const seen: PushAuthRequest[] = [];
      const addresses: unknown[] = [];
      host = await start({
        policy: policyOf((request) => {
          seen.push(request);
          addresses.push(request.remoteAddress);
          return { allow: true };
        }),
      });
      await send(host.port, batchText(item("a"), item("b")), { "x-token": "t" });
      expect(seen.map(({ input }) => [input.channel, input.event, input.data?.text])).toEqual([
        ["a", "e", "1"],
        ["b", "e", "1"],
      ]);
      for (const request of seen) {
        expect([request.method, request.path]).toEqual(["POST", PATH]);
        expect(request.headers["x-token"]).toBe("t");
      }
      expect(addresses).toEqual(["127.0.0.1", "127.0.0.1"]);
    });

    it("denies some and lets others through", async () => {
      host = await start({
        policy: policyOf(({ input }) => ({ allow: `${input.channel}`.startsWith("mine:") })),
      });
      const answer = await send(
        host.port,
        batchText(item("mine:1"), item("theirs:1"), item("mine:2"), {}),
      );
      expect(resultsOf(answer).map(({ status, body }) => [status, body])).toEqual([
        [200, { channel: ["mine:1"], data: 1, event: "e" }],
        [403, { error: "Access Forbidden" }],
        [200, { channel: ["mine:2"], data: 1, event: "e" }],
        [403, { error: "Access Forbidden" }],
      ]);
      expect(channels()).toEqual(["mine:1", "mine:2"]);
    });

    it.each([
      ["pushes", batchText(item("a"), item("b"))],
      ["what is no push", batchText({}, 1)],
      ["too many", batchText(...Array.from({ length: 101 }, () => 1))],
      ["no push at all", '{"pushes":[]}'],
      ["no batch", "{}"],
      ["nothing", ""],
      ["a dry run", `{"dry_run":"what","pushes":[${textOf(item("a"))}]}`],
    ])("answers 403 and no more to who has no key: %s", async (_what, body) => {
      host = await start({ apiKeys: ["wonderland"] });
      for (const headers of [{}, { authorization: "Bearer x", "idempotency-key": "\t" }]) {
        const answer = await send(host.port, body, headers, "?explain=perhaps");
        expect([answer.status, answer.text]).toEqual([403, '{"error":"Access Forbidden"}']);
        expectError(answer);
      }
      expect(channels()).toEqual([]);
    });

    it("answers in its own way where it denies all", async () => {
      const answer = { status: 429, body: Json.of({ slow: "down" }) };
      host = await start({ policy: policyOf(() => ({ allow: false, answer })) });
      for (const body of [batchText(item("a"), item("b")), "{}"]) {
        const { status, text } = await send(host.port, body);
        expect([status, text]).toEqual([429, '{"slow":"down"}']);
      }
    });

    it("may rewrite each push", async () => {
      host = await start({
        policy: policyOf(({ input }) => ({
          allow: true,
          input: { ...input, channel: `tenant:${input.channel}` },
        })),
      });
      await send(host.port, batchText(item("a"), item("b")));
      expect(channels()).toEqual(["tenant:a", "tenant:b"]);
    });
  });

  it("takes over the caller's request id", async () => {
    host = await start();
    const headers = { "x-request-id": "0123456789-batch-of-mine" };
    const answer = await send(host.port, batchText(item("a")), headers);
    expect(answer.headers["x-request-id"]).toBe(headers["x-request-id"]);
    expect(answer.headers).not.toHaveProperty("x-push-id");
  });

  describe("dry_run", () => {
    it.each([
      ["in the query string", "?dry_run=1", ""],
      ["in the body", "", '"dry_run":true,'],
    ])("%s delivers none of it", async (_where, query, member) => {
      host = await start();
      const body = `{${member}"pushes":[${textOf(item(["a", "a"]))},{}]}`;
      const answer = await send(host.port, body, { "idempotency-key": "k" }, query);
      const [good, bad] = resultsOf(answer);
      expect(good).toEqual({ status: 200, body: { channel: ["a"], data: 1, event: "e" } });
      expect(bad).toMatchObject({ status: 422, id: expect.any(String) });
      expect(host.delivered).toEqual([]);
      // The key is still free, also for another body.
      const other = await send(host.port, batchText(item("b")), { "idempotency-key": "k" });
      expect(statuses(other)).toEqual([200]);
    });

    it("of one push is that push's alone", async () => {
      host = await start();
      const answer = await send(
        host.port,
        batchText(item("a"), { ...item("b"), dry_run: true }, { ...item("c"), dry_run: false }),
      );
      expect(statuses(answer)).toEqual([200, 200, 200]);
      expect(ids(answer)[1]).toBeUndefined();
      expect(channels()).toEqual(["a", "c"]);
    });

    it("that is neither yes nor no is refused, and delivers nothing", async () => {
      host = await start();
      const whole = await send(host.port, `{"dry_run":[[]],"pushes":[${textOf(item("a"))}]}`);
      expect(whole.status).toBe(422);
      expect(expectError(whole)).toBe("dry_run must be true or false.");
      const one = await send(host.port, batchText({ ...item("b"), dry_run: "maybe" }, item("c")));
      expect(resultsOf(one)[0]).toEqual({
        status: 422,
        body: { error: "dry_run must be true or false." },
      });
      expect(channels()).toEqual(["c"]);
    });
  });

  it("explains each push where it is asked to", async () => {
    host = await start();
    const answer = await send(host.port, batchText(item("a"), {}), {}, "?explain=1");
    const [good, bad] = resultsOf(answer) as [Result, Result];
    expect(good.body).toMatchObject({
      channel: ["a"],
      explain: { id: good.id, outcome: "accepted", channels: [{ channel: "a" }] },
    });
    expect(bad.body).toMatchObject({
      error: expect.stringContaining("are required"),
      explain: { id: bad.id, outcome: "invalid" },
    });
  });

  describe("an Idempotency-Key", () => {
    const key = { "idempotency-key": "order-1" };

    it("delivers a repeat's pushes no second time and answers with the same ids", async () => {
      host = await start();
      const body = batchText(item("a"), item("a"), item(["b", "c"]));
      const first = await send(host.port, body, key);
      const again = await send(host.port, body, key);
      expect(new Set(ids(first)).size).toBe(3);
      expect(again.text).toBe(first.text);
      expect(channels()).toEqual(["a", "a", "b", "c"]);
    });

    it("delivers repeats that come at once only once", async () => {
      const policy = policyOf(async () => {
        await new Promise((resolve) => setImmediate(resolve));
        return { allow: true };
      });
      host = await start({ policy });
      const body = batchText(item("a"), item("b"), item("c"));
      const answers = await Promise.all(
        Array.from({ length: 5 }, () => send(host.port, body, key)),
      );
      expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
      expect(channels()).toEqual(["a", "b", "c"]);
    });

    it("is not for another body", async () => {
      host = await start();
      await send(host.port, batchText(item("a")), key);
      const answer = await send(host.port, batchText(item("a"), item("b")), key);
      expect(answer.status).toBe(422);
      expect(expectError(answer)).toBe("The Idempotency-Key was used for another batch.");
      expect(channels()).toEqual(["a"]);
    });

    it("lets a repeat deliver what was refused the first time, and only that", async () => {
      let isOpen = false;
      host = await start({
        policy: policyOf(({ input }) => ({ allow: isOpen || input.channel === "a", by: "me" })),
      });
      const body = batchText(item("b"), item("a"), item("b"));
      const first = await send(host.port, body, key);
      expect(statuses(first)).toEqual([403, 200, 403]);
      isOpen = true;
      const again = await send(host.port, body, key);
      expect(statuses(again)).toEqual([200, 200, 200]);
      expect(ids(again)[1]).toBe(ids(first)[1]);
      expect(channels()).toEqual(["a", "b", "b"]);
      await send(host.port, body, key);
      expect(host.delivered).toHaveLength(3);
    });

    it("is not used up by a batch of which nothing can be delivered", async () => {
      host = await start();
      expect(statuses(await send(host.port, batchText({}), key))).toEqual([422]);
      expect(statuses(await send(host.port, batchText(item("a")), key))).toEqual([200]);
    });

    it("belongs to whom the policy names, and is none of a single push's", async () => {
      host = await start({ policy: named });
      const body = batchText(item("a"));
      const found = [
        ids(await send(host.port, body, { ...key, "x-caller": "one" })),
        ids(await send(host.port, body, { ...key, "x-caller": "two" })),
        ids(await send(host.port, body, { ...key, "x-caller": "one", authorization: "renewed" })),
      ];
      expect(found[2]).toEqual(found[0]);
      expect(found[1]).not.toEqual(found[0]);
      expect((await push(host.port, item("a", 2), { ...key, "x-caller": "one" })).status).toBe(200);
      expect(host.delivered).toHaveLength(3);
    });

    it("that is malformed is 400 and delivers nothing", async () => {
      host = await start();
      const headers = { "idempotency-key": "k".repeat(256) };
      const answer = await send(host.port, batchText(item("a")), headers);
      expect(answer.status).toBe(400);
      expect(channels()).toEqual([]);
    });

    it("is 503 with a time where no further one can be remembered", async () => {
      host = await start({ idempotencyKeys: 0 });
      const answer = await send(host.port, batchText(item("a")), key);
      expect([answer.status, answer.headers["retry-after"]]).toEqual([503, "300"]);
      expect(channels()).toEqual([]);
    });

    it("answers 503 for those pushes for which there is no more room", async () => {
      host = await start({ idempotencyKeys: 2 });
      const answer = await send(host.port, batchText(item("a"), item("b"), item("c")), key);
      expect(statuses(answer)).toEqual([200, 200, 503]);
      expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
      expect(channels()).toEqual(["a", "b"]);
    });
  });
});

function textJson(value: unknown): string {
  return JSON.stringify(value);
}

function plain({ channel, event, data }: RunningHost["delivered"][number]) {
  return [channel, event, data.text];
}
