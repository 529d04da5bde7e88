import { describe, expect, it } from "vitest";
import { Control } from "../../../src/application/control.js";
import { PushTraces } from "../../../src/application/push-traces.js";
import { Revocations } from "../../../src/application/revocations.js";
import { Revoker } from "../../../src/application/revoker.js";
import type { AuthPolicy, PushAuthRequest } from "../../../src/domain/auth-policy.js";
import { Json } from "../../../src/domain/json.js";
import { PushService } from "../../../src/domain/push-service.js";
import { MemoryBroker, MemoryTransport } from "../../../src/index.js";
import type { ApiAnswer, ApiRequest } from "../../../src/protocol/http/api.js";
import { explainError } from "../../../src/protocol/http/errors.js";
import { apiRoutes } from "../../../src/protocol/http/routes.js";
import { platform, requestOf } from "./platform.js";

const PUSH = '{"channel":["a","b","a"],"event":"e","data":1.10}';
const ALLOW: AuthPolicy = {
  authorizePush: () => ({ allow: true }),
  authorizeOperate: () => ({ allow: true }),
  authorizeConnect: () => ({ allow: true }),
  authorizeJoin: () => ({ allow: true }),
};

/** The API over the memory adapters, without a server. */
function createApi(policy: Partial<AuthPolicy> = {}) {
  const guarded = { ...ALLOW, ...policy };
  const nowMs = () => 0;
  const traces = new PushTraces({ max: 100, now: nowMs });
  const broker = new MemoryBroker({
    historyLimits: () => ({ size: 10, ttl: 60 }),
    idempotencyKeysMax: 100,
    memoryBytesMax: 1_000_000,
    now: nowMs,
  });
  const transports = [new MemoryTransport()];
  let last = 0;
  const pushes = new PushService({
    policy: guarded,
    transports,
    broker,
    listener: traces,
    newPushId: () => `push-${++last}`,
  });
  void pushes.start();
  const routes = apiRoutes({
    pushes,
    traces,
    platform,
    nowMs,
    policy: guarded,
    control: new Control(pushes, transports, broker),
    revoker: new Revoker(new Revocations({ now: () => 0 }), transports, undefined),
    log: { debug() {}, error() {} },
    readiness: () => "The server is shutting down.",
    limits: { bodyBytesMax: 1_000, pushesMax: 3, idempotencyKeysMax: 2 },
  });
  return (path: string, request: ApiRequest, method = "POST") => {
    const route = routes.find((each) => each.path === path && each.method === method);
    if (route === undefined) throw new Error(`no route ${method} ${path}`);
    return route.handle(request);
  };
}

/** The answer or, as a server would send it, the error. */
async function settled(run: () => ApiAnswer | Promise<ApiAnswer>): Promise<[number, string]> {
  try {
    const { status, body } = await run();
    return [status, body];
  } catch (error) {
    const { status, text } = explainError(error);
    return [status, text ?? ""];
  }
}

describe("POST /api/push", () => {
  it("answers synchronously with what was processed if policy and broker are synchronous", () => {
    expect(createApi()("/api/push", requestOf(PUSH))).toEqual({
      status: 200,
      body: '{"channel":["a","b"],"data":1.10,"event":"e"}',
      pushId: "push-1",
    });
  });

  it("reads the body before it returns, as its memory may be reused", async () => {
    const authorizePush = async () => ({ allow: true as const });
    const request = requestOf(PUSH);
    const answer = createApi({ authorizePush })("/api/push", request);
    request.body?.fill(0);
    expect((await answer).body).toBe('{"channel":["a","b"],"data":1.10,"event":"e"}');
  });

  it("shows the policy the request and its input", () => {
    const seen: PushAuthRequest[] = [];
    const authorizePush = (request: PushAuthRequest) => {
      seen.push(request);
      return { allow: false as const };
    };
    expect(createApi({ authorizePush })("/api/push", requestOf(PUSH))).toMatchObject({
      status: 403,
      body: '{"error":"Access Forbidden"}',
    });
    const { method, path, headers, remoteAddress, input } = seen[0] as PushAuthRequest;
    expect({ method, path, headers, remoteAddress, channel: input.channel }).toEqual({
      method: "POST",
      path: "/api/push",
      headers: { "content-type": "application/json" },
      remoteAddress: "192.0.2.1",
      channel: ["a", "b", "a"],
    });
  });

  it("answers a denial as the policy says, but never with a success", () => {
    const answerTo = (status: number) =>
      createApi({
        authorizePush: () => ({ allow: false, answer: { status, body: Json.of("no") } }),
      })("/api/push", requestOf(PUSH));
    expect(answerTo(429)).toMatchObject({ status: 429, body: '"no"' });
    expect(answerTo(200)).toMatchObject({ status: 403 });
  });

  it.each<[string, number, Partial<ApiRequest>]>([
    ["malformed JSON", 400, { body: Buffer.from("{") }],
    ["bytes that are not UTF-8", 400, { body: Buffer.from([0xff]) }],
    ["another media type", 415, { headers: { "content-type": "text/plain" } }],
    ["a caller that accepts no JSON", 406, { acceptsJson: false }],
    ["a query string that is not UTF-8", 400, { query: "channel=%ff" }],
    ["an option that is neither yes nor no", 422, { query: "dry_run=perhaps" }],
    ["a key with a line break", 400, { headers: keyed("a\nb") }],
    ["no body", 422, { body: undefined, headers: {} }],
  ])("refuses %s with %i", async (_name, status, changes) => {
    const api = createApi();
    expect((await settled(() => api("/api/push", requestOf(PUSH, changes))))[0]).toBe(status);
  });

  it("takes a form, and what the body lacks from the query string", async () => {
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const request = requestOf("channel=a&data[x]=1", { headers, query: "event=e&channel=b" });
    expect(await settled(() => createApi()("/api/push", request))).toEqual([
      200,
      '{"channel":["a"],"data":{"x":"1"},"event":"e"}',
    ]);
  });

  it("delivers once per key, and explains on demand", async () => {
    const api = createApi();
    const headers = keyed("k");
    const first = await api("/api/push", requestOf(PUSH, { headers }));
    const again = await api("/api/push", requestOf(PUSH, { headers, query: "explain=1" }));
    expect(again).toMatchObject({ status: 200, pushId: "push-1", isReplay: true });
    expect(again.body).toContain('"explain":{"id":"push-1","outcome":"accepted"');
    expect(first).not.toHaveProperty("isReplay");
    const other = requestOf('{"channel":"a","event":"e","data":2}', { headers });
    expect((await settled(() => api("/api/push", other)))[0]).toBe(422);
  });
});

describe("POST /api/push/batch", () => {
  const batch = (...pushes: string[]) => `{"pushes":[${pushes.join(",")}]}`;

  it("answers each push on its own, synchronously", () => {
    expect(createApi()("/api/push/batch", requestOf(batch(PUSH, "{}")))).toEqual({
      status: 200,
      body:
        '{"results":[{"status":200,"body":{"channel":["a","b"],"data":1.10,"event":"e"},"id":"push-1"},' +
        '{"status":422,"body":{"error":"Invalid push arguments: channel, data, event are required."},"id":"push-2"}]}',
    });
  });

  it("binds a key to the whole text", async () => {
    const api = createApi();
    const send = (body: string) =>
      settled(() => api("/api/push/batch", requestOf(body, { headers: keyed("k") })));
    const [first, other, again] = [
      await send(batch(PUSH)),
      await send(batch(PUSH, PUSH)),
      await send(batch(PUSH)),
    ];
    expect(other).toEqual([422, '{"error":"The Idempotency-Key was used for another batch."}']);
    expect(again).toEqual(first);
  });

  it("refuses more pushes than it may take", async () => {
    const request = requestOf(batch(PUSH, PUSH, PUSH, PUSH));
    expect(await settled(() => createApi()("/api/push/batch", request))).toEqual([
      422,
      '{"error":"pushes must not hold more than 3 pushes."}',
    ]);
  });
});

describe("the other routes", () => {
  const get = (changes: Partial<ApiRequest>) =>
    requestOf("", { method: "GET", body: undefined, headers: {}, ...changes });

  it("show a channel's history, its numbers to the digit", async () => {
    const api = createApi();
    await api("/api/push", requestOf(PUSH));
    const path = "/api/channels/:channel/history";
    const answer = await api(path, get({ params: { channel: "a" } }), "GET");
    expect(answer.body).toMatch(
      /"recovered":true,"messages":\[\{"id":"[^"]+","event":"e","data":1\.10\}\]/,
    );
  });

  it.each([
    ["/api/stats", "GET"],
    ["/api/channels", "GET"],
    ["/api/channels/:channel", "GET"],
    ["/api/channels/:channel/history", "GET"],
    ["/api/pushes/:id", "GET"],
    ["/api/sockets/:id", "DELETE"],
    ["/api/revocations", "POST"],
  ])("ask the policy first: %s", async (path, method) => {
    const api = createApi({ authorizeOperate: () => ({ allow: false }) });
    const request = requestOf("{}", { params: { channel: "a", id: "1" }, query: "limit=0" });
    expect((await settled(() => api(path, request, method)))[0]).toBe(403);
  });

  it("answer health checks without asking anybody", async () => {
    const api = createApi({ authorizePush: () => ({ allow: false }) });
    expect(await settled(() => api("/health/live", get({}), "GET"))).toEqual([
      200,
      '{"status":"live"}',
    ]);
    expect((await settled(() => api("/health/ready", get({}), "GET")))[0]).toBe(503);
  });
});

function keyed(key: string) {
  return { "content-type": "application/json", "idempotency-key": key };
}
