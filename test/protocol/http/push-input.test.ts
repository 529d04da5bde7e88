import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Json } from "../../../src/domain/json.js";
import { Push, type PushInput } from "../../../src/domain/push.js";
import { pushJson } from "../../../src/protocol/http/push.js";
import { parsePushInput } from "../../../src/protocol/http/push-input.js";
import { channelName, jsonText, name } from "../../support/arbitraries.js";

const channels = fc.array(channelName, { minLength: 1, maxLength: 12 });

function accept(input: PushInput): Push {
  const result = Push.of(input);
  if (!result.ok) throw new Error(result.error.message);
  return result.push;
}

describe("pushJson", () => {
  it("answers with what was processed, its keys in order and its data to the digit", () => {
    fc.assert(
      fc.property(channels, name(), jsonText, (channel, event, text) => {
        const push = accept({ channel, event, data: Json.parse(text) });
        const expected = `{"channel":${JSON.stringify(push.channels)},"data":${text},"event":${JSON.stringify(event)}}`;
        expect(pushJson(push)).toBe(expected);
      }),
    );
  });

  it("answers the documented example to the byte", () => {
    const body = '{"channel": ["test", "test2", "test"], "data": "data", "event": "woohoo"}';
    const parsed = parsePushInput(body);
    expect(parsed.ok && pushJson(accept(parsed.input))).toBe(
      '{"channel":["test","test2"],"data":"data","event":"woohoo"}',
    );
  });
});

describe("parsePushInput", () => {
  it("finds the three members among others, in any order", () => {
    const members = fc.shuffledSubarray(["channel", "data", "event", "other", "__proto__"]);
    fc.assert(
      fc.property(members, jsonText, (names, text) => {
        const body = `{${names.map((each) => `"${each}":${text}`).join(",")}}`;
        const parsed = parsePushInput(body);
        if (!parsed.ok) throw new Error(parsed.message);
        expect(parsed.input.data?.text).toBe(names.includes("data") ? text : undefined);
        expect(parsed.input.channel !== undefined).toBe(names.includes("channel"));
        expect(parsed.input.event !== undefined).toBe(names.includes("event"));
      }),
    );
  });

  it("takes an empty body and another JSON value as no members", () => {
    for (const text of ["", "[]", "1", "null", '"channel"']) {
      expect(parsePushInput(text)).toEqual({ ok: true, input: {} });
    }
  });

  it("refuses what is not JSON, without quoting it", () => {
    const secret = "secret-payload";
    for (const text of ["{", "nope", `{"data":"${secret}"`, "\ufeff{}", '{"a":1} x', " "]) {
      const parsed = parsePushInput(text);
      expect(parsed.ok).toBe(false);
      expect(JSON.stringify(parsed)).not.toContain(secret);
    }
  });
});
