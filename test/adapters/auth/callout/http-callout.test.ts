import { createHmac } from "node:crypto";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { HttpCalloutPolicy } from "../../../../src/adapters/auth/callout/http-callout.js";
import type { HttpCalloutOptions } from "../../../../src/adapters/auth/callout/options.js";
import type { JoinAuthRequest, PushAuthRequest } from "../../../../src/domain/auth-policy.js";
import { Json } from "../../../../src/domain/json.js";
import { authPolicyContract } from "../../../contract/auth-policy.contract.js";
import { jsonText } from "../../../support/arbitraries.js";
import {
  type Application,
  connect,
  type Handler,
  join,
  policyFor,
  push,
  say,
  startApplication,
} from "./application.js";

let application: Application;
let answer: Handler = say({ allow: true });

beforeAll(async () => {
  application = await startApplication((asked, response) => answer(asked, response));
});

afterEach(() => {
  application.asked.length = 0;
  answer = say({ allow: true });
});

afterAll(() => application.stop());

const policy = (options: Partial<HttpCalloutOptions> = {}) =>
  policyFor(application.url, options).policy;

function asked(): string {
  const body = application.asked.at(-1)?.body;
  if (body === undefined) throw new Error("nothing was asked");
  return body;
}

describe("HttpCalloutPolicy", () => {
  authPolicyContract(() => policy());

  describe("asks", () => {
    it("for a push with its names, its caller and the chosen header fields, without data", async () => {
      await policy().authorizePush(push);

      expect(application.asked[0]).toMatchObject({ method: "POST", url: "/auth" });
      expect(application.asked[0]?.headers["content-type"]).toBe("application/json");
      expect(asked()).toBe(
        '{"question":"push","method":"POST","path":"/api/push",' +
          '"headers":{"authorization":"Bearer s3cret-key"},"remote_address":"192.0.2.7",' +
          '"channel":["a","b"],"event":"woohoo"}',
      );
    });

    it("for a push with its exact data where that is wanted", async () => {
      await policy({ sendData: true }).authorizePush(push);
      expect(asked()).toMatch(/,"data":12345678901234567890\.10\}$/);

      const { data: _data, ...input } = push.input;
      await policy({ sendData: true }).authorizePush({ ...push, input });
      expect(JSON.parse(asked())).not.toHaveProperty("data");
    });

    it("for an operator with the right and the channel, only if it is told to", async () => {
      const operate = { ...push, right: "read", channel: "a" } as const;
      expect(policy().authorizeOperate(operate)).toEqual({ allow: false });
      expect(application.asked).toEqual([]);

      const own = policy({ operates: true });
      await own.authorizeOperate(operate);
      expect(asked()).toBe(
        '{"question":"operate","right":"read","method":"POST","path":"/api/push",' +
          '"headers":{"authorization":"Bearer s3cret-key"},"remote_address":"192.0.2.7",' +
          '"channel":"a"}',
      );
      await own.authorizeOperate({ ...operate, right: "operate", channel: undefined });
      expect(asked()).toMatch(/"right":"operate",.*,"channel":null\}$/);
    });

    it("for a connect with parameters, token and origin", async () => {
      await policy().authorizeConnect(connect);

      expect(JSON.parse(asked())).toEqual({
        question: "connect",
        headers: { origin: "https://app.example", cookie: "sid=s3cret-cookie" },
        remote_address: "192.0.2.8",
        origin: "https://app.example",
        params: { room: "1", token: "s3cret-token" },
        token: "s3cret-token",
      });
    });

    it("for a join with exact parameters", async () => {
      await policy().authorizeJoin(join);

      expect(asked()).toBe(
        '{"question":"join","channel":"room:1","params":{"id":12345678901234567890},' +
          '"identity":{"socket_id":null,"claims":null}}',
      );
    });

    it("with null for what is not known", async () => {
      const nobody = { headers: {}, remoteAddress: undefined };
      await policy().authorizeConnect({
        ...nobody,
        origin: undefined,
        params: {},
        token: undefined,
      });
      expect(JSON.parse(asked())).toMatchObject({
        remote_address: null,
        origin: null,
        token: null,
      });
      await policy().authorizePush({ ...push, ...nobody, input: {} });
      expect(JSON.parse(asked())).toMatchObject({ channel: null, event: null, headers: {} });
    });

    it("with the header fields that are configured, whatever the case of their names", async () => {
      await policy({ forwardHeaders: ["X-Other", "x-missing"] }).authorizePush(push);
      expect(JSON.parse(asked()).headers).toEqual({ "x-other": "unseen" });
    });

    it("with whatever a caller sent in place of names, to the letter", async () => {
      const odd = fc.oneof(
        fc.string(),
        fc.constantFrom(null, true, 1.5, { a: { b: ["__proto__"] } }, []),
        jsonText.map((text) => Json.parse(text)),
        fc.array(
          fc.oneof(
            fc.string(),
            jsonText.map((text) => Json.parse(text)),
          ),
          { maxLength: 3 },
        ),
      );
      const written = (value: unknown): string => {
        if (value instanceof Json) return value.text;
        return Array.isArray(value) ? `[${value.map(written)}]` : JSON.stringify(value);
      };
      await fc.assert(
        fc.asyncProperty(odd, odd, async (channel, event) => {
          await policy().authorizePush({ ...push, input: { channel, event } });
          expect(asked()).toContain(`"channel":${written(channel)},"event":${written(event)}}`);
          expect(JSON.parse(asked()).question).toBe("push");
        }),
        { numRuns: 50 },
      );
    });

    it("not at all where a host's input has no JSON form, and denies", async () => {
      const { policy: own, messages } = policyFor(application.url);
      const input = { channel: 1n } as PushAuthRequest["input"];
      expect(await own.authorizePush({ ...push, input })).toEqual({ allow: false });
      expect(application.asked).toEqual([]);
      expect(messages()).toEqual(["the question has no JSON form"]);
    });
  });

  describe("signs", () => {
    it("each question over its time and its bytes", async () => {
      const now = () => 1_700_000_000_999;
      const request = { ...push, input: { channel: "ümläut 😀", event: "e" } };
      await policy({ secret: "wonderland", now }).authorizePush(request);

      const headers = application.asked[0]?.headers;
      const signature = createHmac("sha256", "wonderland").update(`1700000000.${asked()}`, "utf8");
      expect(headers?.["x-hexpush-timestamp"]).toBe("1700000000");
      expect(headers?.["x-hexpush-signature"]).toBe(`sha256=${signature.digest("hex")}`);
    });

    it("nothing without a secret", async () => {
      await policy().authorizePush(push);
      expect(Object.keys(application.asked[0]?.headers ?? {}).join()).not.toContain("x-hexpush");
    });
  });

  describe("of a push", () => {
    it("allows it as it is", async () => {
      expect(await policy().authorizePush(push)).toEqual({ allow: true });
    });

    it("says who pushes", async () => {
      answer = say({ allow: true, by: "billing" });
      expect(await policy().authorizePush(push)).toEqual({ allow: true, by: "billing" });
    });

    it("takes what the application puts in place, with exact data, and keeps the rest", async () => {
      answer = say('{"allow":true,"data":{"id":98765432109876543210,"n":1.10}}');
      const decision = await policy().authorizePush(push);
      expect(decision).toEqual({
        allow: true,
        input: {
          channel: ["a", "b"],
          event: "woohoo",
          data: Json.parse('{"id":98765432109876543210,"n":1.10}'),
        },
      });
      answer = say({ allow: true, channel: ["c"], event: "e" });
      expect(await policy().authorizePush(push)).toEqual({
        allow: true,
        input: { channel: ["c"], event: "e", data: push.input.data },
      });
      answer = say({ allow: true, channel: "c", data: null });
      expect(await policy().authorizePush(push)).toMatchObject({
        input: { channel: "c", data: Json.null },
      });
    });

    it.each([
      [{ allow: false }, { allow: false }],
      [
        { allow: false, status: 402, body: { error: "pay" } },
        { allow: false, answer: { status: 402, body: Json.of({ error: "pay" }) } },
      ],
      [
        { allow: false, status: 429 },
        { allow: false, answer: { status: 429, body: Json.of({ error: "Access Forbidden" }) } },
      ],
      [
        { allow: false, body: 1 },
        { allow: false, answer: { status: 403, body: Json.of(1) } },
      ],
    ])("denies it by %j", async (said, decision) => {
      answer = say(said);
      const { policy: own, faults } = policyFor(application.url);
      expect(await own.authorizePush(push)).toEqual(decision);
      expect(faults).toEqual([]);
    });

    it.each([
      [{ allow: true }, { allow: true }],
      [
        { allow: true, by: "ops", channel: 1 },
        { allow: true, by: "ops" },
      ],
      [{ allow: false }, { allow: false }],
      [
        { allow: false, status: 402, body: { error: "pay" } },
        { allow: false, answer: { status: 402, body: Json.of({ error: "pay" }) } },
      ],
      ["allow", { allow: false }],
      [{}, { allow: false }],
      [{ allow: "true" }, { allow: false }],
      [{ allow: true, by: 1 }, { allow: false }],
      [{ allow: true, status: 200 }, { allow: false }],
      [{ error: "unknown question" }, { allow: false }],
    ])("decides on an operator by %j", async (said, decision) => {
      answer = say(said);
      const { policy: own } = policyFor(application.url, { operates: true });
      const operate = { ...push, right: "operate", channel: undefined } as const;
      expect(await own.authorizeOperate(operate)).toEqual(decision);
    });

    it.each([401, 403])("takes status %d for no, whatever the body says", async (status) => {
      for (const body of ["", '{"allow":true}', "<html>", "x".repeat(100_000)]) {
        answer = say(body, {}, status);
        const { policy: own, faults } = policyFor(application.url);
        expect(await own.authorizePush(push)).toEqual({ allow: false });
        expect(faults).toEqual([]);
      }
    });
  });

  describe("of a socket", () => {
    const claims = '{"user":12345678901234567890,"__proto__":{"admin":true}}';

    it("hands back at a join the very claims that the application gave", async () => {
      const own = policy();
      answer = say(`{"allow":true,"socket_id":"ann","claims":${claims},"presence_id":"p"}`);
      const decision = await own.authorizeConnect(connect);
      if (!decision.allow || decision.identity === undefined) throw new Error("denied");
      expect(decision.identity).toMatchObject({ socketId: "ann", presenceId: "p" });
      expect(decision.identity.claims).toEqual(JSON.parse(claims));

      answer = say({ allow: true });
      await own.authorizeJoin({ ...join, identity: decision.identity });
      expect(asked()).toMatch(`"identity":{"socket_id":"ann","claims":${claims}}}`);
    });

    it("sends the claims of an identity that another policy gave", async () => {
      await policy().authorizeJoin({ ...join, identity: { claims: { sub: "ann" } } });
      expect(JSON.parse(asked()).identity).toEqual({ socket_id: null, claims: { sub: "ann" } });

      const identity = { claims: 1n };
      expect(await policy().authorizeJoin({ ...join, identity })).toEqual({ allow: false });
    });

    it("accepts it until the application's time, and lets it join until then", async () => {
      let now = 1_000_000;
      const own = policy({ now: () => now });
      answer = say({ allow: true, expires_at: 1001.5 });
      const decision = await own.authorizeConnect(connect);
      expect(decision).toEqual({ allow: true, identity: { expiresAt: 1001.5 } });
      if (!decision.allow || decision.identity === undefined) throw new Error("denied");
      const request: JoinAuthRequest = { ...join, identity: decision.identity };

      now = 1_001_499;
      expect(await own.authorizeJoin(request)).toEqual({ allow: true });
      now = 1_001_500;
      expect(await own.authorizeJoin(request)).toEqual({ allow: false, reason: "expired" });
      expect(await own.authorizeConnect(connect)).toEqual({ allow: false });
      expect(application.asked).toHaveLength(3);
    });

    it("does not let a broken time of expiry pass for a good one", async () => {
      const identity = { expiresAt: Number.NaN };
      expect((await policy().authorizeJoin({ ...join, identity })).allow).toBe(false);
    });

    it("refuses it where the application says no", async () => {
      answer = say({ allow: false, socket_id: "ann" });
      expect(await policy().authorizeConnect(connect)).toEqual({ allow: false });
    });
  });

  describe("of a join", () => {
    it.each([
      ['{"allow":true}', { allow: true }],
      [
        '{"allow":true,"response":{"newest":12345678901234567890}}',
        { allow: true, response: Json.parse('{"newest":12345678901234567890}') },
      ],
      ['{"allow":true,"reason":"ignored"}', { allow: true }],
      ['{"allow":false}', { allow: false }],
      ['{"allow":false,"reason":"full","response":1}', { allow: false, reason: "full" }],
    ])("makes of %s the decision", async (said, decision) => {
      answer = say(said);
      expect(await policy().authorizeJoin(join)).toEqual(decision);
    });
  });

  it("keeps its connection for the next question", async () => {
    const before = application.connections();
    const own = policy();
    for (let count = 0; count < 5; count++) await own.authorizePush(push);
    expect(application.connections() - before).toBe(1);
  });

  describe("refuses in one line", () => {
    it.each<[Record<string, unknown>, string]>([
      [{ url: undefined }, "url must be an http or https URL"],
      [{ url: "s3cret" }, "url must be an http or https URL"],
      [{ url: "ftp://s3cret.example" }, "url must be an http or https URL"],
      [{ url: "http://s3cret:pass@example.com" }, "url must have no user"],
      [{ url: "http://example.com/#s3cret" }, "no fragment"],
      [{ secret: "" }, "secret must be a string that is not empty"],
      [{ secret: 5 }, "secret must be a string that is not empty"],
      [{ timeoutMs: 0 }, "timeoutMs must be a number from 1 to 60000"],
      [{ timeoutMs: Number.NaN }, "timeoutMs must be"],
      [{ timeoutMs: 60_001 }, "timeoutMs must be"],
      [{ timeoutMs: "2" }, "timeoutMs must be"],
      [{ forwardHeaders: "cookie" }, "forwardHeaders must be"],
      [{ forwardHeaders: ["a b"] }, "forwardHeaders must be"],
      [{ sendData: "yes" }, "sendData must be a boolean"],
      [{ cacheEntriesMax: -1 }, "cacheEntriesMax must be a whole number from 0"],
      [{ answerBytesMax: 0 }, "answerBytesMax must be a whole number from 1"],
      [{ inFlightMax: 1.5 }, "inFlightMax must be a whole number from 1"],
      [{ now: 1 }, "now must be a function"],
      [{ onFault: {} }, "onFault must be a function"],
    ])("%j", (wrong, message) => {
      const options = { url: "http://127.0.0.1/", ...wrong } as HttpCalloutOptions;
      expect(() => new HttpCalloutPolicy(options)).toThrow(TypeError);
      expect(() => new HttpCalloutPolicy(options)).toThrow(message);
      expect(() => new HttpCalloutPolicy(options)).not.toThrow(/s3cret|\n/);
    });
  });
});
