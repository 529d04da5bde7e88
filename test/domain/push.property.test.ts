import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Json } from "../../src/domain/json.js";
import { DEFAULT_PUSH_LIMITS, Push, type PushInput } from "../../src/domain/push.js";
import { channelName, jsonText, name } from "../support/arbitraries.js";

const channels = fc.array(channelName, { minLength: 1, maxLength: 12 });

function accept(input: PushInput): Push {
  const result = Push.of(input);
  if (!result.ok) throw new Error(result.error.message);
  return result.push;
}

function refuse(input: PushInput): string {
  const result = Push.of(input);
  if (result.ok) throw new Error("was accepted");
  return result.error.message;
}

describe("Push", () => {
  it("normalises twice as once", () => {
    fc.assert(
      fc.property(channels, name(), jsonText, (channel, event, text) => {
        const once = accept({ channel, event, data: Json.parse(text) });
        const twice = accept({ channel: once.channels, event: once.event, data: once.data });
        expect(twice).toEqual(once);
      }),
    );
  });

  it("names each channel once, in the order in which it was first named", () => {
    fc.assert(
      fc.property(channels, (channel) => {
        const push = accept({ channel, event: "e", data: Json.null });
        const firstSeen = channel.filter((each, at) => channel.indexOf(each) === at);
        expect(push.channels).toEqual(firstSeen);
      }),
    );
  });

  it("takes a single name as a list of one", () => {
    fc.assert(
      fc.property(channelName, (channel) => {
        const data = Json.null;
        expect(accept({ channel, event: "e", data })).toEqual(
          accept({ channel: [channel], event: "e", data }),
        );
      }),
    );
  });

  it("is frozen and leaves its input as it was", () => {
    const channel = ["a", "b", "a"];
    const push = accept({ channel, event: "e", data: Json.null });
    expect(channel).toEqual(["a", "b", "a"]);
    expect(() => (push.channels as string[]).push("c")).toThrow(TypeError);
    expect(() => Object.assign(push, { event: "other" })).toThrow(TypeError);
  });

  it("never throws, whatever the input is", () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), fc.option(jsonText), (channel, event, text) => {
        const data = text === null ? undefined : Json.parse(text);
        const result = Push.of({ channel, event, data });
        if (result.ok) {
          expect(result.push.channels.length).toBeGreaterThan(0);
        } else {
          expect(result.error.faults.length).toBeGreaterThan(0);
          for (const { field } of result.error.faults)
            expect(result.error.message).toContain(field);
        }
      }),
    );
  });

  it("names every field that is missing, as PushEx does", () => {
    expect(refuse({})).toBe("Invalid push arguments: channel, data, event are required.");
    expect(refuse({ channel: "a", event: "e" })).toBe("Invalid push arguments: data is required.");
    expect(refuse({ channel: null, event: null, data: Json.null })).toBe(
      "Invalid push arguments: channel, event are required.",
    );
  });

  it.each<[string, PushInput, string]>([
    [
      "a channel of another type",
      { channel: 7 },
      "channel must be a string or an array of strings",
    ],
    ["an object as channel", { channel: {} }, "channel must be a string or an array of strings"],
    ["an empty list", { channel: [] }, "channel must name at least one channel"],
    ["an empty name", { channel: "" }, "channel must not be empty"],
    ["an empty name in a list", { channel: ["a", ""] }, "channel[1] must not be empty"],
    ["a name that is no string", { channel: ["a", 1] }, "channel[1] must be a string"],
    ["a hole in the list", { channel: new Array(2) }, "channel[0] must be a string"],
    ["a lone surrogate", { channel: "\ud800" }, "channel must be well-formed Unicode"],
    ["an event of another type", { event: 1 }, "event must be a string"],
    ["an empty event", { event: "" }, "event must not be empty"],
    ["a lone surrogate in the event", { event: "\udc00" }, "event must be well-formed Unicode"],
  ])("refuses %s and names it", (_what, input, reason) => {
    expect(refuse({ channel: "a", event: "e", data: Json.null, ...input })).toContain(reason);
  });

  it("passes at each limit and not one above it", () => {
    const { channelNameBytesMax, eventNameBytesMax, channelsMax } = DEFAULT_PUSH_LIMITS;
    const valid = { channel: "a", event: "e", data: Json.null };
    const many = Array.from({ length: channelsMax }, (_, index) => `c${index}`);
    accept({ ...valid, channel: "c".repeat(channelNameBytesMax) });
    accept({ ...valid, event: "e".repeat(eventNameBytesMax) });
    accept({ ...valid, channel: [...many, ...many] });
    expect(refuse({ ...valid, channel: "c".repeat(channelNameBytesMax + 1) })).toContain(
      "1024 bytes",
    );
    expect(refuse({ ...valid, event: "e".repeat(eventNameBytesMax + 1) })).toContain("255 bytes");
    expect(refuse({ ...valid, channel: [...many, "one more"] })).toContain("1000 channels");
  });
});
