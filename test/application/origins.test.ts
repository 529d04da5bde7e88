import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anyOrigin, listedOrigins, sameHost } from "../../src/application/origins.js";
import { character } from "../support/arbitraries.js";

describe("sameHost", () => {
  it.each([
    ["http://example.com", "example.com"],
    ["https://example.com", "example.com"],
    ["https://EXAMPLE.com", "example.COM"],
    ["https://example.com:8443", "example.com:8443"],
    ["http://example.com", "example.com:80"],
    ["https://example.com:443", "example.com"],
    ["http://[::1]:4004", "[::1]:4004"],
  ])("allows a page of %s on the host %s", (origin, host) => {
    expect(sameHost.allows(origin, host)).toBe(true);
  });

  it.each([
    ["null", "example.com"],
    ["file://", "example.com"],
    ["", "example.com"],
    ["https://example.com.evil.com", "example.com"],
    ["https://evil.com", "example.com"],
    ["https://example.com:8443", "example.com"],
    ["https://example.com@evil.com", "example.com"],
    ["https://evil.com/example.com", "example.com"],
    ["ftp://example.com", "example.com"],
    ["https://example.com", undefined],
  ])("refuses a page of %j on the host %s", (origin, host) => {
    expect(sameHost.allows(origin, host)).toBe(false);
  });
});

describe("listedOrigins", () => {
  const rule = listedOrigins([
    "https://a.example",
    "http://b.example:8080",
    "https://*.wild.example",
  ]);

  it.each([
    "https://a.example",
    "https://A.Example",
    "https://a.example:443",
    "http://b.example:8080",
    "https://x.wild.example",
    "https://x.y.wild.example",
  ])("allows %s", (origin) => {
    expect(rule.allows(origin, undefined)).toBe(true);
  });

  it.each([
    "http://a.example",
    "https://a.example:8443",
    "https://a.example.evil.com",
    "https://xa.example",
    "http://b.example",
    "https://wild.example",
    "https://evilwild.example",
    "http://x.wild.example",
    "https://evil.com/x.wild.example",
    "https://evil.com#.wild.example",
    "https://user@x.wild.example",
    "https://.wild.example",
    "null",
    "",
    "file://",
  ])("refuses %j", (origin) => {
    expect(rule.allows(origin, undefined)).toBe(false);
  });

  it("allows any origin by a star alone", () => {
    expect(listedOrigins(["https://a.example", "*"])).toBe(anyOrigin);
    for (const origin of ["https://x.example:1", "null", "file://"]) {
      expect(anyOrigin.allows(origin, undefined)).toBe(true);
    }
    // No browser sends such, and no field of an answer could name it.
    expect(anyOrigin.allows("https://\u00e9.example", undefined)).toBe(false);
  });

  it.each([
    "a.example",
    "https://",
    "https://a.example/",
    "https://a.example/path",
    "null",
    "https://*",
    "*.a.example",
    "https://a.*",
  ])("says that %j is no origin", (entry) => {
    expect(() => listedOrigins([entry])).toThrow(`"${entry}" is no origin`);
  });

  it("never throws for an origin that a client sends", () => {
    fc.assert(
      fc.property(fc.string({ unit: character, maxLength: 40 }), (origin) => {
        expect(rule.allows(origin, origin)).toBe(false);
        expect(typeof sameHost.allows(origin, origin)).toBe("boolean");
      }),
    );
  });
});
