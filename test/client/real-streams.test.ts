import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SignJWT } from "jose";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { Hexpush } from "../../client/src/index.js";
import { Inbox } from "../support/inbox.js";
import { Publisher } from "../support/publisher.js";
import { lastingPort, startServer, type TestServer } from "../support/server.js";
import { joined, listen, message, type Options, QUICK, recovered } from "./rig.js";

const secret = "0123456789abcdef0123456789abcdef";
const JWT = { HEXPUSH_JWT_SECRET: secret, HEXPUSH_API_KEYS: "key scopes=push+operate" };

function token(subject: string): Promise<string> {
  return new SignJWT({ channels: ["news", "quiet"] })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(subject)
    .setJti(crypto.randomUUID())
    .setIssuedAt()
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(secret));
}

describe("over server-sent events, with the real server", () => {
  let port: number;
  let log: Inbox<string>;

  beforeEach(async () => {
    port = await lastingPort();
    log = new Inbox("the client's callbacks");
  });

  async function start(env: Record<string, string> = {}): Promise<TestServer> {
    const server = await startServer({ port, env });
    onTestFinished(() => server.kill());
    return server;
  }

  function client({ wsUrl }: TestServer, options: Partial<Options> = {}): Hexpush {
    const made = new Hexpush(wsUrl, {
      transports: ["sse"],
      reconnect: QUICK,
      onConnect: () => log.push("connect"),
      onDisconnect: ({ code, reason }) => log.push(`disconnect ${code} ${reason}`),
      onError: ({ code }) => log.push(`error ${code}`),
      ...options,
    });
    onTestFinished(() => made.disconnect());
    return made;
  }

  function publisher({ url }: TestServer): Publisher {
    const made = new Publisher(url, { authorization: "Bearer key" });
    onTestFinished(() => made.close());
    return made;
  }

  it("on the file broker a drained server is come back to, and nothing is lost", async () => {
    const directory = mkdtempSync(join(tmpdir(), "hexpush-client-"));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const env = { ...JWT, HEXPUSH_BROKER: `file:${directory}` };
    const before = await start(env);
    const events = client(before, { token: () => token("ann") });
    const [news, quiet, other] = ["news", "quiet", "other"].map((name) => listen(events, name));
    const denied = { kind: "denied", reason: "unauthorized" };
    await events.connect();
    expect(await news?.next()).toEqual(joined);
    expect(await quiet?.next()).toEqual(joined);
    expect(await other?.next()).toEqual(denied);
    await publisher(before).push(["news", "other"], "e", 1);
    expect(await news?.next()).toEqual(message(1));

    expect(await before.stop()).toBe(0);
    expect(await log.take(2)).toEqual([
      "connect",
      expect.stringMatching(/^disconnect 1012 retry in \d+$/),
    ]);
    const after = publisher(await start(env));
    await after.push("news", "e", 2);
    expect(await news?.take(3)).toEqual([joined, recovered(true), message(2)]);
    expect(await quiet?.take(2)).toEqual([joined, recovered(true)]);
    expect(await other?.next()).toEqual(denied);
    await after.push(["quiet", "other", "news"], "e", 3);
    expect(await news?.next()).toEqual(message(3));
    expect(await quiet?.next()).toEqual(message(3));
    expect(other?.items).toEqual([]);
  });

  it("on the memory broker a restart is told as not recovered, channel by channel", async () => {
    const before = await start();
    const events = client(before);
    const [news, quiet] = ["news", "quiet"].map((name) => listen(events, name));
    await events.connect();
    await news?.next();
    await quiet?.next();
    await publisher(before).push("news", "e", 1);
    expect(await news?.next()).toEqual(message(1));

    await before.stop();
    const after = await start();
    expect(await news?.take(2)).toEqual([joined, recovered(false)]);
    expect(await quiet?.take(2)).toEqual([joined, recovered(false)]);
    await publisher(after).push(["news", "quiet"], "e", 2);
    expect(await news?.next()).toEqual(message(2));
    expect(await quiet?.next()).toEqual(message(2));
  });

  it("what history has dropped is told as not recovered, and only that", async () => {
    const server = await start({ HEXPUSH_HISTORY_SIZE: "2" });
    const events = client(server);
    const [news, quiet] = ["news", "quiet"].map((name) => listen(events, name));
    await events.connect();
    await news?.next();
    await quiet?.next();
    await events.disconnect();
    const backend = publisher(server);
    for (const n of [1, 2, 3]) await backend.push("news", "e", n);
    await backend.push("quiet", "e", 1);

    await events.connect();
    expect(await news?.take(2)).toEqual([joined, recovered(false)]);
    expect(await quiet?.take(3)).toEqual([joined, recovered(true), message(1)]);
    await backend.push("news", "e", 4);
    expect(await news?.next()).toEqual(message(4));
  });

  it("without history nothing is taken for whole, and messages come", async () => {
    const server = await start({ HEXPUSH_HISTORY_SIZE: "0" });
    const events = client(server);
    const news = listen(events, "news");
    await events.connect();
    expect(await news.next()).toEqual(joined);
    await publisher(server).push("news", "e", 1);
    expect(await news.next()).toEqual(message(1));
    await events.disconnect();
    await events.connect();
    expect(await news.take(2)).toEqual([joined, recovered(false)]);
  });

  it("a channel that is added starts at its newest message", async () => {
    const server = await start();
    const events = client(server);
    const news = listen(events, "news");
    await events.connect();
    await news.next();
    const backend = publisher(server);
    await backend.push("late", "e", 1);
    const late = listen(events, "late");
    expect(await late.next()).toEqual(joined);
    expect(await news.take(2)).toEqual([joined, recovered(true)]);
    await backend.push(["late", "news"], "e", 2);
    expect([await late.next(), await news.next()]).toEqual([message(2), message(2)]);
  });

  it("a revoked token is replaced at once, and one that cannot be ends the client", async () => {
    const server = await start(JWT);
    const backend = publisher(server);
    const revoke = async (subject: string) => {
      const answer = await backend.send("POST", "/api/revocations", JSON.stringify({ subject }));
      expect(JSON.parse(answer.text)).toMatchObject({ subject, closed: 1 });
    };
    const subjects = ["ann", "eve"];
    const never = { minMs: 60_000, maxMs: 60_000 };
    const renewed = client(server, {
      token: () => token(subjects.shift() as string),
      reconnect: never,
    });
    const news = listen(renewed, "news");
    await renewed.connect();
    await news.next();
    await revoke("ann");
    expect(await news.take(2)).toEqual([joined, recovered(true)]);
    await backend.push("news", "e", 1);
    expect(await news.next()).toEqual(message(1));
    expect(await log.take(4)).toEqual([
      "connect",
      "disconnect 1008 token revoked",
      "error closed",
      "connect",
    ]);

    const fixed = client(server, { token: await token("bob") });
    const told = listen(fixed, "news");
    await fixed.connect();
    await told.next();
    await revoke("bob");
    expect(await told.next()).toEqual({ kind: "error", code: "token" });
    expect(await log.take(3)).toEqual(["connect", "disconnect 1008 token revoked", "error token"]);
  });

  it("where every channel is denied, or the token is no good, the connect fails", async () => {
    const server = await start(JWT);
    const denied = client(server, { token: await token("ann") });
    const told = listen(denied, "other");
    await denied.connect();
    expect(await log.next()).toBe("error connect");
    await denied.disconnect();
    expect(told.items).toEqual([]);

    const forged = client(server, { token: "forged" });
    listen(forged, "news");
    await forged.connect();
    expect(await log.next()).toBe("error connect");
  });
});
