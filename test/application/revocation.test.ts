import { describe, expect, it } from "vitest";
import { revocationInput, revocationJson } from "../../src/application/revocation.js";

describe("a revocation in JSON", () => {
  it("names its members as the API does", () => {
    const json = { subject: "ann", token_id: "1", issued_before: 5, until: "x" };
    const input = { subject: "ann", tokenId: "1", issuedBefore: 5, until: "x" };
    expect(revocationInput(json)).toEqual({ ok: true, input });
  });

  it.each([
    [{ subjct: "ann", issued_before: 5 }],
    [{ subject: "ann", issuedBefore: 5 }],
    [JSON.parse('{"issued_before":5,"__proto__":{"subject":"ann"}}')],
  ])("is refused with an unknown member: %j", (json) => {
    expect(revocationInput(json)).toEqual({
      ok: false,
      message:
        "Invalid revocation: it may hold subject, token_id, issued_before, until, and nothing else.",
    });
  });

  it.each([[null], [undefined], ["ann"], [1], [["ann"]]])("is refused as %j", (json) => {
    expect(revocationInput(json)).toEqual({
      ok: false,
      message: "Invalid revocation: it must be a JSON object.",
    });
  });

  it("is written with the same names, and without what it lacks", () => {
    expect(revocationJson({ tokenId: "1" })).toEqual({ token_id: "1" });
    expect(revocationJson({ subject: "ann", issuedBefore: 5, until: 6 })).toEqual({
      subject: "ann",
      issued_before: 5,
      until: 6,
    });
  });
});
