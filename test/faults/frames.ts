import fc from "fast-check";
import { awkwardName, jsonText } from "../support/arbitraries.js";
import { expanded, latin1, mutate, mutation, randomBytes, times } from "./bytes.js";

/** A WebSocket frame (RFC 6455, section 5.2), right or not. */
export interface WireFrame {
  readonly fin: boolean;
  readonly rsv: number;
  readonly opcode: number;
  readonly masked: boolean;
  readonly payload: string;
  /** How its length is told. "huge" tells another one than it has. */
  readonly lengthForm: "right" | "16 bits" | "64 bits" | "huge";
}

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

export function textFrame(text: string): WireFrame {
  return rightFrame(TEXT, latin1(text));
}

function rightFrame(opcode: number, payload: string): WireFrame {
  return { fin: true, rsv: 0, opcode, masked: true, payload, lengthForm: "right" };
}

export function frameBytes({ fin, rsv, opcode, masked, payload, lengthForm }: WireFrame): string {
  const bytes = Buffer.from(expanded(payload), "latin1");
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  const mask = masked ? 0x80 : 0;
  const { length } = bytes;
  if (lengthForm === "huge") head.push(mask | 127, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0);
  else if (lengthForm === "64 bits" || length > 0xffff) {
    head.push(mask | 127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((shift) => (length >>> shift) & 0xff));
  } else if (lengthForm === "16 bits" || length > 125) {
    head.push(mask | 126, length >>> 8, length & 0xff);
  } else head.push(mask | length);
  if (!masked) return Buffer.concat([Buffer.from(head), bytes]).toString("latin1");
  for (let at = 0; at < length; at++) bytes[at] = (bytes[at] as number) ^ (MASK[at % 4] as number);
  return Buffer.concat([Buffer.from(head), MASK, bytes]).toString("latin1");
}

/** Few topics, so that frames meet channels that earlier ones have joined. */
const topic = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom("a", "b", "phoenix") },
  { weight: 1, arbitrary: awkwardName },
);
const event = fc.constantFrom(
  "phx_join",
  "phx_leave",
  "heartbeat",
  "phx_reply",
  "phx_close",
  "phx_error",
  "msg",
  "",
  "__proto__",
);
const text = <T>(strings: fc.Arbitrary<T>) => strings.map((value) => JSON.stringify(value));
const ref = fc.oneof({ weight: 3, arbitrary: fc.constantFrom('"1"', "null", "1") }, jsonText);

/** Mostly of the type that the place asks for. */
const place = (right: fc.Arbitrary<string>) =>
  fc.oneof({ weight: 9, arbitrary: right }, { weight: 1, arbitrary: jsonText });

const parts = fc.tuple(ref, ref, place(text(topic)), place(text(event)), jsonText);

const v2Text = fc.oneof(
  { weight: 6, arbitrary: parts.map((all) => `[${all.join(",")}]`) },
  { weight: 1, arbitrary: fc.array(jsonText, { maxLength: 7 }).map((all) => `[${all.join(",")}]`) },
);

const v1Text = fc.oneof(
  {
    weight: 6,
    arbitrary: parts.map(
      ([joinRef, itsRef, itsTopic, itsEvent, payload]) =>
        `{"topic":${itsTopic},"event":${itsEvent},"payload":${payload},"ref":${itsRef},` +
        `"join_ref":${joinRef}}`,
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .array(fc.tuple(fc.constantFrom("topic", "event", "payload", "ref", "__proto__"), jsonText), {
        maxLength: 6,
      })
      .map((members) => `{${members.map(([key, value]) => `"${key}":${value}`).join(",")}}`),
  },
);

const deepText = fc
  .tuple(fc.constantFrom("[", '{"a":', "[[],"), fc.constantFrom(10, 1_000, 10_000))
  .map(([open, depth]) => `["1","1","a","phx_join",${times(open, depth)}`);

/** Frames of text that a client of Phoenix could send, with values of any type in their places. */
export const phoenixTexts = fc.array(fc.oneof({ weight: 8, arbitrary: v2Text }, v1Text, deepText), {
  minLength: 1,
  maxLength: 8,
});

/** Phoenix's binary push: see `src/adapters/uws/phoenix/codec-v2.ts`. */
const binaryPush = fc
  .tuple(fc.constantFrom("", "1"), fc.constantFrom("", "2"), topic, event, randomBytes(20))
  .map(([joinRef, itsRef, itsTopic, itsEvent, payload]) => {
    const fields = [joinRef, itsRef, itsTopic, itsEvent].map(latin1);
    const sizes = fields.map(({ length }) => String.fromCharCode(length));
    return `\0${sizes.join("")}${fields.join("")}${payload}`;
  });

export const binaryPayloads = fc.array(
  fc.oneof(
    randomBytes(40),
    binaryPush,
    fc
      .tuple(binaryPush, fc.array(mutation, { minLength: 1, maxLength: 2 }))
      .map(([bytes, mutations]) => mutate(bytes, mutations)),
  ),
  { minLength: 1, maxLength: 8 },
);

export function binaryFrame(payload: string): WireFrame {
  return rightFrame(BINARY, payload);
}

/** Frames of any kind; many are right in all but one thing. */
const wireFrame: fc.Arbitrary<WireFrame> = fc
  .record({
    fin: mostly(true, fc.boolean()),
    rsv: mostly(0, fc.integer({ min: 0, max: 7 })),
    content: fc.oneof(
      { weight: 4, arbitrary: content([TEXT], v2Text.map(latin1)) },
      { weight: 2, arbitrary: content([BINARY], binaryPush) },
      { weight: 1, arbitrary: content([CLOSE, PING, PONG], controlPayload()) },
      { weight: 1, arbitrary: content([TEXT, BINARY], fc.constant(times("[", 70_000))) },
      { weight: 1, arbitrary: content([...Array(16).keys()], randomBytes(200)) },
    ),
    masked: mostly(true, fc.constant(false)),
    lengthForm: mostly("right", fc.constantFrom("16 bits", "64 bits", "huge")),
  })
  .map(({ content: [opcode, payload], ...rest }) => ({ ...rest, opcode, payload }));

function content(opcodes: readonly number[], payload: fc.Arbitrary<string>) {
  return fc.tuple(fc.constantFrom(...opcodes), payload);
}

function controlPayload(): fc.Arbitrary<string> {
  return fc.constantFrom("", "\x03\xe8", "\x03", "\0\0", "\x03\xe8\xff\xfe", "a".repeat(126));
}

function mostly<const T>(value: T, others: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 14, arbitrary: fc.constant(value) }, { weight: 1, arbitrary: others });
}

/** One message in several frames, with a control frame between them. */
const fragmented: fc.Arbitrary<readonly WireFrame[]> = fc
  .tuple(v2Text.map(latin1), fc.nat({ max: 60 }), fc.constantFrom(CLOSE, PING, PONG, 0, TEXT))
  .map(([payload, at, between]) => [
    { ...rightFrame(TEXT, payload.slice(0, at)), fin: false },
    ...(between === 0 ? [] : [rightFrame(between, "")]),
    rightFrame(0, payload.slice(at)),
  ]);

export const wireFrames: fc.Arbitrary<readonly WireFrame[]> = fc
  .array(fc.oneof({ weight: 3, arbitrary: wireFrame.map((frame) => [frame]) }, fragmented), {
    minLength: 1,
    maxLength: 5,
  })
  .map((frames) => frames.flat());

/** What a server has sent: whole frames of a server, as the RFC wants them. */
export interface ServerFrames {
  readonly texts: readonly string[];
  readonly isClosed: boolean;
}

/** @throws where a server must not send that. A last frame that is not whole is left out. */
export function readServerFrames(received: string): ServerFrames {
  const bytes = Buffer.from(received, "latin1");
  const texts: string[] = [];
  let isClosed = false;
  for (let at = 0; at + 2 <= bytes.length; ) {
    const first = bytes[at] as number;
    const short = bytes[at + 1] as number;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 6 : 0;
    const from = at + 2 + (short === 127 ? 8 : lengthBytes);
    if (from > bytes.length) break;
    const length = lengthBytes === 0 ? short : bytes.readUIntBE(from - lengthBytes, lengthBytes);
    if (from + length > bytes.length) break;
    const payload = bytes.subarray(from, from + length);
    at = from + length;
    if (isClosed) throw new Error("a frame behind the close frame");
    if (first === (0x80 | TEXT)) {
      const text = payload.toString("utf8");
      JSON.parse(text);
      texts.push(text);
    } else if (first === (0x80 | CLOSE)) isClosed = true;
    else if (first !== (0x80 | PONG)) throw new Error(`a frame that begins with ${first}`);
  }
  return { texts, isClosed };
}
