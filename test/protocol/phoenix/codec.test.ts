import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Json } from "../../../src/domain/json.js";
import type { Message } from "../../../src/domain/message.js";
import { codecV1 } from "../../../src/protocol/phoenix/codec-v1.js";
import { codecV2 } from "../../../src/protocol/phoenix/codec-v2.js";
import type { Codec } from "../../../src/protocol/phoenix/frame.js";
import { channelName, jsonText, name } from "../../support/arbitraries.js";

const ok = { topic: "a:1", status: "ok", response: Json.emptyObject } as const;

describe("serializer 2.0.0", () => {
  it("reads a text frame of five elements and ignores further ones", () => {
    const frame = {
      joinRef: '"4"',
      ref: '"7"',
      topic: "a:1",
      event: "phx_join",
      payload: Json.parse('{"token":"t"}'),
    };
    expect(codecV2.decodeText('["4","7","a:1","phx_join",{"token":"t"}]')).toEqual(frame);
    expect(codecV2.decodeText(' [ "4" , "7","a:1","phx_join", {"token" : "t"},1,2]')).toEqual(
      frame,
    );
  });

  it("keeps references as the JSON that they are", () => {
    const frame = codecV2.decodeText('[null,{"a":9007199254740993},"a","e",1]');
    expect([frame?.joinRef, frame?.ref, frame?.payload.text]).toEqual([
      "null",
      '{"a":9007199254740993}',
      "1",
    ]);
  });

  it.each([
    "",
    "{}",
    "[]",
    "null",
    '"a"',
    '["1","1","a","e"]',
    '["1","1",5,"e",{}]',
    '["1","1","a",null,{}]',
    "[1,2",
    '["1","1","a","e",{}',
    '["1","1","a","e",{},]',
    '["1","1","a","e",{} {}]',
    '["1","1","a","e",{}}',
    '["1","1","a","e",{}] x',
    '["1","1","a","e",{},{]',
    '["1","1" "a","e",{}]',
    '["1","1","\\x","e",{}]',
  ])("takes %s for no frame", (text) => {
    expect(codecV2.decodeText(text)).toBeUndefined();
  });

  it("reads of any text what JSON.parse has of it", () => {
    const blank = fc.constantFrom("", "", " ", "\n\t");
    const element = fc.oneof(jsonText, {
      arbitrary: name().map((text) => JSON.stringify(text)),
      weight: 4,
    });
    const array = fc
      .array(fc.tuple(blank, element, blank), { minLength: 3, maxLength: 7 })
      .map((elements) => `[${elements.map((parts) => parts.join("")).join(",")}]`);
    fc.assert(
      fc.property(
        array,
        fc.nat(),
        fc.constantFrom("", "", "", ",", "]", '"', "x"),
        (text, at, extra) => {
          const place = at % (text.length + 1);
          const sent = text.slice(0, place) + extra + text.slice(place);
          const frame = codecV2.decodeText(sent);
          const parsed = parsedOrNothing(sent);
          const isFrame =
            parsed.length >= 5 && typeof parsed[2] === "string" && typeof parsed[3] === "string";
          expect(frame !== undefined).toBe(isFrame);
          if (frame === undefined) return;
          const { joinRef, ref, topic, event, payload } = frame;
          expect([
            JSON.parse(joinRef),
            JSON.parse(ref),
            topic,
            event,
            JSON.parse(payload.text),
          ]).toEqual(parsed.slice(0, 5));
        },
      ),
      { numRuns: 500 },
    );
  });

  it("reads a binary push: a kind, four lengths, four texts and an opaque rest", () => {
    const bytes = Buffer.concat([
      Buffer.from([0]), // kind: push
      Buffer.from([1, 2, 3, 8]), // lengths of join_ref, ref, topic and event
      Buffer.from("4"),
      Buffer.from("17"),
      Buffer.from("é1"), // the length counts bytes
      Buffer.from("phx_join"),
      Buffer.from([0xff, 0x00]), // payload
    ]);
    expect(codecV2.decodeBinary(bytes)).toEqual({
      joinRef: '"4"',
      ref: '"17"',
      topic: "é1",
      event: "phx_join",
      payload: Json.emptyObject,
    });
  });

  it("takes a binary frame that ends early, is of another kind or holds no UTF-8 for none", () => {
    const frame = [0, 1, 1, 1, 1, 0x61, 0x62, 0x63, 0x64];
    expect(codecV2.decodeBinary(Buffer.from(frame))).toBeDefined();
    for (let length = 0; length < frame.length; length++) {
      expect(codecV2.decodeBinary(Buffer.from(frame.slice(0, length)))).toBeUndefined();
    }
    expect(codecV2.decodeBinary(Buffer.from([1, ...frame.slice(1)]))).toBeUndefined();
    expect(codecV2.decodeBinary(Buffer.from([...frame.slice(0, 8), 0xff]))).toBeUndefined();
  });

  it("writes replies, channel events and messages to the byte", () => {
    expect(codecV2.encodeReply({ joinRef: '"4"', ref: '"7"', ...ok })).toBe(
      '["4","7","a:1","phx_reply",{"response":{},"status":"ok"}]',
    );
    expect(codecV2.encodeChannelEvent("a:1", "phx_close", '"4"')).toBe(
      '["4","4","a:1","phx_close",{}]',
    );
    expect(codecV2.encodeChannelEvent("a:1", "phx_error", "null")).toBe(
      '[null,null,"a:1","phx_error",{}]',
    );
    expect(codecV2.encodeMessage(message("a:1", "woohoo", '{"n":9007199254740993}'))).toBe(
      '[null,null,"a:1","msg",{"data":{"n":9007199254740993},"event":"woohoo"}]',
    );
  });
});

describe("serializer 1.0.0", () => {
  it("reads an object that has topic, event, payload and ref", () => {
    const text =
      '{"topic":"a:1","event":"phx_join","payload":{"token":"t"},"ref":"7","join_ref":"4"}';
    expect(codecV1.decodeText(text)).toEqual({
      joinRef: '"4"',
      ref: '"7"',
      topic: "a:1",
      event: "phx_join",
      payload: Json.parse('{"token":"t"}'),
    });
  });

  it("takes an absent join_ref for null", () => {
    const text = '{"topic":"a","event":"e","payload":null,"ref":null}';
    expect(codecV1.decodeText(text)?.joinRef).toBe("null");
  });

  it.each(["topic", "event", "payload", "ref"])(
    "takes an object without %s for no frame",
    (member) => {
      const frame: Record<string, unknown> = { topic: "a", event: "e", payload: {}, ref: "1" };
      delete frame[member];
      expect(codecV1.decodeText(JSON.stringify(frame))).toBeUndefined();
    },
  );

  it("reads a binary frame like a text one", () => {
    const text = '{"topic":"é","event":"e","payload":{},"ref":"1"}';
    expect(codecV1.decodeBinary(Buffer.from(text))).toEqual(codecV1.decodeText(text));
    expect(codecV1.decodeBinary(Buffer.from([0x7b, 0xff]))).toBeUndefined();
  });

  it("writes replies, channel events and messages to the byte, without join_ref", () => {
    expect(codecV1.encodeReply({ joinRef: '"4"', ref: '"7"', ...ok })).toBe(
      '{"event":"phx_reply","payload":{"response":{},"status":"ok"},"ref":"7","topic":"a:1"}',
    );
    expect(codecV1.encodeChannelEvent("a:1", "phx_close", '"4"')).toBe(
      '{"event":"phx_close","payload":{},"ref":"4","topic":"a:1"}',
    );
    expect(codecV1.encodeMessage(message("a:1", "woohoo", "[1.10]"))).toBe(
      '{"event":"msg","payload":{"data":[1.10],"event":"woohoo"},"ref":null,"topic":"a:1"}',
    );
  });
});

function message(channel: string, event: string, data: string): Message {
  return { channel, event, data: Json.parse(data) };
}

/** What a client reads from a message's frame. */
const readers: [string, Codec, (frame: string) => { topic: string; payload: Json }][] = [
  [
    "2.0.0",
    codecV2,
    (frame) => {
      const parts = Json.elements(frame) as Json[];
      return { topic: parts[2]?.value() as string, payload: parts[4] as Json };
    },
  ],
  [
    "1.0.0",
    codecV1,
    (frame) => {
      const members = Json.members(frame, ["topic", "payload"]);
      return {
        topic: members?.get("topic")?.value() as string,
        payload: members?.get("payload") as Json,
      };
    },
  ],
];

describe.each(readers)("serializer %s", (_version, codec, read) => {
  it("carries any channel, event and data unchanged", () => {
    fc.assert(
      fc.property(channelName, name(), jsonText, (channel, event, data) => {
        const { topic, payload } = read(codec.encodeMessage(message(channel, event, data)));
        const members = Json.members(payload.text, ["event", "data"]);
        expect([topic, members?.get("event")?.value(), members?.get("data")?.text]).toEqual([
          channel,
          event,
          data,
        ]);
      }),
    );
  });

  it("gives a frame or nothing for any text and any bytes, and never throws", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), fc.uint8Array(), (text, bytes) => {
        for (const frame of [codec.decodeText(text), codec.decodeBinary(bytes)]) {
          if (frame === undefined) continue;
          expect(typeof frame.topic).toBe("string");
          expect(() => JSON.parse(frame.ref) && JSON.parse(frame.joinRef)).not.toThrow();
        }
      }),
      { numRuns: 500 },
    );
  });
});

function parsedOrNothing(text: string): unknown[] {
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) ? parsed : [];
  } catch {
    return [];
  }
}
