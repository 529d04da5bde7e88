import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { jsonText } from "../../../support/arbitraries.js";
import { connect, join, policyFor, push, startApplication, startTalker } from "./application.js";

const YES = '{"allow":true}';
const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** Far enough on at each look for the breaker to let the next question through. */
function restless(): () => number {
  let now = 0;
  return () => {
    now += 10_000;
    return now;
  };
}

type Kinds = Readonly<Record<string, (value: unknown) => boolean>>;

const isText = (value: unknown) => typeof value === "string";

/** The guide's tables once more. */
const kinds: Readonly<Record<"push" | "connect" | "join", Kinds>> = {
  push: {
    channel: (value) => isText(value) || (Array.isArray(value) && value.every(isText)),
    event: isText,
    by: isText,
    status: (value) => Number.isInteger(value) && Number(value) >= 400 && Number(value) < 600,
  },
  connect: {
    socket_id: isText,
    presence_id: isText,
    expires_at: (value) => typeof value === "number" && Math.abs(value) < 1e11,
  },
  join: { reason: isText },
};

/** What must be so where a question was allowed. */
function isYes(question: keyof typeof kinds, status: number, { text, twice }: Body): boolean {
  const said: unknown = JSON.parse(text);
  if (typeof said !== "object" || said === null) return false;
  const { allow, ...rest } = said as Record<string, unknown>;
  const isTyped = Object.entries(rest).every(([name, value]) => {
    const isOfKind = Object.hasOwn(kinds[question], name) ? kinds[question][name] : undefined;
    return isOfKind?.(value) ?? true;
  });
  return status === 200 && allow === true && !twice && isTyped;
}

interface Body {
  readonly text: string;
  /** It names `allow` more than once. */
  readonly twice: boolean;
}

const value = fc.oneof(
  fc.constantFrom('"text"', "null", "true", "404", "9000000000", '["a"]', "[1]", YES),
  jsonText,
);
const names = [...Object.values(kinds).flatMap(Object.keys), "data", "claims", "x"];
const member = fc.tuple(fc.constantFrom(...names), value);
const allow = fc.oneof(
  { weight: 4, arbitrary: fc.constant("true") },
  { weight: 1, arbitrary: fc.constantFrom("false", '"true"', "1", "null", "[true]") },
);
const object: fc.Arbitrary<Body> = fc
  .record({
    allow: fc.oneof(
      { weight: 8, arbitrary: allow.map((text) => [text]) },
      { weight: 1, arbitrary: fc.array(allow, { maxLength: 3 }) },
    ),
    rest: fc.uniqueArray(member, { maxLength: 3, selector: ([name]) => name }),
  })
  .map((parts) => {
    const members = [...parts.allow.map((text) => ["allow", text]), ...parts.rest];
    const text = members.map(([name, written]) => `"${name}":${written}`).join(",");
    return { text: `{${text}}`, twice: parts.allow.length > 1 };
  });
const once = (text: string): Body => ({ text, twice: false });
const body: fc.Arbitrary<Body> = fc.oneof(
  { weight: 8, arbitrary: object },
  { weight: 1, arbitrary: object.map(({ text }) => once(text.slice(0, -1))) },
  { weight: 1, arbitrary: jsonText.map(once) },
  { weight: 1, arbitrary: fc.string().map(once) },
);
const status = fc.oneof(
  { weight: 5, arbitrary: fc.constant(200) },
  { weight: 1, arbitrary: fc.integer({ min: 200, max: 599 }) },
);

describe("HttpCalloutPolicy, whatever is answered,", () => {
  it("allows only what is 200, JSON, allow true and of the right types", async () => {
    let next = { status: 200, text: "" };
    const { url, stop } = await startApplication((_asked, response) => {
      response.writeHead(next.status).end(next.text);
    });
    stops.push(stop);
    const { policy } = policyFor(url, { now: restless() });
    const seen = { yes: 0, no: 0 };
    await fc.assert(
      fc.asyncProperty(status, body, async (code, said) => {
        next = { status: code, text: said.text };
        const decisions = {
          push: await policy.authorizePush(push),
          connect: await policy.authorizeConnect(connect),
          join: await policy.authorizeJoin(join),
        };
        for (const question of ["push", "connect", "join"] as const) {
          const { allow: allowed } = decisions[question];
          seen[allowed ? "yes" : "no"]++;
          if (allowed) expect(isYes(question, code, said)).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
    // Neither side is seldom, so both rules were tried.
    expect(seen.yes).toBeGreaterThan(30);
    expect(seen.no).toBeGreaterThan(30);
  });

  it("allows nothing by bytes that hold no whole answer", async () => {
    const piece = fc.oneof(
      fc.constantFrom(
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.0 200\r\n",
        "HTTP/1.1 403 No\r\n",
        "content-length: 14\r\n",
        "content-length: 3\r\n",
        "transfer-encoding: chunked\r\n",
        "connection: close\r\n",
        "content-encoding: gzip\r\n",
        "\r\n",
        "e\r\n",
        "0\r\n\r\n",
        YES,
        '{"allow":',
        "true}",
      ),
      fc.string({ maxLength: 8 }),
    );
    let bytes = "";
    const { url, stop } = await startTalker((socket) => socket.end(bytes));
    stops.push(stop);
    const { policy } = policyFor(url, { now: restless(), timeoutMs: 500 });
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 8 }), async (pieces) => {
        bytes = pieces.join("");
        const { allow: allowed } = await policy.authorizePush(push);
        // Whole or in chunks, behind a head with status 200.
        if (allowed) expect(bytes).toMatch(/HTTP\/1\.[01] 200.*\r\n\r\n.*\{"allow":.*true.*\}/s);
      }),
      { numRuns: 60 },
    );
  });
});
