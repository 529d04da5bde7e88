import { describe, expect, it } from "vitest";
import { Json } from "../../../src/domain/json.js";
import { joinResponse } from "../../../src/protocol/phoenix/join-params.js";

const textOf = (...args: Parameters<typeof joinResponse>) => joinResponse(...args).text;

describe("joinResponse", () => {
  it("says where the channel stands now, however often and of whichever channel it was asked", () => {
    for (const position of ["a-1", "a-1", "a-2", "b-1", "a-2", "a-2"]) {
      expect(textOf(undefined, position, undefined)).toBe(`{"id":"${position}"}`);
      expect(textOf(Json.emptyObject, position, undefined)).toBe(`{"id":"${position}"}`);
      expect(textOf(undefined, undefined, undefined)).toBe("{}");
      expect(textOf(undefined, position, false)).toBe(`{"id":"${position}","recovered":false}`);
    }
  });

  it("keeps what a policy answers with", () => {
    const own = Json.parse('{"id":"own","n":1}');
    expect(textOf(own, "a-1", undefined)).toBe('{"id":"own","n":1,"id":"a-1"}');
    expect(textOf(own, undefined, undefined)).toBe('{"id":"own","n":1}');
    expect(textOf(Json.parse("[1]"), "a-1", true)).toBe("[1]");
  });
});
