import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { expectError } from "./errors-in-json.js";
import { ask, HOSTS, JSON_TYPE, push, type RunningHost } from "./hosts.js";

describe.each(HOSTS)("POST /api/push on %s", (_name, start) => {
  let host: RunningHost;
  let before = 0;
  const deliveredSince = () => host.delivered.slice(before);

  beforeAll(async () => {
    host = await start();
  });
  afterAll(() => host.stop());
  beforeEach(() => {
    before = host.delivered.length;
  });

  describe("200", () => {
    it("answers the documented example to the byte", async () => {
      const answer = await push(
        host.port,
        '{"channel": ["test", "test2", "test"], "data": "data", "event": "woohoo"}',
      );
      expect(answer.status).toBe(200);
      expect(answer.text).toBe('{"channel":["test","test2"],"data":"data","event":"woohoo"}');
      expect(deliveredSince().map(({ channel, event }) => [channel, event])).toEqual([
        ["test", "woohoo"],
        ["test2", "woohoo"],
      ]);
    });

    it("has the documented headers", async () => {
      const { headers } = await push(host.port, { channel: "a", event: "e", data: 1 });
      expect(headers["content-type"]).toBe("application/json; charset=utf-8");
      expect(headers["cache-control"]).toBe("max-age=0, private, must-revalidate");
      expect(headers["x-request-id"]).toMatch(/^[\x20-\x7e]{20,200}$/);
      expect(headers["content-length"]).toBe("38");
      expect(headers).not.toHaveProperty("x-powered-by");
      expect(headers).not.toHaveProperty("server");
    });

    it("answers channel, data, event in this order, whatever the request's", async () => {
      const { text } = await push(host.port, '{"event":"e","extra":[1],"data":null,"channel":"a"}');
      expect(text).toBe('{"channel":["a"],"data":null,"event":"e"}');
    });

    it("takes a channel given twice once, in first-seen order", async () => {
      const { text } = await push(host.port, {
        channel: ["b", "a", "b", "c", "a"],
        event: "e",
        data: 1,
      });
      expect(text).toBe('{"channel":["b","a","c"],"data":1,"event":"e"}');
      expect(deliveredSince().map(({ channel }) => channel)).toEqual(["b", "a", "c"]);
    });

    it.each([
      ["null", "null"],
      ["a boolean", "false"],
      ["zero", "0"],
      ["minus zero", "-0"],
      ["a 64-bit integer", "9223372036854775807"],
      ["a longer integer", "123456789012345678901234567890"],
      ["a long decimal", "3.14159265358979323846264338327950288"],
      ["trailing zeros", "1.10"],
      ["an exponent", "1E-7"],
      ["a number beyond all doubles", "1e400"],
      ["an empty text", '""'],
      ["escapes", '"\\u0000\\u2028\\/\\ud83d\\ude00\\n"'],
      ["raw Unicode", '"é\u2028😀\u007f"'],
      ["an empty object", "{}"],
      ["an empty array", "[]"],
      ["a __proto__ key", '{"__proto__":{"admin":true},"constructor":1,"toString":[]}'],
      ["the order of keys", '{"b":1,"a":2,"10":3,"9":4}'],
      ["nesting", `${"[".repeat(200)}1${"]".repeat(200)}`],
    ])("answers and delivers %s exactly", async (_what, data) => {
      const answer = await push(host.port, `{"channel":"a","event":"e","data":${data}}`);
      expect(answer.status).toBe(200);
      expect(answer.text).toBe(`{"channel":["a"],"data":${data},"event":"e"}`);
      expect(deliveredSince().map((message) => message.data.text)).toEqual([data]);
    });

    it("drops blanks between tokens and none within a text", async () => {
      const { text } = await push(
        host.port,
        '\r\n\t{ "channel" : "a" , "event" : "e e" , "data" : { "k k" : [ 1 , " 2 " ] } }\n',
      );
      expect(text).toBe('{"channel":["a"],"data":{"k k":[1," 2 "]},"event":"e e"}');
    });

    it("takes the first of duplicate keys", async () => {
      const { text } = await push(
        host.port,
        '{"data":1,"channel":"a","event":"e","data":2,"channel":"b","event":"f"}',
      );
      expect(text).toBe('{"channel":["a"],"data":1,"event":"e"}');
      expect(deliveredSince().map(({ channel }) => channel)).toEqual(["a"]);
    });

    it("takes any characters in names", async () => {
      const names = ["phoenix", "*", "a/b", " ", "\u0000\n", "é😀", "__proto__", "1channel"];
      const { status, text } = await push(host.port, { channel: names, event: "\t", data: 1 });
      expect(status).toBe(200);
      expect(JSON.parse(text).channel).toEqual(names);
      expect(deliveredSince().map(({ channel }) => channel)).toEqual(names);
    });

    it("takes names at their limits", async () => {
      const channel = "é".repeat(512);
      const event = `${"é".repeat(127)}e`;
      expect((await push(host.port, { channel, event, data: 1 })).status).toBe(200);
    });

    it("takes 1,000 channels", async () => {
      const channel = Array.from({ length: 1000 }, (_each, index) => `c${index}`);
      const { status } = await push(host.port, { channel, event: "e", data: 1 });
      expect(status).toBe(200);
      expect(deliveredSince()).toHaveLength(1000);
    });
  });

  describe("400", () => {
    const bodies: [string, string | Uint8Array][] = [
      ["no JSON", "hello"],
      ["half an object", '{"channel":"a"'],
      ["a trailing comma", '{"channel":"a","event":"e","data":1,}'],
      ["trailing garbage", '{"channel":"a","event":"e","data":1}x'],
      ["two values", '{"channel":"a","event":"e","data":1}{}'],
      ["a byte order mark", '\ufeff{"channel":"a","event":"e","data":1}'],
      ["single quotes", "{'channel':'a'}"],
      ["a raw control character", '{"channel":"a","event":"e","data":"\u0001"}'],
      ["NaN", '{"channel":"a","event":"e","data":NaN}'],
      ["a leading zero", '{"channel":"a","event":"e","data":01}'],
      ["a blank that JSON has not", '\u00a0{"channel":"a","event":"e","data":1}'],
      ["invalid UTF-8", Buffer.from('{"channel":"a","event":"e","data":"\xff"}', "latin1")],
      ["overlong UTF-8", Buffer.from('{"channel":"\xc0\x80","event":"e","data":1}', "latin1")],
      [
        "a surrogate in UTF-8",
        Buffer.from('{"channel":"\xed\xa0\x80","event":"e","data":1}', "latin1"),
      ],
      ["UTF-16", Buffer.from('{"channel":"a","event":"e","data":1}', "utf16le")],
    ];

    it.each(bodies)("for %s", async (_what, body) => {
      const answer = await push(host.port, body);
      expect(answer.status).toBe(400);
      expectError(answer);
      expect(deliveredSince()).toEqual([]);
    });

    it("never quotes the body", async () => {
      const { text } = await push(host.port, '{"channel":"secret-channel","data":secret}');
      expect(text).toBe('{"error":"The request body is not valid JSON."}');
    });
  });

  describe("422, naming what is wrong", () => {
    const long = "x".repeat(1025);
    const many = Array.from({ length: 1001 }, (_each, index) => `c${index}`);
    it.each<[string, unknown, string]>([
      ["nothing", {}, "channel, data, event are required"],
      ["no channel", { event: "e", data: 1 }, "channel is required"],
      ["no data", { channel: "a", event: "e" }, "data is required"],
      ["no event", { channel: "a", data: 1 }, "event is required"],
      ["a null channel", { channel: null, event: "e", data: 1 }, "channel is required"],
      ["a numeric channel", { channel: 1, event: "e", data: 1 }, "channel must be a string"],
      ["an object channel", { channel: {}, event: "e", data: 1 }, "channel must be a string"],
      [
        "no channel in the list",
        { channel: [], event: "e", data: 1 },
        "channel must name at least",
      ],
      ["an empty channel", { channel: "", event: "e", data: 1 }, "channel must not be empty"],
      [
        "an empty one of many",
        { channel: ["a", ""], event: "e", data: 1 },
        "channel[1] must not be",
      ],
      [
        "a number in the list",
        { channel: ["a", 1], event: "e", data: 1 },
        "channel[1] must be a str",
      ],
      ["a list in the list", { channel: [["a"]], event: "e", data: 1 }, "channel[0] must be a str"],
      [
        "a long channel",
        { channel: long, event: "e", data: 1 },
        "channel must not be longer than 1024",
      ],
      [
        "a long one of many",
        { channel: ["a", long], event: "e", data: 1 },
        "channel[1] must not be l",
      ],
      [
        "too many channels",
        { channel: many, event: "e", data: 1 },
        "channel must not name more than 1000",
      ],
      ["an empty event", { channel: "a", event: "", data: 1 }, "event must not be empty"],
      ["a numeric event", { channel: "a", event: 1, data: 1 }, "event must be a string"],
      [
        "a long event",
        { channel: "a", event: "é".repeat(128), data: 1 },
        "event must not be longer than 255",
      ],
      ["an array", [1], "channel, data, event are required"],
      ["a text", '"text"', "channel, data, event are required"],
      ["null", "null", "channel, data, event are required"],
      ["an empty body", "", "channel, data, event are required"],
      ["two faults", { channel: 1, event: "", data: 1 }, "event must not be empty"],
    ])("for %s", async (_what, body, words) => {
      const answer = await push(host.port, body);
      expect(answer.status).toBe(422);
      expect(expectError(answer)).toContain(words);
      expect(deliveredSince()).toEqual([]);
    });

    it("for a lone surrogate, which has no UTF-8 form", async () => {
      const answer = await push(host.port, '{"channel":"\\ud800","event":"e","data":1}');
      expect(answer.status).toBe(422);
      expect(expectError(answer)).toContain("channel must be well-formed Unicode");
    });

    it("for no body and no content-type", async () => {
      const answer = await ask(host.port, { method: "POST" });
      expect(answer.status).toBe(422);
    });
  });

  describe("406", () => {
    it.each(["text/html", "application/json;q=0", "image/png, text/*"])(
      "for accept: %s",
      async (accept) => {
        const answer = await push(host.port, { channel: "a", event: "e", data: 1 }, { accept });
        expect(answer.status).toBe(406);
        expectError(answer);
        expect(deliveredSince()).toEqual([]);
      },
    );

    it.each(["*/*", "application/*", "application/json", "text/html, application/json;q=0.1"])(
      "not for accept: %s",
      async (accept) => {
        const { status } = await push(host.port, { channel: "a", event: "e", data: 1 }, { accept });
        expect(status).toBe(200);
      },
    );

    it("comes after 400 and before 422", async () => {
      const accept = "text/html";
      expect((await push(host.port, "{", { accept })).status).toBe(400);
      expect((await push(host.port, {}, { accept })).status).toBe(406);
    });
  });

  describe("the query string", () => {
    it("is a whole push of its own", async () => {
      const answer = await ask(host.port, {
        method: "POST",
        path: "/api/push?channel=a&data=x&event=e",
      });
      expect(answer.text).toBe('{"channel":["a"],"data":"x","event":"e"}');
    });

    it("gives way to the body, member by member", async () => {
      const answer = await ask(host.port, {
        path: "/api/push?channel=q&channel=q2&data[k]=q&event=q",
        headers: JSON_TYPE,
        body: '{"data":null,"event":"body"}',
      });
      expect(answer.text).toBe('{"channel":["q2"],"data":null,"event":"body"}');
    });

    it.each([
      "channel[]=a&channel[]=b",
      "channel%5B%5D=a&channel%5b%5d=b",
      "channel[0]=a&channel[1]=b",
    ])("takes a list as %s", async (channels) => {
      const path = `/api/push?${channels}&data=x&event=e`;
      const { text } = await ask(host.port, { method: "POST", path });
      expect(text).toBe('{"channel":["a","b"],"data":"x","event":"e"}');
    });

    it("answers 400 for too deep parameters", async () => {
      const path = `/api/push?channel=a&event=e&data${"[a]".repeat(40)}=1`;
      const answer = await ask(host.port, { method: "POST", path });
      expect(answer.status).toBe(400);
      expect(expectError(answer)).toContain("query string");
    });

    it("answers 400 for what is no percent-encoded UTF-8", async () => {
      for (const value of ["%ff", "%c0%80", "%zz", "%"]) {
        const path = `/api/push?channel=a&event=e&data=${value}`;
        const answer = await ask(host.port, { method: "POST", path });
        expect([value, answer.status]).toEqual([value, 400]);
        expectError(answer);
      }
      expect(deliveredSince()).toEqual([]);
    });
  });
});
