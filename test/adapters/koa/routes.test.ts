import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { expectError } from "./errors-in-json.js";
import { ask, HOSTS, JSON_TYPE, push, type RunningHost } from "./hosts.js";

const PUSH = '{"channel":"a","event":"e","data":1}';
const ORIGIN = "https://app.example";

describe.each(HOSTS)("routes on %s", (_name, start) => {
  let host: RunningHost;
  beforeAll(async () => {
    host = await start();
  });
  afterAll(() => host.stop());

  describe("paths", () => {
    it.each([
      "/api/push",
      "/api/push/",
      "/api/push//",
      "//api//push",
      "/api/pu%73h",
      "/%61pi/push",
      "/api/push?",
      "/api/push?x=/",
    ])("%s is /api/push", async (path) => {
      const { status } = await ask(host.port, { path, headers: JSON_TYPE, body: PUSH });
      expect(status).toBe(200);
    });

    it.each([
      "/",
      "/API/push",
      "/api/Push",
      "/api",
      "/api/",
      "/api/pushes",
      "/api/push/x",
      "/api/push;x",
      "/api%2fpush",
      "/api/push%00",
      "/api/push%",
      "/api/push%ff",
      "/api/./push",
      "/x/../api/push",
      "/health",
      "/favicon.ico",
    ])("%s is none", async (path) => {
      const answer = await ask(host.port, { path, headers: JSON_TYPE, body: PUSH });
      expect(answer.status).toBe(404);
      expect(expectError(answer)).toBe("Not Found");
    });

    it("are seen normal by a host's middleware, which its own checks rely on", async () => {
      const paths: string[] = [];
      const guarded = await start({
        middleware: [
          (ctx, next) => {
            paths.push(ctx.path);
            if (ctx.path.startsWith("/api/")) ctx.throw(401);
            return next();
          },
        ],
      });
      try {
        for (const path of ["//api//push", "/api/pu%73h/", "/own//path/"]) {
          const { status } = await ask(guarded.port, { path, headers: JSON_TYPE, body: PUSH });
          expect(status).toBe(path.startsWith("/own") ? 404 : 401);
        }
        expect(paths).toEqual(["/api/push", "/api/push", "/own//path/"]);
        expect(guarded.delivered).toEqual([]);
      } finally {
        await guarded.stop();
      }
    });
  });

  describe("methods", () => {
    it.each(["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])("%s /api/push is 405", async (method) => {
      const answer = await ask(host.port, { method });
      expect(answer.status).toBe(405);
      expect(answer.headers.allow).toBe("POST");
      expect(expectError(answer)).toBe("Method Not Allowed");
    });

    it("HEAD /api/push is 405 without a body", async () => {
      const answer = await ask(host.port, { method: "HEAD" });
      expect([answer.status, answer.text, answer.headers.allow]).toEqual([405, "", "POST"]);
    });

    it("POST /health/live is 405 and names what is allowed", async () => {
      const answer = await ask(host.port, { path: "/health/live", method: "POST" });
      expect(answer.status).toBe(405);
      expect(answer.headers.allow).toBe("HEAD, GET");
      expectError(answer);
    });

    it.each(["GET", "HEAD", "POST", "PUT", "OPTIONS"])(
      "%s of an unknown path is 404",
      async (method) => {
        const answer = await ask(host.port, { path: "/nowhere", method });
        expect(answer.status).toBe(404);
        expect(answer.headers).not.toHaveProperty("allow");
        if (method !== "HEAD") expect(expectError(answer)).toBe("Not Found");
      },
    );

    it("a method override changes nothing", async () => {
      const headers = { ...JSON_TYPE, "x-http-method-override": "DELETE" };
      const answer = await ask(host.port, { path: "/api/push?_method=GET", headers, body: PUSH });
      expect(answer.status).toBe(200);
    });
  });

  describe("x-request-id", () => {
    it.each([
      "x".repeat(20),
      "x".repeat(200),
      "7b0a8d6e-3f57-4d8e-9c40-1f2f5e6a7b8c",
      `${"a b".repeat(10)}~!"#$%&'()*+,-./:;<=>?@[\\]^_\`{|}`,
    ])("of the caller is taken over: %s", async (id) => {
      for (const request of [{}, { path: "/nowhere" }, { body: "{", headers: JSON_TYPE }]) {
        const answer = await ask(host.port, {
          ...request,
          headers: { ...request.headers, "x-request-id": id },
        });
        expect(answer.headers["x-request-id"]).toBe(id);
      }
    });

    it.each([
      "",
      "short",
      "x".repeat(19),
      "x".repeat(201),
      `${"x".repeat(20)}\u00e9y`,
      "\t".repeat(30),
    ])("of the caller is replaced: %j", async (id) => {
      const { headers } = await ask(host.port, { headers: { "x-request-id": id } });
      expect(headers["x-request-id"]).toMatch(/^[\w-]{20}$/);
    });

    it("is another one each time", async () => {
      const ids = new Set<unknown>();
      for (let at = 0; at < 20; at++) {
        ids.add((await ask(host.port, { path: "/health/live" })).headers["x-request-id"]);
      }
      expect(ids.size).toBe(20);
    });
  });

  describe("health", () => {
    it.each([
      ["/health/live", "live"],
      ["/health/ready", "ready"],
      ["/health/live/", "live"],
    ])("GET %s", async (path, status) => {
      const answer = await ask(host.port, { path });
      expect(answer.status).toBe(200);
      expect(answer.text).toBe(JSON.stringify({ status }));
      expect(answer.headers).toMatchObject({
        "content-type": "application/json; charset=utf-8",
        "cache-control": "max-age=0, private, must-revalidate",
      });
    });

    it("answers HEAD with the length and without the body", async () => {
      const answer = await ask(host.port, { path: "/health/live", method: "HEAD" });
      expect([answer.status, answer.text, answer.headers["content-length"]]).toEqual([
        200,
        "",
        "17",
      ]);
    });

    it("needs no key", async () => {
      const locked = await start({ apiKeys: ["key"] });
      try {
        expect((await ask(locked.port, { path: "/health/ready" })).status).toBe(200);
      } finally {
        await locked.stop();
      }
    });
  });

  describe("CORS", () => {
    let listed: RunningHost;
    beforeAll(async () => {
      listed = await start({
        allowedOrigins: [ORIGIN, "https://*.below.example"],
        apiKeys: ["key"],
      });
    });
    afterAll(() => listed.stop());
    const cors = (headers: object) =>
      Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith("access-")));

    it.each([ORIGIN, "https://x.below.example"])(
      "lets in %s, also with an error",
      async (origin) => {
        for (const authorization of ["Bearer key", "Bearer wrong"]) {
          const answer = await push(listed.port, PUSH, { origin, authorization });
          expect(answer.status).toBe(authorization === "Bearer key" ? 200 : 403);
          expect(cors(answer.headers)).toEqual({
            "access-control-allow-origin": origin,
            "access-control-expose-headers":
              "idempotent-replayed,retry-after,x-push-id,x-request-id",
          });
          expect(answer.headers.vary).toBe("Origin");
        }
      },
    );

    it.each(["https://evil.example", "http://app.example", "https://below.example", "null", "x"])(
      "gives %s nothing",
      async (origin) => {
        const answer = await push(listed.port, PUSH, { origin, authorization: "Bearer key" });
        expect(answer.status).toBe(200);
        expect(cors(answer.headers)).toEqual({});
        expect(answer.headers.vary).toBe("Origin");
      },
    );

    it("is set on errors of every kind", async () => {
      for (const request of [
        { body: "{", headers: JSON_TYPE },
        { body: "x", headers: { "content-type": "text/plain" } },
        { method: "GET" },
        { path: "/api/nowhere" },
      ]) {
        const headers = { ...request.headers, origin: ORIGIN };
        const answer = await ask(listed.port, { ...request, headers });
        expect(answer.status).toBeGreaterThanOrEqual(400);
        expect(answer.headers["access-control-allow-origin"]).toBe(ORIGIN);
        expectError(answer);
      }
    });

    it("answers an allowed preflight, without a key", async () => {
      const answer = await ask(listed.port, {
        method: "OPTIONS",
        headers: {
          origin: ORIGIN,
          "access-control-request-method": "POST",
          "access-control-request-headers": "authorization,content-type",
        },
      });
      expect([answer.status, answer.text]).toEqual([204, ""]);
      expect(answer.headers).not.toHaveProperty("content-length");
      expect(cors(answer.headers)).toEqual({
        "access-control-allow-origin": ORIGIN,
        "access-control-allow-methods": "GET,POST,DELETE",
        "access-control-allow-headers": "authorization,content-type,idempotency-key,x-request-id",
        "access-control-max-age": "600",
      });
    });

    it("answers a preflight of another origin like any OPTIONS", async () => {
      const answer = await ask(listed.port, {
        method: "OPTIONS",
        headers: { origin: "https://evil.example", "access-control-request-method": "POST" },
      });
      expect(answer.status).toBe(405);
      expect(cors(answer.headers)).toEqual({});
    });

    it("gives an origin that is none nothing, also where any is allowed", async () => {
      const any = await start({ allowedOrigins: ["*"], apiKeys: ["key"] });
      try {
        for (const method of ["OPTIONS", "POST"]) {
          const answer = await ask(any.port, {
            method,
            headers: { origin: "http://\u00e9.example", "access-control-request-method": "POST" },
          });
          expect(answer.status).toBeLessThan(500);
          expect(cors(answer.headers)).toEqual({});
        }
      } finally {
        await any.stop();
      }
    });

    it("is for the API alone", async () => {
      const answer = await ask(listed.port, { path: "/health/live", headers: { origin: ORIGIN } });
      expect(cors(answer.headers)).toEqual({});
    });

    it("lets in any origin on loopback where none is listed", async () => {
      const { headers } = await push(host.port, PUSH, { origin: "https://any.example" });
      expect(headers["access-control-allow-origin"]).toBe("https://any.example");
    });

    it("says nothing to a caller that is no browser", async () => {
      const { headers } = await push(listed.port, PUSH, { authorization: "Bearer key" });
      expect(cors(headers)).toEqual({});
    });
  });
});

describe("readiness", () => {
  let host: RunningHost;
  afterEach(() => host.stop());

  it.each(HOSTS)("is refused while the server drains, on %s", async (_name, start) => {
    host = await start();
    const { mutableState } = await import("../../../src/container/tokens.js");
    host.hexpush.container.get(mutableState).draining = true;
    const ready = await ask(host.port, { path: "/health/ready" });
    expect(ready.status).toBe(503);
    expect(expectError(ready)).toBe("The server is shutting down.");
    expect((await ask(host.port, { path: "/health/live" })).status).toBe(200);
  });
});
