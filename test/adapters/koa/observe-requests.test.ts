import { afterEach, describe, expect, it } from "vitest";
import type {
  ApiListener,
  ApiProcessed,
  ApiRequested,
  ServerListener,
} from "../../../src/index.js";
import { Inbox } from "../../support/inbox.js";
import { RawHttp } from "../../support/raw-http.js";
import { ask, HOSTS, JSON_TYPE, push, type RunningHost } from "./hosts.js";
import { named, policyOf } from "./policy-of.js";

const PUSH = '{"channel":"a","event":"e","data":"payload"}';

/** A class: what it hears it keeps in `this`. */
class Recorder implements ApiListener {
  readonly requested: ApiRequested[] = [];
  readonly processed = new Inbox<ApiProcessed>("processed requests");
  apiRequested(event: ApiRequested): void {
    this.requested.push(event);
  }
  apiProcessed(event: ApiProcessed): void {
    this.processed.push(event);
  }
}

describe.each(HOSTS)("what a listener hears of the API on %s", (_name, start) => {
  let host: RunningHost;
  afterEach(() => host.stop());

  it("is each request and its end: id, method, path, status, time", async () => {
    const recorder = new Recorder();
    host = await start({ listeners: [recorder] });
    const headers = { ...JSON_TYPE, "x-request-id": "0123456789-abcdefghij" };
    await ask(host.port, { path: "//api/push/?token=secret", body: PUSH, headers });
    const ended = await recorder.processed.next();
    const event = { requestId: "0123456789-abcdefghij", method: "POST", path: "/api/push" };
    expect(recorder.requested).toEqual([event]);
    expect(ended).toEqual({ ...event, status: 200, durationMs: expect.any(Number) });
    expect(ended.durationMs).toBeGreaterThan(0);
    expect(ended.durationMs).toBeLessThan(600_000);
  });

  it.each<[number, Parameters<typeof ask>[1]]>([
    [400, { body: "{", headers: JSON_TYPE }],
    [403, { body: PUSH, headers: { ...JSON_TYPE, "x-deny": "1" } }],
    [404, { path: "/api/none" }],
    [405, { method: "PUT" }],
    [415, { body: "x" }],
    [422, { body: "{}", headers: JSON_TYPE }],
    [200, { path: "/api/stats" }],
    [500, { path: "/api/broken" }],
  ])("is the answer whatever it is: %s", async (status, request) => {
    const recorder = new Recorder();
    host = await start({
      listeners: [recorder],
      policy: policyOf(({ headers }) => ({ allow: headers["x-deny"] === undefined })),
      middleware: [
        (ctx, next) => {
          if (ctx.path === "/api/broken") throw new Error("broken");
          return next();
        },
      ],
    });
    const answer = await ask(host.port, request);
    expect(answer.status).toBe(status);
    const ended = await recorder.processed.next();
    expect([ended.status, ended.requestId]).toEqual([status, answer.headers["x-request-id"]]);
    expect(recorder.requested).toHaveLength(1);
  });

  it("is nothing of other routes", async () => {
    const recorder = new Recorder();
    host = await start({ listeners: [recorder] });
    await ask(host.port, { path: "/health/live" });
    await ask(host.port, { path: "/apiary" });
    await ask(host.port, { path: "/api/stats" });
    expect((await recorder.processed.next()).path).toBe("/api/stats");
    expect(recorder.requested).toHaveLength(1);
  });

  it("is no status where the client went away before its answer", async () => {
    const recorder = new Recorder();
    let isAsked: () => void = () => {};
    const asked = new Promise<void>((resolve) => {
      isAsked = resolve;
    });
    let decide: (decision: object) => void = () => {};
    host = await start({
      listeners: [recorder],
      policy: policyOf(() => {
        isAsked();
        return new Promise((resolve) => {
          decide = resolve;
        });
      }),
    });
    const client = await RawHttp.connect(host.port);
    client.write(
      `POST /api/push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${PUSH.length}\r\n\r\n${PUSH}`,
    );
    await asked;
    client.destroy();
    const ended = await recorder.processed.next();
    expect(ended).toMatchObject({ method: "POST", path: "/api/push", status: undefined });
    decide({ allow: true });
    expect((await push(host.port, "{")).status).toBe(400);
    expect((await recorder.processed.next()).status).toBe(400);
    expect(recorder.processed.items).toEqual([]);
  });

  it.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("out of order");
      },
    ],
    ["rejects", () => Promise.reject(new Error("out of order"))],
    ["hangs", () => new Promise(() => {})],
  ])("disturbs nothing where it %s", async (how, fail) => {
    const recorder = new Recorder();
    const broken: ServerListener = {
      apiRequested: fail,
      apiProcessed: fail,
      pushRequested: fail,
      pushRefused: fail,
      messageDelivered: fail,
    };
    host = await start({ listeners: [broken, recorder] });
    const accepted = await push(host.port, PUSH);
    expect([accepted.status, accepted.text]).toEqual([
      200,
      '{"channel":["a"],"data":"payload","event":"e"}',
    ]);
    expect((await push(host.port, "{}")).status).toBe(422);
    await recorder.processed.take(2);
    expect(host.delivered).toHaveLength(1);
    expect(host.hexpush.trace(`${accepted.headers["x-push-id"]}`)?.outcome).toBe("accepted");
    const failures = host.log.filter((line) => line.includes("a listener failed"));
    const events = failures.map((line) => (JSON.parse(line) as { event: string }).event);
    const expected = [
      ...["apiRequested", "pushRequested", "messageDelivered", "apiProcessed"],
      ...["apiRequested", "pushRefused", "apiProcessed"],
    ];
    expect(events.sort()).toEqual(how === "hangs" ? [] : expected.sort());
    expect(failures.join("")).not.toContain("payload");
  });
});

describe.each(HOSTS)("the request log on %s", (_name, start) => {
  let host: RunningHost;
  afterEach(() => host.stop());

  const lines = () =>
    host.log
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ msg }) => `${msg}`.startsWith("request"));

  /** Lines are written when an answer is complete, which its reader may know a little before. */
  const settled = async (count: number) => {
    while (lines().length < count) await new Promise((resolve) => setImmediate(resolve));
    return lines();
  };

  it("is off unless it is asked for", async () => {
    host = await start();
    await push(host.port, PUSH);
    await ask(host.port, { path: "/health/live" });
    expect(lines()).toEqual([]);
  });

  it("has one line for each request, on any route: id, method, path, status, time", async () => {
    host = await start({ requestLog: true });
    const answers = [
      await push(host.port, PUSH),
      await ask(host.port, { path: "/health/live" }),
      await ask(host.port, { path: "/nowhere", method: "DELETE" }),
      await push(host.port, "{"),
    ];
    const logged = await settled(4);
    const own = ({ level, time, pid, hostname, ...rest }: Record<string, unknown>) => rest;
    const common = { durationMs: expect.any(Number), msg: "request" };
    expect(logged.map(own)).toEqual([
      { method: "POST", path: "/api/push", status: 200, requestId: idOf(0), ...common },
      { method: "GET", path: "/health/live", status: 200, requestId: idOf(1), ...common },
      { method: "DELETE", path: "/nowhere", status: 404, requestId: idOf(2), ...common },
      { method: "POST", path: "/api/push", status: 400, requestId: idOf(3), ...common },
    ]);
    expect(logged.map(({ level }) => level)).toEqual([30, 30, 30, 30]);
    function idOf(index: number) {
      return answers[index]?.headers["x-request-id"];
    }
  });

  it("holds nothing that could be secret", async () => {
    host = await start({ requestLog: true, apiKeys: ["secret-key"] });
    const headers = { ...JSON_TYPE, authorization: "Bearer secret-key", cookie: "secret-cookie" };
    const path = "/api/push?token=secret-token";
    const body = '{"channel":"secret-channel","event":"secret-event","data":"secret-data"}';
    await ask(host.port, { path, headers: { ...headers, "idempotency-key": "secret-id" }, body });
    await ask(host.port, { path, headers: { ...headers, authorization: "Bearer secret-2" }, body });
    await settled(2);
    expect(host.log.join("")).not.toContain("secret");
  });

  it("tells a request that was broken off from one that was answered", async () => {
    const policy = { ...named, authorizeOperate: () => new Promise<never>(() => {}) };
    host = await start({ requestLog: true, policy });
    const client = await RawHttp.connect(host.port);
    client.write("GET /api/stats HTTP/1.1\r\nHost: x\r\n\r\n");
    await ask(host.port, { path: "/health/live" });
    client.destroy();
    const logged = await settled(2);
    expect(logged[1]).toMatchObject({ path: "/api/stats", msg: "request broken off" });
    expect(logged[1]).not.toHaveProperty("status");
  });
});
