import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readConnectRequest } from "../../../src/protocol/phoenix/connect-request.js";

/** The parameters in the standard's own way. */
function expected(query: string): Record<string, string> {
  const params: Record<string, string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(query)) params[name] = value;
  delete params.vsn;
  return params;
}

describe("readConnectRequest", () => {
  it("has the parameters that URLSearchParams has, plain or encoded", () => {
    const part = fc.constantFrom(
      "a",
      "vsn",
      "token",
      "=",
      "&",
      "1.0",
      "-_.~",
      "%41",
      "+",
      "%",
      "?",
    );
    const query = fc.oneof(
      fc.array(part, { maxLength: 12 }).map((parts) => parts.join("")),
      fc.string({ unit: "binary" }),
    );
    fc.assert(
      fc.property(query, (text) => {
        expect(readConnectRequest(text, "").params).toEqual(expected(text));
      }),
    );
  });

  it("takes the last of a repeated parameter, and keeps the protocol's own to itself", () => {
    const { params, version, token } = readConnectRequest(
      "vsn=1.0.0&token=a&vsn=2.0.0&token=b",
      "",
    );
    expect(version).toBe("2.0.0");
    expect(token).toBe("b");
    expect(params).toEqual({ __proto__: null, token: "b" });
  });

  it.each(["vsn=2.0.0", "vsn=1.0.0", ""])("gives parameters of its own to %j", (query) => {
    const [{ params }, other] = [readConnectRequest(query, ""), readConnectRequest(query, "")];
    expect("constructor" in params || "__proto__" in params).toBe(false);
    Object.assign(params, { kept: "by a policy" });
    expect(Object.keys(other.params)).toEqual([]);
  });

  it("knows no special name", () => {
    const { params } = readConnectRequest("__proto__=x&constructor=y", "");
    expect(Object.entries(params)).toEqual([
      ["__proto__", "x"],
      ["constructor", "y"],
    ]);
  });

  it("answers with a subprotocol only where one is offered that is served", () => {
    expect(readConnectRequest("", "").protocol).toBe("");
    expect(readConnectRequest("", "other").protocol).toBe("");
    expect(readConnectRequest("", "other, phoenix").protocol).toBe("phoenix");
  });
});
