import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { blank, jsonText, name } from "../support/arbitraries.js";
import { chunked, pushBytes } from "../support/raw-http.js";

// All bytes here are Latin-1 strings: fast-check prints them so that they can be read and copied.

export function latin1(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/**
 * Stands for a text many times over, until `expanded`: a counterexample stays short, and shrinking
 * fast.
 */
export function times(text: string, count: number): string {
  return `{{${text}*${count}}}`;
}

export function expanded(text: string): string {
  return text
    .replaceAll("{{bomb}}", () => BOMB)
    .replaceAll(/\{\{([^*]{1,9})\*(\d{1,6})\}\}/g, (_all, each: string, count: string) =>
      each.repeat(Number(count)),
    );
}

export const randomBytes = (maxLength: number) =>
  fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes).toString("latin1"));

/** What parsers look for. */
const MARKS = [
  "\r\n",
  "\r\n\r\n",
  "\n",
  "\r",
  "\0",
  "\t",
  " ",
  ":",
  ",",
  "%",
  "%00",
  "\xff",
  "0\r\n\r\n",
  "ffffffffffffffff\r\n",
  "-1\r\n",
  "GET / HTTP/1.1\r\n",
  "Host: b\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: 99999999999999999999\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Expect: 100-continue\r\n",
  "Connection: close\r\n",
  "Upgrade: websocket\r\n",
] as const;

export interface Mutation {
  readonly kind: "cut" | "delete" | "repeat" | "flip" | "insert";
  /** Where, as a share of what is there, in ten thousandths. */
  readonly at: number;
  readonly length: number;
  readonly bytes: string;
}

export const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom("delete", "repeat", "flip", "insert") },
    { weight: 1, arbitrary: fc.constant("cut") },
  ),
  at: fc.integer({ min: 0, max: 10_000 }),
  length: fc.integer({ min: 1, max: 40 }),
  bytes: fc.oneof(fc.constantFrom(...MARKS), randomBytes(8)),
});

/** Often none, so that what stands behind is reached. */
export const fewMutations = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  { weight: 2, arbitrary: fc.tuple(mutation) },
  { weight: 1, arbitrary: fc.array(mutation, { maxLength: 3 }) },
);

export function mutate(bytes: string, mutations: readonly Mutation[]): string {
  let mutated = bytes;
  for (const { kind, at, length, bytes: inserted } of mutations) {
    const from = Math.floor((at / 10_000) * mutated.length);
    const [before, touched, after] = [
      mutated.slice(0, from),
      mutated.slice(from, from + length),
      mutated.slice(from + length),
    ];
    switch (kind) {
      case "cut":
        mutated = before;
        break;
      case "delete":
        mutated = before + after;
        break;
      case "repeat":
        mutated = before + touched.repeat(3) + after;
        break;
      case "flip":
        mutated = before + flipped(touched.slice(0, 1), length) + touched.slice(1) + after;
        break;
      case "insert":
        mutated = before + inserted + touched + after;
        break;
    }
  }
  return mutated;
}

function flipped(byte: string, mask: number): string {
  return byte === "" ? "" : String.fromCharCode(byte.charCodeAt(0) ^ mask);
}

/** Cuts `bytes` in segments that go out one by one. */
export const cuts = fc.array(fc.integer({ min: 1, max: 9_999 }), { maxLength: 3 });

export function segments(bytes: string, at: readonly number[]): string[] {
  const places = at.map((each) => Math.floor((each / 10_000) * bytes.length));
  const bounds = [0, ...places.sort((a, b) => a - b), bytes.length];
  return bounds.slice(1).map((end, index) => bytes.slice(bounds[index], end));
}

/** A request with a right head. */
export function request(
  line: string,
  fields: readonly (readonly [name: string, value: string])[],
  body?: string,
): string {
  const length = body === undefined ? [] : [["Content-Length", `${body.length}`] as const];
  const lines = [["Host", "localhost"] as const, ...fields, ...length].map(
    ([field, value]) => `${field}: ${value}\r\n`,
  );
  return `${line} HTTP/1.1\r\n${lines.join("")}\r\n${body ?? ""}`;
}

const JSON_TYPE = ["Content-Type", "application/json"] as const;

export const validRequest: fc.Arbitrary<string> = fc.oneof(
  jsonText.map((data) => pushBytes("mutant", data)).map(latin1),
  fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 3 }).map((sizes) => {
    const body = chunked('{"channel":"mutant","event":"e","data":[1,2,3]}', sizes);
    return `${request("POST /api/push", [JSON_TYPE, ["Transfer-Encoding", "chunked"]])}${body}`;
  }),
  fc.constantFrom(
    request(
      "POST /api/push",
      [JSON_TYPE, ["Content-Encoding", "gzip"]],
      gzipSync('{"channel":["mutant","b"],"event":"e","data":{"a":1}}').toString("latin1"),
    ),
    request(
      "POST /api/push",
      [["Content-Type", "application/x-www-form-urlencoded"]],
      "channel[]=mutant&channel[]=b&event=e&data[a][b]=1",
    ),
    request("POST /api/push?channel=mutant&event=e&data=%41", []),
    request("POST /api/push", [JSON_TYPE, ["Expect", "100-continue"]], "{}"),
    request("OPTIONS /api/push", [
      ["Origin", "http://a.example"],
      ["Access-Control-Request-Method", "POST"],
    ]),
    request("GET /health/ready", [
      ["X-Request-Id", "a".repeat(30)],
      ["Connection", "close"],
    ]),
    request("GET /nothing/here?a=b", []),
    request("HEAD /health/live", []),
    request("DELETE /api/push", []),
    upgradeRequest("vsn=2.0.0"),
  ),
);

export function upgradeRequest(
  query: string,
  fields: readonly (readonly [name: string, value: string])[] = [],
): string {
  return request(`GET /push_socket/websocket?${query}`, [
    ["Connection", "Upgrade"],
    ["Upgrade", "websocket"],
    ["Sec-WebSocket-Version", "13"],
    ["Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="],
    ...fields,
  ]);
}

const nested = (open: string, close: string) =>
  fc
    .tuple(fc.constantFrom(10, 1_000, 100_000), fc.boolean())
    .map(([depth, isWhole]) => times(open, depth) + (isWhole ? `1${times(close, depth)}` : ""));

/** A member's value in a body: often right, so that what is wrong elsewhere is reached. */
const memberText = fc.oneof(
  { weight: 9, arbitrary: fc.constant('"fuzz"') },
  { weight: 2, arbitrary: jsonText },
  { weight: 1, arbitrary: nested("[", "]") },
  { weight: 1, arbitrary: nested('{"a":', "}") },
);

const jsonLike = fc
  .tuple(
    fc.oneof(
      { weight: 3, arbitrary: fc.constant(["channel", "event", "data"]) },
      fc.uniqueArray(fc.constantFrom("channel", "event", "data", "__proto__", "x")),
    ),
    fc.array(memberText, { minLength: 5, maxLength: 5 }),
    blank,
  )
  .map(([keys, values, space]) => {
    const members = keys.map((key, index) => `${space}"${key}":${space}${values[index]}`);
    return latin1(`{${members.join(`${space},`)}${space}}`);
  });

const formName = fc.oneof(
  fc.constantFrom("channel", "channel[]", "event", "data", "data[a]", "data[a][]", "__proto__"),
  fc.constantFrom("channel[99999]", "data[__proto__][a]", "constructor[prototype]", "data[", "[]"),
  fc.integer({ min: 1, max: 50 }).map((depth) => `data${"[a]".repeat(depth)}`),
);

const formLike = fc
  .array(
    fc.tuple(
      formName,
      fc.constantFrom("=", "", "=="),
      fc.oneof(
        name().map(encodeURIComponent),
        randomBytes(8),
        fc.constantFrom("%", "%zz", "%ff", "%00"),
      ),
    ),
    { maxLength: 8 },
  )
  .map((pairs) => pairs.map((parts) => parts.join("")).join("&"));

const BOMB = gzipSync(Buffer.alloc(30_000_000, "[")).toString("latin1");

/** A body that is told to be compressed, and may be so. */
const gzipLike = fc.oneof(
  fc
    .tuple(fc.oneof(jsonLike, formLike), fc.array(mutation, { maxLength: 2 }))
    .map(([text, mutations]) =>
      mutate(gzipSync(Buffer.from(expanded(text), "latin1")).toString("latin1"), mutations),
    ),
  randomBytes(40).map((bytes) => `\x1f\x8b\x08${bytes}`),
  { weight: 1, arbitrary: fc.constant("{{bomb}}") },
);

export interface PushRequest {
  readonly query: string;
  readonly type: string;
  readonly encoding: string;
  readonly body: string;
  /** Sizes of its chunks; none where its length is told. */
  readonly chunks: readonly number[];
}

const visible = fc
  .string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)) })
  .filter((text) => text !== "");

const contentType = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("application/json", "application/json; charset=utf-8") },
  { weight: 2, arbitrary: fc.constant("application/x-www-form-urlencoded") },
  fc.constantFrom(
    "application/vnd.api+json",
    "APPLICATION/JSON",
    "application/json; charset=utf-16",
    "application/json;",
    ";",
    "/",
    "application/",
    "text/plain",
    "multipart/form-data; boundary=a",
    "application/json, text/html",
  ),
  visible,
);

const contentEncoding = fc.oneof(
  { weight: 4, arbitrary: fc.constant("identity") },
  { weight: 2, arbitrary: fc.constant("gzip") },
  fc.constantFrom("deflate", "br", "GZIP", "gzip, gzip", "zstd", "__proto__", "constructor"),
  visible,
);

const body = fc.oneof(
  { weight: 3, arbitrary: jsonLike },
  {
    weight: 2,
    arbitrary: fc
      .tuple(jsonLike, fc.array(mutation, { minLength: 1, maxLength: 3 }))
      .map(([text, mutations]) => mutate(text, mutations)),
  },
  { weight: 2, arbitrary: formLike },
  { weight: 2, arbitrary: gzipLike },
  randomBytes(100),
);

/** Content that is what it is told to be, and may be broken in itself. */
const toldContent = fc.oneof(
  { weight: 2, arbitrary: content("application/json", "identity", jsonLike) },
  { weight: 2, arbitrary: content("application/x-www-form-urlencoded", "identity", formLike) },
  {
    weight: 1,
    arbitrary: content("application/json", "identity", fc.tuple(jsonLike, fewMutations).map(apply)),
  },
  { weight: 1, arbitrary: content("application/json", "gzip", gzipLike) },
);

const anyContent = fc.record({ type: contentType, encoding: contentEncoding, body });

function content(type: string, encoding: string, ofBody: fc.Arbitrary<string>) {
  return ofBody.map((told) => ({ type, encoding, body: told }));
}

function apply([bytes, mutations]: readonly [string, readonly Mutation[]]): string {
  return mutate(bytes, mutations);
}

export const pushRequest: fc.Arbitrary<PushRequest> = fc
  .record({
    query: fc.oneof(
      { weight: 3, arbitrary: fc.constant("") },
      { weight: 1, arbitrary: formLike.map(encodeURI) },
    ),
    content: fc.oneof(toldContent, anyContent),
    chunks: fc.oneof(
      fc.constant([]),
      fc.array(fc.integer({ min: 500, max: 50_000 }), { minLength: 1, maxLength: 3 }),
    ),
  })
  .map(({ query, content: told, chunks }) => ({ query, ...told, chunks }));

export function pushRequestBytes({ query, type, encoding, chunks, ...told }: PushRequest): string {
  const body = expanded(told.body);
  const line = `POST /api/push?${query}`;
  const fields = [
    ["Content-Type", type],
    ["Content-Encoding", encoding],
  ] as const;
  return chunks.length === 0
    ? request(line, fields, body)
    : request(line, [...fields, ["Transfer-Encoding", "chunked"]]) + chunked(body, chunks);
}

/** Of an upgrade request: what a client may put in it and stay a client of WebSockets. */
export const upgrade = fc
  .record({
    query: fc.oneof(
      fc.constantFrom("", "vsn=2.0.0", "vsn=1.0.0", "vsn=", "vsn=2.0.0&vsn=9", "vsn[]=2.0.0"),
      fc.tuple(fc.constantFrom("vsn=2.0.0&", "vsn=1.0.0&", ""), formLike.map(encodeURI)).map(join),
      fc.tuple(fc.constant("vsn=2.0.0&a="), visible).map(join),
    ),
    fields: fc.array(
      fc.oneof(
        fc.tuple(
          fc.constant("Sec-WebSocket-Protocol"),
          fc.oneof(
            fc.constantFrom("phoenix", "phoenix, base64url.bearer.phx.YQ", "base64url.bearer.phx."),
            fc.constantFrom(",", " , ", "a, phoenix ,b", "PHOENIX"),
            visible,
          ),
        ),
        fc.tuple(
          fc.constant("Origin"),
          fc.oneof(
            fc.constantFrom("http://localhost", "http://a.example", "null", "http://", "//", ":"),
            visible,
          ),
        ),
        fc.tuple(
          fc.constant("Sec-WebSocket-Extensions"),
          fc.oneof(
            fc.constantFrom(
              "permessage-deflate",
              "permessage-deflate; client_max_window_bits=99",
              "permessage-deflate; server_no_context_takeover; client_max_window_bits",
              "x, y; z=1",
            ),
            visible,
          ),
        ),
        fc.tuple(
          fc.constantFrom("Sec-WebSocket-Key", "Sec-WebSocket-Version", "Upgrade", "X", "Cookie"),
          visible,
        ),
      ),
      { maxLength: 4 },
    ),
  })
  .map(({ query, fields }) => upgradeRequest(query, fields));

function join(parts: readonly string[]): string {
  return parts.join("");
}
