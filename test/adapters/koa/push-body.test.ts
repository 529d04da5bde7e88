import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { expectError } from "./errors-in-json.js";
import { ask, HOSTS, JSON_TYPE, push, pushForm, type RunningHost } from "./hosts.js";

const EXAMPLE = '{"channel":"a","event":"e","data":"é"}';
const ANSWER = '{"channel":["a"],"data":"é","event":"e"}';
const LIMIT = 10_000;

describe.each(HOSTS)("the body of POST /api/push on %s", (_name, start) => {
  let host: RunningHost;
  let before = 0;

  beforeAll(async () => {
    host = await start({ bodyLimit: LIMIT });
  });
  afterAll(() => host.stop());
  beforeEach(() => {
    before = host.delivered.length;
  });
  const expectNothingDelivered = () => expect(host.delivered.slice(before)).toEqual([]);

  describe("media types", () => {
    it.each([
      "application/json",
      "application/json; charset=utf-8",
      "application/json;charset=UTF-8",
      'application/json; charset="utf-8"; x=y',
      "application/json; charset=latin1",
      "application/json;",
      "application/json; charset",
      "Application/JSON",
      "application/vnd.x+json",
      "application/vnd.example.v2+json; charset=utf-8",
    ])("takes JSON as %s", async (type) => {
      const answer = await ask(host.port, { headers: { "content-type": type }, body: EXAMPLE });
      expect(answer.text).toBe(ANSWER);
    });

    it.each([
      "application/x-www-form-urlencoded",
      "application/x-www-form-urlencoded; charset=UTF-8",
      "Application/X-WWW-Form-Urlencoded;",
    ])("takes a form as %s", async (type) => {
      const body = "channel=a&event=e&data=%C3%A9";
      const answer = await ask(host.port, { headers: { "content-type": type }, body });
      expect(answer.text).toBe(ANSWER);
    });

    it.each([
      "text/plain",
      "text/json",
      "application/xml",
      "application/+json",
      "application/json+x",
      "multipart/form-data; boundary=x",
      "application/octet-stream",
      "json",
      "application/json, application/json",
    ])("answers 415 for %s", async (type) => {
      const answer = await ask(host.port, { headers: { "content-type": type }, body: EXAMPLE });
      expect(answer.status).toBe(415);
      expect(expectError(answer)).toContain("application/json");
      expectNothingDelivered();
    });

    it("answers 415 for a body without a content-type, also a chunked one", async () => {
      for (const body of [EXAMPLE, [EXAMPLE]]) {
        const answer = await ask(host.port, { body });
        expect(answer.status).toBe(415);
        expectError(answer);
      }
      expectNothingDelivered();
    });

    it("needs no content-type where there is no body", async () => {
      const path = "/api/push?channel=a&event=e&data=x";
      for (const headers of [{}, { "content-length": "0" }]) {
        expect((await ask(host.port, { method: "POST", path, headers })).status).toBe(200);
      }
    });
  });

  describe("forms", () => {
    it("are read as Phoenix reads them", async () => {
      const { text } = await pushForm(
        host.port,
        "channel[]=a&channel[]=b&event=x+y&data[a]=1&data[b][]=2&data[b][]=3&data[c][d]=%26",
      );
      expect(text).toBe(
        '{"channel":["a","b"],"data":{"a":"1","b":["2","3"],"c":{"d":"&"}},"event":"x y"}',
      );
    });

    it("count the last of a repeated name", async () => {
      const { text } = await pushForm(
        host.port,
        "channel=x&channel=a&event=f&event=e&data=1&data=2",
      );
      expect(text).toBe('{"channel":["a"],"data":"2","event":"e"}');
    });

    it("may encode the brackets, as browsers do", async () => {
      const form = new URLSearchParams([
        ["channel[]", "a"],
        ["channel[]", "b"],
        ["event", "e"],
        ["data[k]", "v"],
      ]);
      const { text } = await pushForm(host.port, form.toString());
      expect(text).toBe('{"channel":["a","b"],"data":{"k":"v"},"event":"e"}');
    });

    it("know no numbers, dots or commas", async () => {
      const { text } = await pushForm(host.port, "channel=a.b,c&event=e&data[x.y]=1,2");
      expect(text).toBe('{"channel":["a.b,c"],"data":{"x.y":"1,2"},"event":"e"}');
    });

    it("take 1,000 channels and refuse one more by name", async () => {
      const channels = (count: number) =>
        Array.from({ length: count }, (_each, index) => `channel[]=${index}&`).join("");
      const { status, text } = await pushForm(host.port, `${channels(500)}event=e&data=1`);
      expect([status, JSON.parse(text).channel.length]).toEqual([200, 500]);
      const big = await start();
      try {
        const whole = await pushForm(big.port, `${channels(1000)}event=e&data=1`);
        expect([whole.status, big.delivered.length]).toEqual([200, 1000]);
        const over = await pushForm(big.port, `${channels(1001)}event=e&data=1`);
        expect(over.status).toBe(422);
        expect(expectError(over)).toContain("channel must not name more than 1000 channels");
        const far = await pushForm(big.port, `${channels(10_001)}event=e&data=1`);
        expect(far.status).toBe(400);
        expect(expectError(far)).toContain("too many parameters");
      } finally {
        await big.stop();
      }
    });

    it("answer 400 where they are too deep", async () => {
      const answer = await pushForm(host.port, `channel=a&event=e&data${"[a]".repeat(40)}=1`);
      expect(answer.status).toBe(400);
      expect(expectError(answer)).toContain("request body");
      expectNothingDelivered();
    });

    it.each([
      ["percent-encoded bytes that are no UTF-8", "channel=a&event=e&data=%ff"],
      ["half a percent-encoding", "channel=a&event=e&data=%e"],
      ["such a name", "channel=a&event=e&data=1&data[%ff]=1"],
      ["raw bytes that are no UTF-8", Buffer.from("channel=a&event=e&data=\xff", "latin1")],
    ])("answer 400 for %s", async (_what, body) => {
      const answer = await ask(host.port, {
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body,
      });
      expect(answer.status).toBe(400);
      expectError(answer);
      expectNothingDelivered();
    });

    it("take raw UTF-8 too", async () => {
      expect((await pushForm(host.port, "channel=a&event=e&data=é")).text).toBe(ANSWER);
    });

    it("leave no prototype behind", async () => {
      const { text } = await pushForm(
        host.port,
        "channel=a&event=e&data[x]=1&data[constructor]=2&data[toString]=3&__proto__[y]=4",
      );
      expect(JSON.parse(text).data).toEqual({ x: "1", constructor: "2", toString: "3" });
      expect(({} as Record<string, unknown>).y).toBeUndefined();
    });

    it("answer 422 for a channel that is a map", async () => {
      const answer = await pushForm(host.port, "channel[k]=a&event=e&data=1");
      expect(answer.status).toBe(422);
      expect(expectError(answer)).toContain("channel must be a string or an array");
    });
  });

  describe("encodings", () => {
    const encodings: [string, Buffer][] = [
      ["gzip", gzipSync(EXAMPLE)],
      ["deflate", deflateSync(EXAMPLE)],
      ["br", brotliCompressSync(EXAMPLE)],
      ["identity", Buffer.from(EXAMPLE)],
    ];
    it.each(encodings)("takes %s, whole and in chunks", async (encoding, body) => {
      const headers = { ...JSON_TYPE, "content-encoding": encoding };
      expect((await push(host.port, body, headers)).text).toBe(ANSWER);
      const pieces = [body.subarray(0, 5), body.subarray(5)];
      expect((await ask(host.port, { headers, body: pieces })).text).toBe(ANSWER);
    });

    it("takes a compressed form", async () => {
      const body = gzipSync("channel=a&event=e&data=%C3%A9");
      const headers = { "content-encoding": "gzip" };
      const type = { "content-type": "application/x-www-form-urlencoded" };
      expect((await ask(host.port, { headers: { ...type, ...headers }, body })).text).toBe(ANSWER);
    });

    it.each([
      ["gzip", Buffer.from(EXAMPLE)],
      ["gzip", gzipSync(EXAMPLE).subarray(0, 20)],
      ["deflate", Buffer.from(EXAMPLE)],
      ["br", Buffer.from(EXAMPLE)],
      ["br", brotliCompressSync(EXAMPLE).subarray(0, 10)],
    ])("answers 400 for what is no %s", async (encoding, body) => {
      const answer = await push(host.port, body, { "content-encoding": encoding });
      expect(answer.status).toBe(400);
      expect(expectError(answer)).toBe("The request body cannot be decompressed.");
      expectNothingDelivered();
    });

    it.each(["zstd", "gzip, gzip", "x"])("answers 415 for the encoding %s", async (encoding) => {
      const answer = await push(host.port, EXAMPLE, { "content-encoding": encoding });
      expect(answer.status).toBe(415);
      expect(expectError(answer)).toContain("Content-Encoding");
      expectNothingDelivered();
    });
  });

  describe("the limit", () => {
    const sized = (bytes: number) => {
      const frame = '{"channel":"a","event":"e","data":""}';
      return frame.replace('""', `"${"x".repeat(bytes - frame.length)}"`);
    };

    it("lets a body of just its size pass", async () => {
      expect((await push(host.port, sized(LIMIT))).status).toBe(200);
      expect((await ask(host.port, { headers: JSON_TYPE, body: [sized(LIMIT)] })).status).toBe(200);
      const gzipped = gzipSync(sized(LIMIT));
      expect((await push(host.port, gzipped, { "content-encoding": "gzip" })).status).toBe(200);
    });

    it.each<[string, (body: string) => Parameters<typeof ask>[1]]>([
      ["content-length", (body) => ({ body })],
      ["chunks", (body) => ({ body: [body.slice(0, 100), body.slice(100)] })],
      ["gzip", (body) => ({ body: gzipSync(body), headers: { "content-encoding": "gzip" } })],
      ["br", (body) => ({ body: brotliCompressSync(body), headers: { "content-encoding": "br" } })],
    ])("answers 413 for one byte more in %s", async (_what, make) => {
      const { headers = {}, ...request } = make(sized(LIMIT + 1));
      const answer = await ask(host.port, { ...request, headers: { ...JSON_TYPE, ...headers } });
      expect(answer.status).toBe(413);
      expect(expectError(answer)).toBe(`The request body is larger than ${LIMIT} bytes.`);
      expectNothingDelivered();
    });

    it("answers 413 for a bomb", async () => {
      const bomb = gzipSync(Buffer.alloc(20_000_000, 32));
      for (const body of [bomb, [bomb]]) {
        const headers = { ...JSON_TYPE, "content-encoding": "gzip" };
        const answer = await ask(host.port, { body, headers });
        expect(answer.status).toBe(413);
        expectError(answer);
      }
      expectNothingDelivered();
    });

    it("holds for forms", async () => {
      const answer = await pushForm(host.port, `channel=a&event=e&data=${"x".repeat(LIMIT)}`);
      expect(answer.status).toBe(413);
      expectError(answer);
    });
  });
});
