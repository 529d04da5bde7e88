import { createHash } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import type { AuthPolicy, PushAuthRequest, PushDecision } from "../../../src/index.js";
import { Json } from "../../../src/index.js";
import { expectError } from "./errors-in-json.js";
import { ask, HOSTS, push, type RunningHost } from "./hosts.js";

const PUSH = { channel: "a", event: "e", data: 1 };
const FORBIDDEN = '{"error":"Access Forbidden"}';

/** Allows all but what a test asks of it. */
function policy(authorizePush: (request: PushAuthRequest) => unknown): AuthPolicy {
  return {
    authorizePush: authorizePush as (request: PushAuthRequest) => PushDecision,
    authorizeConnect: () => ({ allow: true }),
    authorizeJoin: () => ({ allow: true }),
  };
}

describe.each(HOSTS)("who may push on %s", (_name, start) => {
  let host: RunningHost;
  afterEach(() => host.stop());

  describe("API keys", () => {
    const hashed = `sha256:${createHash("sha256").update("third-key").digest("hex")}`;
    const apiKeys = ["first-key", "second-key", hashed];

    it.each([
      "Bearer first-key",
      "Bearer second-key",
      "Bearer third-key",
      "bearer first-key",
      "BEARER  first-key",
    ])("let in %s", async (authorization) => {
      host = await start({ apiKeys });
      const answer = await push(host.port, PUSH, { authorization });
      expect(answer.status).toBe(200);
      expect(host.delivered).toHaveLength(1);
    });

    it.each([
      undefined,
      "",
      "Bearer",
      "Bearer wrong",
      "Bearer first-ke",
      "Bearer first-key2",
      "Bearer first-key second-key",
      "Bearer First-key",
      "Bearer first-key, Bearer second-key",
      "Basic first-key",
      "first-key",
      "Bearerfirst-key",
      `Bearer ${hashed}`,
    ])("keep out %s", async (authorization) => {
      host = await start({ apiKeys });
      const answer = await push(
        host.port,
        PUSH,
        authorization === undefined ? {} : { authorization },
      );
      expect(answer.status).toBe(403);
      expect(answer.text).toBe(FORBIDDEN);
      expectError(answer);
      expect(host.delivered).toEqual([]);
    });

    it("are not looked for in the query string or the body", async () => {
      host = await start({ apiKeys });
      const path = "/api/push?authorization=Bearer%20first-key&api_key=first-key";
      const body = JSON.stringify({ ...PUSH, authorization: "Bearer first-key" });
      const headers = { "content-type": "application/json", "x-api-key": "first-key" };
      expect((await ask(host.port, { path, body, headers })).status).toBe(403);
    });

    it("come after 400 and 406 and before 422", async () => {
      host = await start({ apiKeys });
      expect((await push(host.port, "{")).status).toBe(400);
      expect((await push(host.port, PUSH, { accept: "text/html" })).status).toBe(406);
      expect((await push(host.port, {})).status).toBe(403);
      const authorization = "Bearer first-key";
      expect((await push(host.port, {}, { authorization })).status).toBe(422);
    });
  });

  describe("a policy of the host's", () => {
    it("sees the request and decides on what was sent", async () => {
      const seen: PushAuthRequest[] = [];
      host = await start({
        policy: policy((request) => {
          seen.push(request);
          return { allow: true };
        }),
      });
      await ask(host.port, {
        path: "//api/push/?data=q",
        body: '{"channel":["a",1],"event":"e"}',
        headers: { "content-type": "application/json", "X-Token": "t", cookie: ["a=1", "b=2"] },
      });
      expect(seen).toHaveLength(1);
      const [request] = seen as [PushAuthRequest];
      expect([request.method, request.path]).toEqual(["POST", "/api/push"]);
      expect(request.headers).toMatchObject({ "x-token": "t", cookie: "a=1; b=2" });
      expect(request.input).toEqual({ channel: ["a", 1], event: "e", data: Json.of("q") });
    });

    it("is told the caller's address", async () => {
      const addresses: unknown[] = [];
      host = await start({
        policy: policy((request) => {
          addresses.push(request.remoteAddress);
          return { allow: true };
        }),
      });
      await push(host.port, PUSH);
      expect(addresses).toEqual(["127.0.0.1"]);
    });

    it("may rewrite the push", async () => {
      host = await start({
        policy: policy(({ input }) => ({
          allow: true,
          input: { ...input, channel: ["tenant:a"], data: Json.parse("12345678901234567890") },
        })),
      });
      const { text } = await push(host.port, PUSH);
      expect(text).toBe('{"channel":["tenant:a"],"data":12345678901234567890,"event":"e"}');
      expect(host.delivered.map(({ channel }) => channel)).toEqual(["tenant:a"]);
    });

    it("may decide later", async () => {
      host = await start({
        policy: policy(async () => {
          await new Promise((resolve) => setImmediate(resolve));
          return { allow: false };
        }),
      });
      const answer = await push(host.port, PUSH);
      expect([answer.status, answer.text]).toEqual([403, FORBIDDEN]);
      expect(host.delivered).toEqual([]);
    });

    it.each([400, 401, 402, 409, 429, 451, 499, 503, 599])(
      "answers with a status and a body of its own: %s",
      async (status) => {
        const body = Json.parse('{"code": 12345678901234567890, "__proto__": null}');
        host = await start({ policy: policy(() => ({ allow: false, answer: { status, body } })) });
        const answer = await push(host.port, PUSH);
        expect(answer.status).toBe(status);
        expect(answer.text).toBe('{"code":12345678901234567890,"__proto__":null}');
        expect(answer.headers["content-type"]).toBe("application/json; charset=utf-8");
        expect(answer.headers["x-request-id"]).toMatch(/./);
        expect(host.delivered).toEqual([]);
      },
    );

    it.each([200, 204, 301, 399, 600, 1000, 0, -1, 400.5, Number.NaN, "403", null, undefined])(
      "answers 403 where its own status is none of an error: %s",
      async (status) => {
        const answer = { status, body: Json.of("secret") };
        host = await start({ policy: policy(() => ({ allow: false, answer })) });
        const { status: answered, text } = await push(host.port, PUSH);
        expect([answered, text]).toEqual([403, FORBIDDEN]);
        expect(host.delivered).toEqual([]);
      },
    );

    it.each(["text", { error: "no Json" }, undefined, null, 1])(
      "answers 403 where its own body is no Json: %s",
      async (body) => {
        const answer = { status: 401, body };
        host = await start({ policy: policy(() => ({ allow: false, answer })) });
        const { status, text } = await push(host.port, PUSH);
        expect([status, text]).toEqual([403, FORBIDDEN]);
      },
    );

    const failures: [string, () => unknown][] = [
      [
        "throws",
        () => {
          throw new Error("the database is down");
        },
      ],
      ["rejects", () => Promise.reject(new Error("the database is down"))],
      [
        "throws no Error",
        () => {
          throw "down";
        },
      ],
      ["rejects with nothing", () => Promise.reject()],
      ["answers nothing", () => undefined],
      ["answers null", () => null],
      ["answers true", () => true],
      ["answers a text", () => "allow"],
      ["answers an empty object", () => ({})],
      ["allows with a text", () => ({ allow: "true" })],
      ["allows with 1", () => ({ allow: 1 })],
      ["resolves to nonsense", async () => ({ allow: [] })],
    ];
    it.each(failures)(
      "denies where it %s, and says so in the log",
      async (_what, authorizePush) => {
        host = await start({ policy: policy(authorizePush) });
        const answer = await push(host.port, PUSH);
        expect([answer.status, answer.text]).toEqual([403, FORBIDDEN]);
        expect(host.delivered).toEqual([]);
        const failed = host.log.filter((line) => line.includes("auth policy failed; denied"));
        expect(failed).toHaveLength(1);
      },
    );
  });
});
