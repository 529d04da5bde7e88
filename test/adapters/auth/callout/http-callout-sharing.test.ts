import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { HttpCalloutOptions } from "../../../../src/adapters/auth/callout/options.js";
import type { Identity } from "../../../../src/domain/auth-policy.js";
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
let answer: Handler;
let now = 1_000_000;

beforeEach(async () => {
  answer = say({ allow: true });
  now = 1_000_000;
  application = await startApplication((asked, response) => answer(asked, response));
});

afterEach(() => application.stop());

// No second try may pass for a second question.
const open = (options: Partial<HttpCalloutOptions> = {}) =>
  policyFor(application.url, { now: () => now, timeoutMs: 60_000, ...options });

const keep = (body: unknown, seconds = 60, status = 200) =>
  say(body, { "cache-control": `private, max-age=${seconds}` }, status);

/** Resolves as soon as that many questions have come; each answer waits until it is given. */
function held() {
  const waiting: ServerResponse[] = [];
  let arrived = (): void => {};
  answer = (_asked, response) => {
    waiting.push(response);
    arrived();
  };
  return {
    async until(count: number): Promise<void> {
      while (waiting.length < count) {
        await new Promise<void>((resolve) => {
          arrived = resolve;
        });
      }
    },
    /** Answers all that wait. */
    release(text = '{"allow":true}'): void {
      for (const response of waiting.splice(0)) response.end(text);
    },
  };
}

describe("an answer that may be kept", () => {
  it.each([
    ["a yes", { allow: true }, 200],
    ["a no", { allow: false }, 200],
    ["a no by its status", "", 403],
  ])("(%s) is used for the same question until its time is over", async (_name, body, status) => {
    answer = keep(body, 60, status);
    const { policy } = open();
    const first = await policy.authorizePush(push);
    now += 59_999;
    expect(await policy.authorizePush(push)).toEqual(first);
    expect(application.asked).toHaveLength(1);
    now += 1;
    answer = say({ allow: true, by: "later" });
    expect(await policy.authorizePush(push)).toEqual({ allow: true, by: "later" });
    expect(application.asked).toHaveLength(2);
  });

  it("is as old as its question", async () => {
    answer = (asked, response) => {
      now += 30_000;
      return keep({ allow: true }, 60)(asked, response);
    };
    const { policy } = open();
    await policy.authorizePush(push);
    now += 29_999;
    await policy.authorizePush(push);
    expect(application.asked).toHaveLength(1);
    now += 1;
    await policy.authorizePush(push);
    expect(application.asked).toHaveLength(2);
  });

  it("is used for no other question", async () => {
    answer = keep({ allow: true });
    const { policy } = open();
    const others = [
      push,
      { ...push, path: "/api/stats" },
      { ...push, remoteAddress: "192.0.2.9" },
      { ...push, headers: { authorization: "Bearer s3cret-kez" } },
      { ...push, input: { ...push.input, channel: "a" } },
      { ...push, input: { ...push.input, event: "x" } },
    ];
    for (const other of others) await policy.authorizePush(other);
    await policy.authorizeJoin(join);
    await policy.authorizeJoin({ ...join, identity: { socketId: "ann" } });
    await policy.authorizeJoin({ ...join, identity: { claims: "ann" } });
    expect(application.asked).toHaveLength(others.length + 3);
  });

  it("is not kept without the application's word, nor where it is a fault", async () => {
    const { policy } = open();
    for (const handler of [
      say({ allow: true }),
      say({ allow: true }, { "cache-control": "no-store, max-age=60" }),
      keep({ allow: "true" }),
      keep({ allow: true }, 60, 500),
    ]) {
      answer = handler;
      application.asked.length = 0;
      await policy.authorizePush(push);
      await policy.authorizePush(push);
      expect(application.asked).toHaveLength(2);
    }
  });

  it("makes room for a newer one", async () => {
    answer = keep({ allow: true });
    const { policy } = open({ cacheEntriesMax: 2 });
    const ask = (channel: string) => policy.authorizeJoin({ ...join, channel });
    for (const channel of ["a", "b", "a", "c", "a", "b"]) await ask(channel);
    // The first of each, and "b" again, which had been unused for the longest time.
    expect(application.asked).toHaveLength(4);
  });

  it("gives every socket an identity of its own", async () => {
    answer = keep('{"allow":true,"socket_id":"ann","claims":{"user":12345678901234567890}}');
    const { policy } = open();
    const identities: Identity[] = [];
    for (let count = 0; count < 2; count++) {
      const decision = await policy.authorizeConnect(connect);
      if (decision.allow && decision.identity) identities.push(decision.identity);
    }
    const [one, other] = identities;
    expect(application.asked).toHaveLength(1);
    expect(one).toEqual(other);
    expect(one).not.toBe(other);
    expect(one?.claims).not.toBe(other?.claims);
    await policy.authorizeJoin({ ...join, identity: other as Identity });
    expect(application.asked[1]?.body).toContain("12345678901234567890}}}");
  });

  it("opens nothing once its identity is past its time", async () => {
    answer = keep({ allow: true, expires_at: 1030 });
    const { policy } = open();
    expect((await policy.authorizeConnect(connect)).allow).toBe(true);
    now = 1_030_000;
    expect((await policy.authorizeConnect(connect)).allow).toBe(false);
    expect(application.asked).toHaveLength(1);
  });
});

describe("equal questions at one time", () => {
  it.each(["push", "join"] as const)("share one call (%s)", async (question) => {
    const { until, release } = held();
    const { policy } = open();
    const ask = () =>
      question === "push" ? policy.authorizePush(push) : policy.authorizeJoin(join);
    const decisions = [ask(), ask(), ask()];
    await until(1);
    decisions.push(ask());
    release();
    expect((await Promise.all(decisions)).map(({ allow }) => allow)).toEqual(Array(4).fill(true));
    expect(application.asked).toHaveLength(1);

    const next = ask();
    await until(1);
    release('{"allow":false}');
    expect((await next).allow).toBe(false);
  });

  it("share a fault, which is reported once", async () => {
    answer = say("", {}, 500);
    const { policy, faults } = open();
    const decisions = await Promise.all([policy.authorizeJoin(join), policy.authorizeJoin(join)]);
    expect(decisions).toEqual([{ allow: false }, { allow: false }]);
    expect([application.asked.length, faults.length]).toEqual([1, 1]);
  });

  it("are asked one by one at a connect: a ticket may be good for one", async () => {
    const { until, release } = held();
    const { policy } = open();
    const decisions = [policy.authorizeConnect(connect), policy.authorizeConnect(connect)];
    await until(2);
    release();
    await Promise.all(decisions);
    expect(application.asked).toHaveLength(2);
  });

  it("are not mixed up with others", async () => {
    const { until, release } = held();
    const { policy } = open();
    const channels = ["a", "b", "c"];
    const decisions = channels.map((channel) => policy.authorizeJoin({ ...join, channel }));
    await until(3);
    release();
    await Promise.all(decisions);
    const asked = application.asked.map(({ body }) => JSON.parse(body).channel);
    expect(asked.sort()).toEqual(channels);
  });
});

describe("too many questions at one time", () => {
  const ask = (policy: ReturnType<typeof open>["policy"], channel: string) =>
    policy.authorizeJoin({ ...join, channel });

  it("are denied at once, with one report a second", async () => {
    const { until, release } = held();
    const { policy, messages } = open({ inFlightMax: 2 });
    const taken = [ask(policy, "a"), ask(policy, "b"), ask(policy, "a")];
    await until(2);
    expect(await ask(policy, "c")).toEqual({ allow: false });
    expect(await ask(policy, "d")).toEqual({ allow: false });
    expect(messages()).toEqual(["more than 2 questions at one time"]);
    now += 1000;
    await ask(policy, "d");
    expect(messages()).toHaveLength(2);

    release();
    expect((await Promise.all(taken)).every(({ allow }) => allow)).toBe(true);
    answer = say({ allow: true });
    expect(await ask(policy, "c")).toEqual({ allow: true });
  });

  const askMany = (policy: ReturnType<typeof open>["policy"]) =>
    Promise.all(Array.from({ length: 300 }, (_each, at) => ask(policy, String(at))));

  it("share 128 connections", async () => {
    const { until, release } = held();
    const { policy } = open();
    const decisions = askMany(policy);
    for (const count of [128, 128, 44]) {
      await until(count);
      release();
    }
    expect((await decisions).every(({ allow }) => allow)).toBe(true);
    expect(application.peak()).toBe(128);
  });

  it("wait for a connection no longer than for an answer", async () => {
    held();
    const { policy, faults } = open({ timeoutMs: 200 });
    const decisions = await askMany(policy);
    expect(decisions.some(({ allow }) => allow)).toBe(false);
    expect(faults.filter(({ message }) => message === "no answer within 0.2 s")).toHaveLength(300);

    // The connections are free again. A slow machine may need more than one question to answer in time.
    answer = say({ allow: true });
    do now += 5000;
    while (!(await ask(policy, "a")).allow);
  });

  it("still get an answer that was kept", async () => {
    answer = keep({ allow: true });
    const { policy } = open({ inFlightMax: 1 });
    await policy.authorizeJoin(join);
    const { until, release } = held();
    const slow = ask(policy, "slow");
    await until(1);
    expect(await policy.authorizeJoin(join)).toEqual({ allow: true });
    release();
    await slow;
  });
});

describe("an application that keeps failing", () => {
  it("is left alone for five seconds after five faults, and then tried with one question", async () => {
    answer = say("", {}, 500);
    const { policy, messages } = open();
    for (let count = 0; count < 20; count++) await policy.authorizePush(push);
    expect(application.asked).toHaveLength(5);
    expect(messages()).toEqual([
      ...Array(5).fill("status 500"),
      "the application keeps failing: nothing is asked for 5 s",
    ]);

    now += 4999;
    expect(await policy.authorizeConnect(connect)).toEqual({ allow: false });
    now += 1;
    for (let count = 0; count < 5; count++) await policy.authorizePush(push);
    expect(application.asked).toHaveLength(6);
    expect(messages().slice(6)).toEqual([
      "status 500",
      "the application keeps failing: nothing is asked for 5 s",
    ]);

    now += 5000;
    const { until, release } = held();
    const trial = policy.authorizePush(push);
    await until(1);
    expect(await policy.authorizeJoin(join)).toEqual({ allow: false });
    release();
    expect(await trial).toEqual({ allow: true });
    answer = say({ allow: true });
    expect(await policy.authorizeJoin(join)).toEqual({ allow: true });
    expect(messages()).toHaveLength(8);
  });

  it("is not one that says no", async () => {
    const { policy, faults } = open();
    for (let count = 0; count < 10; count++) {
      answer = count % 2 === 0 ? say({ allow: false }) : say("", {}, 401);
      expect(await policy.authorizePush(push)).toEqual({ allow: false });
    }
    expect([application.asked.length, faults]).toEqual([10, []]);
  });

  it("is not one that answers in between", async () => {
    const { policy } = open();
    for (let count = 0; count < 20; count++) {
      answer = count % 5 === 4 ? say({ allow: false }) : say("", {}, 500);
      await policy.authorizePush(push);
    }
    expect(application.asked).toHaveLength(20);
  });

  it("does not take away the answers that were kept", async () => {
    answer = keep({ allow: true }, 3600);
    const { policy } = open();
    await policy.authorizeJoin(join);
    answer = say("", {}, 500);
    for (let count = 0; count < 6; count++) await policy.authorizePush(push);
    expect(await policy.authorizeJoin(join)).toEqual({ allow: true });
  });
});
