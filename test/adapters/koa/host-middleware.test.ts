import { PassThrough, Readable } from "node:stream";
import createError from "http-errors";
import type { Middleware } from "koa";
import { afterEach, describe, expect, it } from "vitest";
import { expectError } from "./errors-in-json.js";
import { ask, HOSTS, JSON_TYPE, push, type RunningHost } from "./hosts.js";

const PUSH = '{"channel":"a","event":"e","data":1}';

describe.each(HOSTS)("middleware of the host's on %s", (_name, start) => {
  let host: RunningHost;
  afterEach(() => host.stop());

  const get = async (middleware: Middleware, path = "/own") => {
    host = await start({ middleware: [middleware] });
    return ask(host.port, { path });
  };
  const errors = () => host.log.filter((line) => JSON.parse(line).level >= 50);

  it("runs before the routes, in its order, for every request", async () => {
    const seen: string[] = [];
    const note =
      (name: string): Middleware =>
      async (ctx, next) => {
        seen.push(`${name} ${ctx.path}`);
        await next();
        seen.push(`${name} ${ctx.status}`);
      };
    host = await start({ middleware: [note("a"), note("b")] });
    await push(host.port, PUSH);
    await ask(host.port, { path: "/nowhere" });
    expect(seen).toEqual([
      ...["a /api/push", "b /api/push", "b 200", "a 200"],
      ...["a /nowhere", "b /nowhere", "b 404", "a 404"],
    ]);
  });

  it("may answer by itself", async () => {
    const answer = await get((ctx) => {
      ctx.set("content-type", "text/html");
      ctx.body = "<p>hello</p>";
    });
    expect([answer.status, answer.text]).toEqual([200, "<p>hello</p>"]);
    expect(answer.headers["content-type"]).toBe("text/html");
    expect(answer.headers["x-request-id"]).toMatch(/./);
  });

  it.each<[string, () => unknown]>([
    ["an Error", () => new Error("secret detail")],
    ["a TypeError", () => new TypeError("secret detail")],
    ["a text", () => "secret detail"],
    ["null", () => null],
    ["nothing", () => undefined],
    ["a number", () => 404],
    ["an object", () => ({ message: "secret detail" })],
    ["a frozen error", () => Object.freeze(new Error("secret detail"))],
    ["a status that is none", () => Object.assign(new Error("secret detail"), { status: 200 })],
    ["a status that is no number", () => Object.assign(new Error("secret"), { status: "400" })],
    ["a broken status", () => Object.assign(new Error("secret detail"), { status: 400.5 })],
    ["an unheard-of status", () => Object.assign(new Error("secret detail"), { status: 1e9 })],
    ["a hidden 500", () => createError(500, "secret detail")],
    ["a hidden 503", () => createError(503, "secret detail", { expose: false })],
  ])("that throws %s is a 5xx in JSON, logged once", async (_what, thrown) => {
    const answer = await get(() => {
      throw thrown();
    });
    expect(answer.status).toBeGreaterThanOrEqual(500);
    expect(expectError(answer)).toMatch(/^(Internal Server Error|Service Unavailable)$/);
    expect(errors()).toHaveLength(1);
    expect(errors()[0]).toContain("request failed");
    expect(JSON.parse(errors()[0] as string).requestId).toBe(answer.headers["x-request-id"]);
  });

  it("that rejects, or throws before /api/push, is no other", async () => {
    host = await start({ middleware: [() => Promise.reject(new Error("secret detail"))] });
    const answer = await push(host.port, PUSH, { origin: "https://app.example" });
    expect(answer.status).toBe(500);
    expectError(answer);
    expect(errors()).toHaveLength(1);
    expect(host.delivered).toEqual([]);
  });

  it.each([400, 401, 404, 409, 429, 499])("may throw %s with its own words", async (status) => {
    const answer = await get((ctx) => ctx.throw(status, "in my own words"));
    expect(answer.status).toBe(status);
    expect(expectError(answer)).toBe("in my own words");
    expect(errors()).toEqual([]);
  });

  it("may show the words of a 5xx", async () => {
    const answer = await get((ctx) => ctx.throw(503, "back at noon", { expose: true }));
    expect([answer.status, expectError(answer)]).toEqual([503, "back at noon"]);
  });

  it("may throw header fields", async () => {
    const answer = await get((ctx) => ctx.throw(429, { headers: { "Retry-After": "7" } }));
    expect(answer.status).toBe(429);
    expect(answer.headers["retry-after"]).toBe("7");
    expectError(answer);
  });

  it("that throws broken header fields is answered all the same", async () => {
    const answer = await get((ctx) =>
      ctx.throw(429, { headers: { "x-a": "a\r\nx-b: b", "bad name": "1", "x-c": "c" } }),
    );
    expect(answer.status).toBe(429);
    expectError(answer);
    expect(answer.headers).not.toHaveProperty("x-b");
    expect(answer.headers["x-c"]).toBe("c");
  });

  it("that sets a body and headers and throws then gives a clean error", async () => {
    const answer = await get((ctx) => {
      ctx.body = "half an answer that is longer than the error";
      ctx.set({
        "content-encoding": "gzip",
        "content-length": "1000",
        etag: '"x"',
        "last-modified": new Date().toUTCString(),
        "content-range": "bytes 0-1/2",
        "transfer-encoding": "chunked",
      });
      throw new Error("then this");
    });
    expect(answer.status).toBe(500);
    expect(expectError(answer)).toBe("Internal Server Error");
    for (const name of ["content-encoding", "etag", "last-modified", "content-range"]) {
      expect(answer.headers).not.toHaveProperty(name);
    }
  });

  it("that sets a stream and throws then lets go of the stream", async () => {
    const stream = new PassThrough();
    const answer = await get((ctx) => {
      ctx.body = stream;
      throw new Error("then this");
    });
    expect(answer.status).toBe(500);
    expectError(answer);
    expect(stream.destroyed).toBe(true);
  });

  it("that only sets an error's status gives that error in JSON", async () => {
    const answer = await get((ctx) => {
      ctx.status = 418;
    });
    expect(answer.status).toBe(418);
    expect(expectError(answer)).toBe("I'm a Teapot");
  });

  it("that takes the answer over itself and throws first gives a 500", async () => {
    const answer = await get((ctx) => {
      ctx.respond = false;
      throw new Error("before the first byte");
    });
    expect(answer.status).toBe(500);
    expectError(answer);
    expect(errors()).toHaveLength(1);
  });

  it("that takes the answer over itself and throws later breaks it off", async () => {
    const broken = get(async (ctx) => {
      ctx.respond = false;
      ctx.res.writeHead(200, { "content-type": "text/plain" });
      await new Promise<void>((resolve) => ctx.res.write("half", () => resolve()));
      throw new Error("after the first byte");
    });
    await expect(broken).rejects.toThrow(/aborted|hang up|ECONNRESET/);
    expect(errors()).toHaveLength(1);
  });

  it("may stream", async () => {
    const pieces = Array.from({ length: 100 }, (_each, index) => `line ${index}\n`);
    const answer = await get((ctx) => {
      ctx.body = Readable.from(pieces);
    });
    expect(answer.text).toBe(pieces.join(""));
  });

  it("that streams and fails breaks the answer off", async () => {
    const broken = get((ctx) => {
      ctx.body = Readable.from(
        (async function* () {
          yield "half";
          await new Promise((resolve) => setImmediate(resolve));
          throw new Error("no more");
        })(),
      );
    });
    await expect(broken).rejects.toThrow(/aborted|hang up|ECONNRESET/);
  });

  it("may read the body before the route does", async () => {
    const read: Middleware = async (ctx, next) => {
      const chunks: Buffer[] = [];
      for await (const chunk of ctx.req) chunks.push(chunk as Buffer);
      (ctx.request as { body?: unknown }).body = Buffer.concat(chunks);
      await next();
    };
    host = await start({ middleware: [read] });
    const answer = await push(host.port, PUSH);
    expect(answer.text).toBe('{"channel":["a"],"data":1,"event":"e"}');
  });
});

describe.each(HOSTS)("the log on %s", (_name, start) => {
  let host: RunningHost;
  afterEach(() => host.stop());

  it("holds no payload, no key and no header value, whatever goes wrong", async () => {
    const SECRET = "s3cr3t-in-all-of-them";
    const broken = {
      deliver: () => {
        throw new Error("this transport is broken");
      },
      subscribers: () => 0,
      counts: () => ({ sockets: 0, subscriptions: 0 }),
      closeSockets: () => 0,
    };
    const headers = {
      authorization: `Bearer ${SECRET}`,
      cookie: `a=${SECRET}`,
      "x-own": SECRET,
      origin: `https://${SECRET}.example`,
      "user-agent": SECRET,
      referer: `https://x.example/${SECRET}`,
    };
    const body = JSON.stringify({ channel: SECRET, event: SECRET, data: { [SECRET]: SECRET } });
    const requests: Parameters<typeof ask>[1][] = [
      { body, headers: { ...JSON_TYPE, ...headers } },
      { body: `${body}${SECRET}`, headers: { ...JSON_TYPE, ...headers } },
      { body: `{"channel":"${SECRET}"}`, headers: { ...JSON_TYPE, ...headers } },
      { body: SECRET, headers: { ...headers, "content-type": `text/${SECRET}` } },
      { body: SECRET, headers: { ...JSON_TYPE, ...headers, "content-encoding": "gzip" } },
      { body: SECRET, headers: { ...JSON_TYPE, ...headers, "content-encoding": SECRET } },
      { body: `channel=${SECRET}&event=%ff&data=${SECRET}`, headers },
      { body: SECRET.repeat(1000), headers: { ...JSON_TYPE, ...headers } },
      { path: `/api/push?channel=${SECRET}&data=${SECRET}`, method: "POST", headers },
      { path: `/${SECRET}?${SECRET}`, headers },
      { path: "/throws", headers },
      { path: "/health/live", headers },
    ];
    const settings = [
      { transports: [broken] },
      { apiKeys: [SECRET] },
      { apiKeys: ["another"] },
      {
        policy: {
          authorizePush: () => {
            throw new Error("this policy is broken");
          },
          authorizeConnect: () => ({ allow: true as const }),
          authorizeJoin: () => ({ allow: true as const }),
        },
      },
    ];
    const middleware: Middleware[] = [
      (ctx, next) => {
        if (ctx.path === "/throws") throw new Error("broken");
        return next();
      },
    ];
    for (const setting of settings) {
      host = await start({ ...setting, middleware, bodyLimit: 10_000 });
      for (const request of requests) await ask(host.port, request);
      await host.stop();
      expect(host.log.filter((line) => line.includes(SECRET))).toEqual([]);
      expect(host.log.join("")).toContain("request failed");
    }
  });
});
