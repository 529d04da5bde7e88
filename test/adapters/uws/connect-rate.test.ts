import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { ConnectDecision } from "../../../src/domain/auth-policy.js";
import { within } from "../../support/inbox.js";
import {
  LIBRARIES,
  type PhoenixOptions,
  type PhoenixServer,
  startPhoenixForTest,
} from "../../support/phoenix-server.js";
import { RawClient } from "../../support/raw-client.js";

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

/** An upgrade by plain HTTP, so that no library reads its answer first. */
class Asking {
  readonly request: ClientRequest;
  readonly answer: Promise<Answer>;

  constructor({ port }: PhoenixServer, name: string) {
    this.request = request({
      port,
      host: "127.0.0.1",
      path: `/push_socket/websocket?vsn=2.0.0&name=${name}`,
      agent: false,
      headers: {
        upgrade: "websocket",
        connection: "Upgrade",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      },
    });
    onTestFinished(() => void this.request.destroy());
    this.answer = new Promise((resolve, reject) => {
      this.request.on("error", reject);
      this.request.on("upgrade", (response) => resolve(answerOf(response, "")));
      this.request.on("response", (response) => {
        let body = "";
        response.on("data", (chunk: Buffer) => {
          body += chunk.toString();
        });
        response.on("end", () => resolve(answerOf(response, body)));
      });
    });
    this.answer.catch(() => {});
    this.request.end();
  }
}

function answerOf({ statusCode = 0, headers }: IncomingMessage, body: string): Answer {
  return { status: statusCode, retryAfter: headers["retry-after"], body };
}

describe.each(LIBRARIES)("on %s", (library) => {
  const start = (given: PhoenixOptions = {}) => startPhoenixForTest({ ...given, library });

  /** A server that lets one in at once and then `rate` a second, and the names that its policy saw. */
  async function startBounded(connectRate: number) {
    const asked: string[] = [];
    const authorizeConnect = ({ params }: { params: Readonly<Record<string, string>> }) => {
      asked.push(params.name ?? "");
      return { allow: params.name !== "denied" } as ConnectDecision;
    };
    const phoenix = await start({ connectRate, policy: { authorizeConnect } });
    return { phoenix, asked };
  }

  /** One after the other, so that it is known who came first. */
  async function come(phoenix: PhoenixServer, names: readonly string[]): Promise<Asking[]> {
    const all: Asking[] = [];
    for (const name of names) {
      const before = phoenix.throttle.waiting;
      all.push(new Asking(phoenix, name));
      await vi.waitUntil(() => phoenix.throttle.waiting > before, { interval: 5 });
    }
    return all;
  }

  it("admits in order at the rate, and asks the policy only then", async () => {
    const { phoenix, asked } = await startBounded(2);
    const began = performance.now();
    const first = new Asking(phoenix, "first");
    expect(await first.answer).toMatchObject({ status: 101 });
    const waiting = await come(phoenix, ["second", "denied", "fourth"]);
    expect(asked).toEqual(["first"]);
    const answers = await within(Promise.all(waiting.map(({ answer }) => answer)), "the answers");
    expect(answers.map(({ status }) => status)).toEqual([101, 403, 101]);
    expect(asked).toEqual(["first", "second", "denied", "fourth"]);
    expect(performance.now() - began).toBeGreaterThan(1_480);
  });

  it("gives those who waited sockets that live", async () => {
    const { phoenix } = await startBounded(20);
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => RawClient.connect(phoenix.wsUrl, "2.0.0")),
    );
    for (const client of clients) await within(client.join("room:1"), "the join's answer");
    expect(phoenix.transport.subscribers("room:1")).toBe(20);
  });

  it("refuses who would wait too long, and says when to come again", async () => {
    const { phoenix, asked } = await startBounded(1);
    expect(await new Asking(phoenix, "in").answer).toMatchObject({ status: 101 });
    await come(phoenix, ["a", "b", "c"]);
    expect(await new Asking(phoenix, "late").answer).toEqual({
      status: 503,
      retryAfter: "3",
      body: '{"error":"Too many connects at once."}\r\n',
    });
    expect(asked).toEqual(["in"]);
  });

  it("forgets a client that goes while it waits", async () => {
    const { phoenix, asked } = await startBounded(1);
    expect(await new Asking(phoenix, "in").answer).toMatchObject({ status: 101 });
    const [gone, next] = await come(phoenix, ["gone", "next"]);
    gone?.request.destroy();
    // Its turn would have come after a second.
    await vi.waitUntil(() => phoenix.throttle.waiting === 1, { timeout: 500 });
    expect(await next?.answer).toMatchObject({ status: 101 });
    expect(asked).toEqual(["in", "next"]);
  });

  it("refuses those who wait once it drains, without asking", async () => {
    const { phoenix, asked } = await startBounded(1);
    expect(await new Asking(phoenix, "in").answer).toMatchObject({ status: 101 });
    const waiting = await come(phoenix, ["a", "b"]);
    const stopped = phoenix.server.stop(2_000);
    for (const { answer } of waiting) {
      expect(await within(answer, "a refusal")).toMatchObject({
        status: 503,
        body: '{"error":"The server is shutting down."}\r\n',
      });
    }
    await stopped;
    expect(asked).toEqual(["in"]);
  });

  it("asks its clients to come back once it has gone, at the rate at which they are admitted", async () => {
    const { phoenix } = await startBounded(30);
    const clients = await Promise.all(
      Array.from({ length: 60 }, () => RawClient.connect(phoenix.wsUrl, "2.0.0")),
    );
    await phoenix.server.stop(1_000);
    const closes = await Promise.all(clients.map(({ closed }) => closed));
    const hints = closes.map(({ code, reason }) => {
      expect(code).toBe(1012);
      return Number(/^retry in (\d+)$/.exec(reason)?.[1]);
    });
    // 60 are closed in two batches, 50 milliseconds apart, with 150 more for the last to arrive.
    expect(Math.max(...hints)).toBeLessThan(2_000 + 200);
    expect(Math.min(...hints)).toBeGreaterThanOrEqual(150);
    // 60 draws from 2 seconds: that all lie in one half of them happens once in 10^17 runs.
    expect(Math.max(...hints)).toBeGreaterThan(1_200);
    expect(Math.min(...hints)).toBeLessThan(1_200);
  });
});
