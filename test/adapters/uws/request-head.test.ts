import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rawHeadersOf, readRequestHead } from "../../../src/adapters/uws/request-head.js";
import { within } from "../../support/inbox.js";
import { RawHttp } from "../../support/raw-http.js";

type Field = readonly [name: string, value: string];

const HOST: Field = ["host", "localhost"];
const CHUNKED: Field = ["transfer-encoding", "chunked"];
const length = (value: string): Field => ["content-length", value];

/** Fields as uWebSockets.js gives them: names in lower case, values without blanks around them. */
const read = (...fields: readonly Field[]) => {
  const source = {
    forEach(each: (name: string, value: string) => unknown): void {
      for (const [name, value] of fields) each(name, value);
    },
  };
  return { ...readRequestHead(source), rawHeaders: rawHeadersOf(source) };
};

describe("the head of a request", () => {
  it.each<[string, readonly Field[]]>([
    ["no body", []],
    ["a length", [length("3")]],
    ["no length to speak of", [length("0")]],
    ["a length with zeros before it", [length("0003")]],
    ["the greatest length", [length("9".repeat(15))]],
    ["chunks", [CHUNKED]],
    ["a tab and high bytes in a value", [["x-a", "a\tb \u00e9\u00ff"]]],
    ["other fields twice", [...Array(2).fill(["x-a", "b"]), ...Array(2).fill(["cookie", "a=1"])]],
  ])("is taken with %s", (_what, fields) => {
    expect(read(HOST, ...fields).fault).toBeUndefined();
    expect(read(...fields, HOST).fault).toBeUndefined();
  });

  it.each([
    ...[
      "localhost",
      "localhost:4004",
      "localhost:",
      "example.com",
      "EXAMPLE.com.",
      "a_b",
      "1.2.3.4",
    ],
    ...[
      "1.2.3.4:80",
      "[::1]",
      "[::1]:65535",
      "[2001:DB8::1.2.3.4]",
      "xn--bcher-kva.example",
      "a%20b",
    ],
  ])("is taken with the host %s", (host) => {
    expect(read(["host", host]).fault).toBeUndefined();
  });

  it.each([
    ...[
      "",
      " ",
      "a b",
      "a,b c",
      "a/b",
      "a\\b",
      "a@b",
      "a?b",
      "a#b",
      "http://a",
      "a:b",
      "a:80:80",
      ":80",
    ],
    ...[
      "a:123456",
      "::1",
      "[::1",
      "::1]",
      "[]",
      "[g::1]",
      "[::1]x",
      "[::1]:x",
      "a\u00e9",
      "a\tb",
      "<a>",
    ],
    ...["a:+80", "a: 80", "a:-1", '"a"', "a|b", "a^b", "a`b", "{a}"],
  ])("is refused with the host %j", (host) => {
    expect(read(["host", host]).fault).toMatch(/host field/);
  });

  it("is refused without a host, and with two", () => {
    expect(read().fault).toMatch(/exactly one host/);
    expect(read(length("3")).fault).toMatch(/exactly one host/);
    expect(read(HOST, HOST).fault).toMatch(/exactly one host/);
    expect(read(HOST, ["host", ""]).fault).toMatch(/exactly one host/);
  });

  it.each([
    ...[
      "",
      "+3",
      "-3",
      "3, 3",
      "3,3",
      "3;3",
      "0x3",
      "3.0",
      "3e0",
      "3 3",
      "3\t",
      "three",
      "Infinity",
    ],
    ...[
      "NaN",
      "\u0663",
      "\u00b3",
      "9".repeat(16),
      "9".repeat(400),
      "18446744073709551619",
      "0b11",
      "3_0",
    ],
  ])("is refused with the content-length %j", (value) => {
    expect(read(HOST, length(value)).fault).toMatch(/content-length field is malformed/);
  });

  it.each([
    ["3", "3"],
    ["3", "4"],
    ["3", ""],
    ["", "3"],
    ["0", "0"],
    ["+3", "3"],
    ["3", "3", "3"],
  ])("is refused with several content-lengths: %j and %j", (...values) => {
    expect(read(HOST, ...values.map(length)).fault).toMatch(/several content-length/);
  });

  it.each([
    ...["", "gzip", "gzip, chunked", "chunked, gzip", "chunked, chunked", "Chunked", "CHUNKED"],
    ...[
      "chunked ",
      "xchunked",
      "chunkedx",
      "chunked;a=b",
      ", chunked",
      "chunked,",
      "identity",
      "\u212aed",
    ],
  ])("is refused with the transfer-encoding %j", (value) => {
    expect(read(HOST, ["transfer-encoding", value]).fault).toMatch(/transfer-encoding/);
  });

  it("is refused with two transfer-encodings, whatever they are", () => {
    for (const other of ["chunked", "identity", "gzip", ""]) {
      expect(read(HOST, CHUNKED, ["transfer-encoding", other]).fault).toMatch(/transfer-encoding/);
      expect(read(HOST, ["transfer-encoding", other], CHUNKED).fault).toMatch(/transfer-encoding/);
    }
  });

  it("is refused with a content-length beside a transfer-encoding, in either order", () => {
    expect(read(HOST, length("3"), CHUNKED).fault).toMatch(/both/);
    expect(read(HOST, CHUNKED, length("0")).fault).toMatch(/both/);
  });

  it("is refused with a control character in a value, and taken with any other", () => {
    for (let code = 0; code <= 0xff; code++) {
      const isControl = (code < 0x20 && code !== 0x09) || code === 0x7f;
      for (const value of [`a${String.fromCharCode(code)}b`, String.fromCharCode(code)]) {
        const { fault } = read(HOST, ["x-a", value]);
        expect([code, fault]).toEqual([
          code,
          isControl ? expect.stringMatching(/control/) : undefined,
        ]);
      }
    }
  });

  it("is refused for its length and coding wherever these stand among other fields", () => {
    const bad = fc.constantFrom<readonly Field[]>(
      [length("3"), length("3")],
      [length("3"), CHUNKED],
      [CHUNKED, CHUNKED],
      [HOST],
      [["transfer-encoding", "gzip"]],
      [length("0x3")],
      [["x-b", "a\0b"]],
    );
    const other = fc.tuple(
      fc.stringMatching(/^x-[a-z]{1,8}$/),
      fc.string({
        unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
      }),
    );
    fc.assert(
      fc.property(
        bad,
        fc.array(other),
        fc.array(fc.nat(), { minLength: 10 }),
        (wrong, others, order) => {
          const fields = [HOST, ...wrong, ...others]
            .map((field, at) => [order[at % order.length] ?? 0, field] as const)
            .sort(([a], [b]) => a - b)
            .map(([, field]) => field);
          expect(read(...fields).fault).toBeDefined();
        },
      ),
    );
  });

  it("has no field that is special by its name", () => {
    const { headers } = read(HOST, ["__proto__", "a"], ["constructor", "b"], ["__proto__", "c"]);
    expect(Object.entries(headers)).toEqual([
      ["host", "localhost"],
      ["__proto__", "a, c"],
      ["constructor", "b"],
    ]);
    expect(Object.getPrototypeOf(headers)).toBeNull();
  });

  it("keeps all fields as they came, in their order", () => {
    const fields: Field[] = [["x-a", "1"], HOST, ["cookie", "a"], ["x-a", ""], ["cookie", "b"]];
    expect(read(...fields).rawHeaders).toEqual(fields.flat());
  });

  describe("that is well-formed", () => {
    let port = 0;
    let seen: IncomingMessage | undefined;
    const server = createServer((request, response) => {
      seen = request;
      response.end();
    });
    beforeAll(async () => {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      port = (server.address() as AddressInfo).port;
    });
    afterAll(async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await within(closed, "the end of the server");
    });

    it("has the headers that node:http makes of it", async () => {
      const name = fc.constantFrom(
        ...["accept", "age", "authorization", "content-type", "cookie", "etag", "expires", "from"],
        ...[
          "if-modified-since",
          "if-unmodified-since",
          "last-modified",
          "location",
          "max-forwards",
        ],
        ...["proxy-authorization", "referer", "retry-after", "server", "user-agent", "origin"],
        ...["x-forwarded-for", "x-a", "sec-websocket-protocol", "vary", "via", "accept-encoding"],
        ...["if-none-match", "te-x", "__proto__", "constructor", "tostring"],
      );
      const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/);
      const client = await RawHttp.connect(port);
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(name, value), { maxLength: 12 }), async (others) => {
          const fields = [HOST, ...others];
          await client.send(
            `GET / HTTP/1.1\r\n${fields.map(([key, text]) => `${key}: ${text}\r\n`).join("")}\r\n`,
          );
          await client.answer();
          const { headers, rawHeaders, fault } = read(...fields);
          expect(fault).toBeUndefined();
          expect(rawHeaders).toEqual(seen?.rawHeaders);
          expect(Object.entries(headers).sort()).toEqual(
            Object.entries(seen?.headers ?? {})
              .filter(([key]) => key !== "__proto__")
              .concat(ofProto(others))
              .sort(),
          );
        }),
        { numRuns: 100 },
      );
      client.destroy();
    });
  });
});

/** With Node a field of this name is lost: its object has a prototype. */
function ofProto(fields: readonly Field[]): [string, string][] {
  const values = fields.filter(([key]) => key === "__proto__").map(([, value]) => value);
  return values.length === 0 ? [] : [["__proto__", values.join(", ")]];
}
