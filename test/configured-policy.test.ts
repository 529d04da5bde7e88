import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, describe, expect, it, onTestFinished } from "vitest";
import { createHexpush, type Hexpush, type HexpushOptions } from "../src/index.js";
import { makeToken, NOW, PAIRS, pem, SECRET } from "./adapters/auth/jwt/jwt-tokens.js";
import { within } from "./support/inbox.js";
import { RawClient } from "./support/raw-client.js";
import { socketUrl } from "./support/server.js";

interface Started {
  readonly hexpush: Hexpush;
  readonly url: string;
  readonly log: string[];
  connect(token?: string): Promise<RawClient>;
  push(channel: string, key?: string): Promise<number>;
  post(path: string, body: unknown, key?: string): Promise<Response>;
}

const running: Hexpush[] = [];
let now = NOW;

afterEach(async () => {
  await Promise.all(running.splice(0).map((hexpush) => hexpush.stop(0)));
  now = NOW;
});

async function start(options: HexpushOptions): Promise<Started> {
  const log: string[] = [];
  const logger = pino({ level: "debug" }, { write: (line: string) => void log.push(line) });
  const hexpush = createHexpush({ port: 0, logger, now: () => now, ...options });
  running.push(hexpush);
  const { url } = await hexpush.start();
  const post = (path: string, body: unknown, key?: string) =>
    fetch(`${url}${path}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      },
      body: JSON.stringify(body),
    });
  return {
    hexpush,
    url,
    log,
    post,
    connect: (token) =>
      RawClient.connect(socketUrl(url), "2.0.0", token === undefined ? {} : { token }),
    push: async (channel, key) =>
      (await post("/api/push", { channel, event: "e", data: 1 }, key)).status,
  };
}

function temporaryFile(content: string): string {
  const folder = mkdtempSync(join(tmpdir(), "hexpush-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "file");
  writeFileSync(path, content);
  return path;
}

const token = (claims: Record<string, unknown>) =>
  makeToken({ iat: NOW, exp: NOW + 60, ...claims });

const OPERATOR = { key: "key", scopes: ["push", "read", "operate"] } as const;

const ann = { sub: "ann", channels: ["room:*"] };

describe("tokens by settings", () => {
  it("let in whom the secret's tokens name, to the channels that they name", async () => {
    const { connect, hexpush } = await start({ jwtSecret: SECRET });
    const client = await connect(token(ann));
    await client.join("room:1");
    await expect(client.join("hall")).rejects.toThrow("unauthorized");
    await expect(connect()).rejects.toThrow("403");
    await expect(connect(`${token(ann)}x`)).rejects.toThrow("403");
    expect(hexpush.channel("room:1").presence).toEqual([{ id: "ann", sockets: 1 }]);
  });

  it("are verified by a file of public keys too", async () => {
    const jwtPublicKeyFile = temporaryFile(pem(PAIRS.p256.publicKey));
    const { connect } = await start({ jwtPublicKeyFile });
    const signed = makeToken(
      { ...ann, exp: NOW + 60 },
      { alg: "ES256", key: PAIRS.p256.privateKey },
    );
    await (await connect(signed)).join("room:1");
    await expect(connect(token(ann))).rejects.toThrow("403");
  });

  it("close their sockets when they have expired, with a reason that a client can read", async () => {
    const { connect } = await start({ jwtSecret: SECRET, jwtLeeway: 2 });
    const client = await connect(token(ann));
    now = NOW + 61;
    await client.join("room:1");
    now = NOW + 62;
    expect(await within(client.closed, "the close")).toEqual({
      code: 1008,
      reason: "token expired",
    });
    await expect(connect(token(ann))).rejects.toThrow("403");
  });

  it("leave nobody to push over HTTP by themselves, and the log says so", async () => {
    const { push, log } = await start({ jwtSecret: SECRET });
    expect(await push("room:1")).toBe(403);
    expect(await push("room:1", token({ ...ann, push: "*" }))).toBe(403);
    expect(log.join("")).toContain("nobody may push over HTTP");
  });

  it("push where they may, once the settings let them", async () => {
    const { push, post } = await start({ jwtSecret: SECRET, jwtPush: true });
    const limited = token({ sub: "backend", push: "room:*" });
    expect(await push("room:1", limited)).toBe(200);
    expect(await push("hall", limited)).toBe(403);
    expect(await push("room:1", token(ann))).toBe(403);
    const answer = await post(
      "/api/push?explain=1",
      { channel: "room:1", event: "e", data: 1 },
      limited,
    );
    expect(await answer.json()).toMatchObject({ explain: { by: "backend" } });
  });
});

describe("revocation", () => {
  it("closes what is open and refuses what comes, until the subject has a newer token", async () => {
    const { connect, post } = await start({ jwtSecret: SECRET, apiKeys: [OPERATOR] });
    const [client, other] = [
      await connect(token(ann)),
      await connect(token({ ...ann, sub: "bob" })),
    ];
    const answer = await post("/api/revocations", { subject: "ann", until: NOW + 3600 }, "key");
    expect([answer.status, await answer.json()]).toEqual([
      200,
      { subject: "ann", issued_before: NOW, until: NOW + 3600, closed: 1 },
    ]);
    expect(await within(client.closed, "the close")).toEqual({
      code: 1008,
      reason: "token revoked",
    });
    await other.roundTrip();
    await expect(connect(token(ann))).rejects.toThrow("403");
    now = NOW + 5;
    await (await connect(token({ ...ann, iat: NOW + 5 }))).join("room:1");
  });

  it("ends a token by its id, also for pushes and for a join of a socket that is open", async () => {
    const { connect, push, hexpush } = await start({ jwtSecret: SECRET, jwtPush: true });
    const pushing = token({ sub: "backend", jti: "t1", push: "*" });
    expect(await push("room:1", pushing)).toBe(200);
    expect(await hexpush.revoke({ tokenId: "t1" })).toMatchObject({ ok: true, closed: 0 });
    expect(await push("room:1", pushing)).toBe(403);
    const client = await connect(token({ ...ann, jti: "t2" }));
    expect(await hexpush.revoke({ tokenId: "t2" })).toMatchObject({ ok: true, closed: 1 });
    await within(client.closed, "the close");
  });

  it("needs the right to operate, and names what is wrong", async () => {
    const reads = { key: "reads", scopes: ["push", "read"] } as const;
    const { post } = await start({ jwtSecret: SECRET, apiKeys: ["pushes", reads, OPERATOR] });
    const revoke = (body: unknown, key?: string) => post("/api/revocations", body, key);
    expect((await revoke({ subject: "ann" })).status).toBe(403);
    for (const key of ["pushes", "reads", "wrong"]) {
      expect((await revoke({ subject: "ann" }, key)).status).toBe(403);
    }
    expect((await revoke({ subjekt: "ann" }, "key")).status).toBe(422);
    expect((await revoke({}, "key")).status).toBe(422);
    expect((await revoke([], "key")).status).toBe(422);
    expect((await revoke({}, "wrong")).status).toBe(403);
  });

  it("is kept over a restart by its file, and a file that is none refuses the start", async () => {
    const revocationsFile = temporaryFile("");
    const settings = { jwtSecret: SECRET, apiKeys: [OPERATOR], revocationsFile };
    const first = await start(settings);
    expect((await first.post("/api/revocations", { token_id: "t" }, "key")).status).toBe(200);
    await first.hexpush.stop(0);
    const second = await start(settings);
    await expect(second.connect(token({ ...ann, jti: "t" }))).rejects.toThrow("403");
    await second.connect(token(ann));
    writeFileSync(revocationsFile, "no JSON\n{}\n");
    expect(() => createHexpush(settings)).toThrow("HEXPUSH_REVOCATIONS_FILE");
  });
});

describe("API keys by settings", () => {
  it("push where they may, named in the trace", async () => {
    const named = {
      key: "limited",
      name: "shop",
      channels: ["orders.*", "news"],
      scopes: ["push", "read"],
    } as const;
    const { push, post, url } = await start({ apiKeys: ["key", named] });
    expect(await push("orders.1", "limited")).toBe(200);
    expect(await push("other", "limited")).toBe(403);
    expect(await push("other", "key")).toBe(200);
    const answer = await post("/api/push", { channel: "news", event: "e", data: 1 }, "limited");
    const id = answer.headers.get("x-push-id");
    const trace = await fetch(`${url}/api/pushes/${id}`, {
      headers: { authorization: "Bearer limited" },
    });
    expect(await trace.json()).toMatchObject({ id, by: "shop", outcome: "accepted" });
  });

  it("are read again from their file on reload, and stay where it is wrong", async () => {
    const apiKeysFile = temporaryFile("first name=one\n");
    const { push, hexpush } = await start({ apiKeysFile });
    writeFileSync(apiKeysFile, "second\n");
    expect([await push("a", "first"), await push("a", "second")]).toEqual([200, 403]);
    hexpush.reload();
    expect([await push("a", "first"), await push("a", "second")]).toEqual([403, 200]);
    writeFileSync(apiKeysFile, "third surname=x\n");
    expect(() => hexpush.reload()).toThrow("line 1");
    expect(await push("a", "second")).toBe(200);
  });

  it("leave the sockets open, and the log says so", async () => {
    const { connect, log } = await start({ apiKeys: ["key"] });
    await (await connect()).join("anything");
    expect(log.join("")).toContain("API keys guard pushes only");
  });
});

describe("public channels by settings", () => {
  it("are all that may be joined where there is no other policy for sockets", async () => {
    const { connect } = await start({ apiKeys: ["key"], publicChannels: ["news", "public:*"] });
    const client = await connect();
    await client.join("news", "public:1");
    await expect(client.join("private")).rejects.toThrow("unauthorized");
  });

  it("are open to who has no token, beside the tokens' own", async () => {
    const { connect } = await start({ jwtSecret: SECRET, publicChannels: ["news"] });
    const [nobody, known] = [await connect(), await connect(token(ann))];
    await nobody.join("news");
    await expect(nobody.join("room:1")).rejects.toThrow("unauthorized");
    await known.join("news", "room:1");
    await expect(connect("no token")).rejects.toThrow("403");
  });

  it("leave the push endpoint as it is: open, so not for other addresses", async () => {
    const { push } = await start({ publicChannels: ["news"] });
    expect(await push("news")).toBe(200);
    expect(() => createHexpush({ host: "0.0.0.0", publicChannels: ["news"] })).toThrow(
      "refusing to listen",
    );
  });
});

describe("rules for channels", () => {
  it("say who may join, whatever the policy says", async () => {
    const { connect } = await start({
      jwtSecret: SECRET,
      publicChannels: ["internal.*"],
      channels: [
        { pattern: "internal.*", join: "nobody" },
        { pattern: "news", join: "anyone" },
        { pattern: "members", join: "authenticated" },
      ],
    });
    const [nobody, known] = [await connect(), await connect(token(ann))];
    await nobody.join("news");
    await expect(nobody.join("members")).rejects.toThrow("unauthorized");
    await expect(nobody.join("internal.1")).rejects.toThrow("unauthorized");
    await known.join("news", "members", "room:1");
    await expect(known.join("internal.1")).rejects.toThrow("unauthorized");
  });

  it("limit subscribers and data", async () => {
    const { connect, post } = await start({
      channels: [{ pattern: "table:*", subscribersMax: 1, dataBytesMax: 8 }],
    });
    await (await connect()).join("table:1");
    const second = await connect();
    await expect(second.join("table:1")).rejects.toThrow("channel is full");
    await second.join("table:2");
    const push = async (data: string) => {
      const answer = await post("/api/push", { channel: ["a", "table:1"], event: "e", data });
      return [answer.status, await answer.json()];
    };
    expect((await push("123456"))[0]).toBe(200);
    expect(await push("1234567")).toEqual([
      422,
      {
        error: 'Invalid push arguments: data must not be larger than 8 bytes on channel "table:1".',
      },
    ]);
  });
});

describe("a call-out by settings", () => {
  it("decides pushes, connects and joins, and a no is a no", async () => {
    const application = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        const asked = JSON.parse(body) as { question: string; channel?: string; token?: string };
        const allow =
          asked.question === "connect" ? asked.token === "ticket" : asked.channel === "a";
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify({ allow, ...(allow && asked.token && { socket_id: "ann" }) }));
      });
    });
    await new Promise<void>((resolve) => application.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void application.close());
    const authUrl = `http://127.0.0.1:${(application.address() as AddressInfo).port}/`;
    const { connect, push, hexpush } = await start({ authUrl, authSecret: "s" });
    const client = await connect("ticket");
    await client.join("a");
    await expect(client.join("b")).rejects.toThrow("unauthorized");
    await expect(connect("other")).rejects.toThrow("403");
    expect([await push("a"), await push("b")]).toEqual([200, 403]);
    expect(hexpush.closeSockets("ann")).toBe(1);
    await within(client.closed, "the close");
  });

  it("is asked about operators only once the settings say that it knows the question", async () => {
    const questions: Record<string, unknown>[] = [];
    const application = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        const question = JSON.parse(body) as Record<string, unknown>;
        questions.push(question);
        const allow = question.right !== "operate";
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify(allow ? { allow } : { allow, status: 401, body: "who?" }));
      });
    });
    await new Promise<void>((resolve) => application.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void application.close());
    const authUrl = `http://127.0.0.1:${(application.address() as AddressInfo).port}/`;
    const silent = await start({ authUrl });
    // This one allows whatever it is asked.
    expect((await fetch(`${silent.url}/api/channels/a/history`)).status).toBe(403);
    expect((await silent.post("/api/revocations", { subject: "ann" })).status).toBe(403);
    expect(questions).toEqual([]);
    const { url, post } = await start({ authUrl, authOperate: true });
    expect((await fetch(`${url}/api/channels/a/history`)).status).toBe(200);
    expect((await fetch(`${url}/api/stats`)).status).toBe(200);
    const revoked = await post("/api/revocations", { subject: "ann" }, "key");
    expect([revoked.status, await revoked.json()]).toEqual([401, "who?"]);
    expect(questions).toMatchObject([
      { question: "operate", right: "read", path: "/api/channels/a/history", channel: "a" },
      { question: "operate", right: "read", path: "/api/stats", channel: null },
      {
        question: "operate",
        right: "operate",
        method: "POST",
        path: "/api/revocations",
        headers: { authorization: "Bearer key" },
        channel: null,
      },
    ]);
  });

  it("denies all where nobody answers, and the log says why", async () => {
    const { connect, push, log } = await start({ authUrl: "http://127.0.0.1:9/" });
    expect(await push("a")).toBe(403);
    await expect(connect("x")).rejects.toThrow("403");
    expect(log.join("")).toContain("auth callout failed");
  });
});

describe("a policy of the host's", () => {
  it("denies where it takes longer than the settings let it, and the log says so", async () => {
    const hangs = () => new Promise<never>(() => {});
    const { push, connect, log, url } = await start({
      policyTimeout: 0.05,
      policy: {
        authorizePush: hangs,
        authorizeConnect: ({ token }) => (token === undefined ? { allow: true } : hangs()),
        authorizeJoin: hangs,
        authorizeOperate: hangs,
      },
    });
    expect(await push("a")).toBe(403);
    expect((await fetch(`${url}/api/stats`)).status).toBe(403);
    await expect(connect("token")).rejects.toThrow("403");
    await expect((await connect()).join("a")).rejects.toThrow("unauthorized");
    expect(log.filter((line) => line.includes("did not decide within 0.05 s"))).toHaveLength(4);
  });
});

describe("several policies by settings", () => {
  it("all have to allow, or one, as configured", async () => {
    const keys = { apiKeys: ["key"], authUrl: "http://127.0.0.1:9/" };
    const all = await start(keys);
    expect(await all.push("a", "key")).toBe(403);
    const one = await start({ ...keys, authCombine: "first-allow" });
    expect(await one.push("a", "key")).toBe(200);
    expect(await one.push("a", "wrong")).toBe(403);
  });

  it("let keys and tokens push, each by itself, under first-allow only", async () => {
    const both = { apiKeys: ["key"], jwtSecret: SECRET, jwtPush: true };
    expect(() => createHexpush(both)).toThrow("HEXPUSH_AUTH_COMBINE=first-allow");
    const { push } = await start({ ...both, authCombine: "first-allow" });
    expect(await push("a", "key")).toBe(200);
    expect(await push("a", token({ push: "a" }))).toBe(200);
    expect(await push("b", token({ push: "a" }))).toBe(403);
  });

  it("give operators the rights of their key or of their token, as combined", async () => {
    const both = { apiKeys: ["pushes", OPERATOR], jwtSecret: SECRET, jwtOperate: true };
    const { url, push } = await start({ ...both, authCombine: "first-allow" });
    const stats = async (key: string) =>
      (await fetch(`${url}/api/stats`, { headers: { authorization: `Bearer ${key}` } })).status;
    const claims = { channels: "*", scope: "hexpush:read" };
    expect(await Promise.all(["key", token(claims)].map(stats))).toEqual([200, 200]);
    expect(await Promise.all(["pushes", token({ channels: "*" })].map(stats))).toEqual([403, 403]);
    expect(await push("a", token({ ...claims, push: "*" }))).toBe(403);
    const alone = await start({ apiKeys: [OPERATOR], authUrl: "http://127.0.0.1:9/" });
    const revoked = await alone.post("/api/revocations", { subject: "ann" }, "key");
    // An application that is not asked about operators has no say.
    expect(revoked.status).toBe(200);
    const asked = await start({
      apiKeys: [OPERATOR],
      authUrl: "http://127.0.0.1:9/",
      authOperate: true,
    });
    expect((await asked.post("/api/revocations", { subject: "ann" }, "key")).status).toBe(403);
  });

  it.each<[HexpushOptions, string]>([
    [{ jwtSecret: "short" }, "HEXPUSH_JWT_SECRET: "],
    [{ jwtSecret: SECRET, jwksUrl: "http://127.0.0.1:9/" }, "only one of"],
    [{ jwtPush: true }, '"jwtPush" is set without'],
    [{ jwtOperate: true }, '"jwtOperate" is set without'],
    [{ authOperate: true }, "HEXPUSH_AUTH_OPERATE is set without"],
    [
      { apiKeys: ["key"], jwtSecret: SECRET, jwtOperate: true },
      "HEXPUSH_JWT_OPERATE with HEXPUSH_API_KEYS",
    ],
    [
      { apiKeys: [{ key: "k", channels: ["a"], scopes: ["operate"] }] },
      "HEXPUSH_API_KEYS: key 1: the scope",
    ],
    [{ jwtAudience: ["a"] }, '"jwtAudience" is set without'],
    [{ authSecret: "s" }, "HEXPUSH_AUTH_SECRET is set without"],
    [{ apiKeysFile: "/no/such/file" }, "HEXPUSH_API_KEYS_FILE: cannot read"],
    [{ jwtPublicKeyFile: "/no/such/file" }, "HEXPUSH_JWT_PUBLIC_KEY_FILE: cannot read"],
    [
      { channels: [{ pattern: "a", join: "everyone" as "anyone" }] },
      "channels is wrong at [0].join",
    ],
  ])("refuse the start with %j", (options, message) => {
    expect(() => createHexpush(options)).toThrow(message);
  });

  it("are no way around the check for an open push endpoint", () => {
    expect(() => createHexpush({ host: "0.0.0.0", jwtSecret: SECRET })).not.toThrow();
    expect(() => createHexpush({ host: "0.0.0.0", authUrl: "http://127.0.0.1:9/" })).not.toThrow();
    expect(() => createHexpush({ host: "0.0.0.0" })).toThrow("refusing to listen");
  });
});
