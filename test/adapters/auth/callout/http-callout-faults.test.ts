import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import type { HttpCalloutOptions } from "../../../../src/adapters/auth/callout/options.js";
import {
  connect,
  type Handler,
  join,
  policyFor,
  push,
  say,
  startApplication,
  startTalker,
} from "./application.js";

const YES = '{"allow":true}';
const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function application(handler: Handler) {
  const started = await startApplication(handler);
  stops.push(started.stop);
  return started;
}

async function talker(talk: (socket: Socket) => void) {
  const started = await startTalker(talk);
  stops.push(started.stop);
  return started;
}

/** Asks once, demands that the answer is no, and says what was reported. */
async function denied(url: string, options: Partial<HttpCalloutOptions> = {}): Promise<string[]> {
  const { policy, faults, messages } = policyFor(url, options);
  expect(await policy.authorizePush(push)).toEqual({ allow: false });
  expect(faults.every(({ question }) => question === "push")).toBe(true);
  return messages();
}

describe("an answer that cannot be used denies", () => {
  it.each<[string, Handler, string]>([
    ["HTML", say("<html>yes</html>", { "content-type": "text/html" }), "the answer is not JSON"],
    ["nothing", say(""), "the answer is not JSON"],
    ["broken JSON", say('{"allow":true'), "the answer is not JSON"],
    ["more behind it", say(`${YES}${YES}`), "the answer is not JSON"],
    ["a mark in front of it", say(`\ufeff${YES}`), "the answer is not JSON"],
    ["a JSON value", say("true"), "the answer is not a JSON object"],
    ["a list", say(`[${YES}]`), "the answer is not a JSON object"],
    ["no allow", say({}), 'the answer has no "allow"'],
    ["another name", say({ Allow: true }), 'the answer has no "allow"'],
    ["the text true", say({ allow: "true" }), 'the answer\'s "allow" must be true or false'],
    ["a number", say({ allow: 1 }), 'the answer\'s "allow" must be true or false'],
    ["null", say({ allow: null }), 'the answer\'s "allow" must be true or false'],
    ["no, then yes", say('{"allow":false,"allow":true}'), 'the answer\'s "allow" comes twice'],
    ["yes, then no", say('{"allow":true,"allow":false}'), 'the answer\'s "allow" comes twice'],
    ["in disguise", say('{"\\u0061llow":true,"allow":true}'), 'the answer\'s "allow" comes twice'],
    ["a channel twice", say('{"channel":"a","allow":true,"channel":"b"}'), '"channel" comes twice'],
    ["a wrong channel", say({ allow: true, channel: [1] }), '"channel" must be a string or an'],
    [
      "a channel that is null",
      say({ allow: true, channel: null }),
      '"channel" must be a string or',
    ],
    ["a wrong event", say({ allow: true, event: {} }), '"event" must be a string'],
    ["a wrong name", say({ allow: true, by: 5 }), '"by" must be a string'],
    ["a good status", say({ allow: false, status: 200 }), '"status" must be a whole number from'],
    [
      "bytes of no text",
      (_, r) => r.end(Buffer.from('{"allow":true,"by":"\xff"}', "latin1")),
      "UTF-8",
    ],
    ["status 201", say(YES, {}, 201), "status 201"],
    ["status 204", say("", {}, 204), "status 204"],
    ["status 404", say(YES, {}, 404), "status 404"],
    ["status 500", say(YES, {}, 500), "status 500"],
    ["a partial answer", say(YES, { "content-range": "bytes 0-13/14" }, 206), "status 206"],
    [
      "a compressed one",
      (_, r) => r.setHeader("content-encoding", "gzip").end(gzipSync(YES)),
      "coding",
    ],
    ["a coding in name only", say(YES, { "content-encoding": "br" }), "has a content-encoding"],
  ])("(%s)", async (_name, handler, message) => {
    const { url, asked } = await application(handler);
    const messages = await denied(url);
    expect(messages).toEqual([expect.stringContaining(message)]);
    expect(asked).toHaveLength(1);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ["socket_id", { socket_id: 5 }, "must be a string"],
    ["presence_id", { presence_id: null }, "must be a string"],
    ["expires_at", { expires_at: "2030-01-01" }, "must be a time in seconds"],
    ["expires_at", { expires_at: 1_900_000_000_000 }, "must be a time in seconds"],
    ["expires_at", { expires_at: null }, "must be a time in seconds"],
  ])("(a wrong %s %j at a connect)", async (name, members, words) => {
    const { url } = await application(say({ allow: true, ...members }));
    const { policy, messages } = policyFor(url);
    expect(await policy.authorizeConnect(connect)).toEqual({ allow: false });
    expect(messages()).toEqual([expect.stringContaining(`"${name}" ${words}`)]);
  });

  it("(a time beyond all numbers)", async () => {
    const { url } = await application(say('{"allow":true,"expires_at":1e400}'));
    expect((await policyFor(url).policy.authorizeConnect(connect)).allow).toBe(false);
  });

  it("(a wrong reason at a join)", async () => {
    const { url } = await application(say({ allow: true, reason: 1 }));
    expect((await policyFor(url).policy.authorizeJoin(join)).allow).toBe(false);
  });

  it.each([301, 302, 307, 308])("(a redirect %d, whose target is never asked)", async (status) => {
    const target = await application(say(YES));
    const { url } = await application(say(YES, { location: target.url }, status));
    expect(await denied(url)).toEqual([`status ${status}`]);
    expect(target.connections()).toBe(0);
  });

  it.each([
    ["a length that is too short", `HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n${YES}`],
    [
      "a length and chunks",
      `HTTP/1.1 200 OK\r\ncontent-length: 14\r\ntransfer-encoding: chunked\r\n\r\ne\r\n${YES}\r\n0\r\n\r\n`,
    ],
    ["two lengths", `HTTP/1.1 200 OK\r\ncontent-length: 14\r\ncontent-length: 15\r\n\r\n${YES}`],
    ["a transfer coding", `HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n${YES}`],
    ["no HTTP", `${YES}\r\n\r\n`],
    [
      "another protocol",
      "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    ],
    ["an endless head", `HTTP/1.1 200 OK\r\nx: ${"x".repeat(100_000)}`],
    ["an interim answer alone", `HTTP/1.1 103 Early Hints\r\n\r\n`],
  ])("(%s)", async (_name, bytes) => {
    const { url } = await talker((socket) => socket.end(bytes));
    const messages = await denied(url);
    expect(messages).toHaveLength(1);
    expect(messages[0]).not.toMatch(/broken policy|no answer/);
  });
});

describe("an answer that is too long", () => {
  it("is not read where its length is told", async () => {
    const { url } = await talker((socket) => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n{");
    });
    expect(await denied(url)).toEqual(["the answer is too long"]);
  });

  it("is read no further than to the limit where it is not told", async () => {
    // What the application can send is what the two ends of the connection buffer, and no more.
    let sent = (_bytes: number): void => {};
    const closed = new Promise<number>((resolve) => {
      sent = resolve;
    });
    const chunk = `${(65_536).toString(16)}\r\n${" ".repeat(65_536)}\r\n`;
    const { url } = await talker((socket) => {
      socket.on("close", () => sent(socket.bytesWritten - socket.writableLength));
      socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
      const more = () => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.on("drain", more);
      more();
    });
    expect(await denied(url, { answerBytesMax: 1000 })).toEqual(["the answer is too long"]);
    expect(await closed).toBeLessThan(32 * 2 ** 20);
  });

  it("is one byte longer than the limit", async () => {
    const { url } = await application(say(YES));
    const { policy } = policyFor(url, { answerBytesMax: YES.length });
    expect(await policy.authorizePush(push)).toEqual({ allow: true });
    expect(await denied(url, { answerBytesMax: YES.length - 1 })).toHaveLength(1);
  });

  it("is not blown up by decompression", async () => {
    const bomb = gzipSync(`${" ".repeat(10_000_000)}${YES}`);
    const { url } = await application((_asked, response) => {
      response.setHeader("content-encoding", "gzip").end(bomb);
    });
    expect(bomb.length).toBeLessThan(65_536);
    expect(await denied(url)).toEqual(["the answer has a content-encoding"]);
  });
});

describe("a question that does not get through", () => {
  it("is asked twice where nothing comes in time, and no longer than that", async () => {
    const { url, asked } = await application(() => {});
    const start = performance.now();
    expect(await denied(url, { timeoutMs: 250 })).toEqual(["no answer within 0.25 s"]);
    expect(asked).toHaveLength(2);
    expect(performance.now() - start).toBeGreaterThan(499);
  });

  it.each([
    ["behind the head", "HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n"],
    ["in the body", 'HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{"allow":true}'],
    [
      "in the chunks",
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\ne\r\n{"allow":true}\r\n',
    ],
  ])("is asked twice where an answer hangs %s, and leaves no connection", async (_where, bytes) => {
    const closed: Promise<unknown>[] = [];
    const { url, questions } = await talker((socket) => {
      closed.push(once(socket, "close"));
      socket.write(bytes);
    });
    expect(await denied(url, { timeoutMs: 200 })).toEqual(["no answer within 0.2 s"]);
    expect(questions()).toBe(2);
    await Promise.all(closed);
  });

  it("does not get more time by an answer that trickles", async () => {
    const { url } = await talker((socket) => {
      socket.write("HTTP/1.1 200 OK\r\n");
      const timer = setInterval(() => socket.write("x: y\r\n"), 10);
      socket.on("close", () => clearInterval(timer));
    });
    expect(await denied(url, { timeoutMs: 80 })).toEqual(["no answer within 0.08 s"]);
  });

  it("is asked twice where the connection breaks off in the middle of the answer", async () => {
    const { url, questions } = await talker((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n${YES}`, () => {
        socket.resetAndDestroy();
      });
    });
    expect(await denied(url)).toEqual(["the connection failed (ECONNRESET)"]);
    expect(questions()).toBe(2);
  });

  it("is asked twice where an answer is shorter than it says", async () => {
    const { url, questions } = await talker((socket) => {
      socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n${YES}`);
    });
    expect(await denied(url)).toEqual(["the connection failed (ECONNRESET)"]);
    expect(questions()).toBe(2);
  });

  it("is a fault where nobody listens", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const messages = await denied(`http://127.0.0.1:${port}/`);
    expect(messages).toEqual(["the connection failed (ECONNREFUSED)"]);
  });

  it.each([502, 503, 504])("is allowed by the second answer after a %d", async (status) => {
    const { url, asked } = await application((_asked, response) => {
      say(YES, {}, asked.length === 1 ? status : 200)(asked[0] as never, response);
    });
    const { policy, faults } = policyFor(url);
    expect(await policy.authorizePush(push)).toEqual({ allow: true });
    expect([asked.length, faults]).toEqual([2, []]);
    expect(asked[1]?.body).toBe(asked[0]?.body);
  });

  it.each([
    [502, 2],
    [500, 1],
    [429, 1],
  ])("gets a %d %d times and no more", async (status, times) => {
    const { url, asked } = await application(say("", {}, status));
    expect(await denied(url)).toEqual([`status ${status}`]);
    expect(asked).toHaveLength(times);
  });

  it("goes out again where the kept connection was closed meanwhile", async () => {
    // The application closes each connection as the second question on it arrives.
    let first = true;
    const { url, questions } = await talker((socket) => {
      if (first) socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n${YES}`);
      else if (questions() === 2) socket.resetAndDestroy();
      else socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n${YES}`);
      first = false;
    });
    const { policy, faults } = policyFor(url);
    expect(await policy.authorizePush(push)).toEqual({ allow: true });
    expect(await policy.authorizePush(push)).toEqual({ allow: true });
    expect([questions(), faults]).toEqual([3, []]);
  });
});

describe("over TLS", () => {
  const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

  it.skipIf(!hasOpenssl)("a certificate that nobody vouches for is a fault", async () => {
    const folder = mkdtempSync(joinPath(tmpdir(), "hexpush-tls-"));
    const [key, cert] = ["key.pem", "cert.pem"].map((name) => joinPath(folder, name));
    const args =
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=x -days 2".split(
        " ",
      );
    spawnSync("openssl", [...args, "-keyout", String(key), "-out", String(cert)]);
    const files = { key: readFileSync(String(key)), cert: readFileSync(String(cert)) };
    rmSync(folder, { recursive: true });
    let asked = 0;
    const server = createTlsServer(files, (_request, response) => {
      asked++;
      response.end(YES);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    stops.push(async () => void server.close());
    const { port } = server.address() as AddressInfo;
    expect(await denied(`https://127.0.0.1:${port}/`)).toEqual([
      "the connection failed (DEPTH_ZERO_SELF_SIGNED_CERT)",
    ]);
    expect(asked).toBe(0);
  });

  it("an application without TLS is a fault", async () => {
    const { url } = await application(say(YES));
    expect(await denied(url.replace("http:", "https:"))).toHaveLength(1);
  });
});

describe("what is reported", () => {
  it("holds no secret, no token, no address and no word of an answer", async () => {
    const canary = "s3cret";
    const bodies = [canary, `{"allow":"${canary}"}`, `{"allow":true,"by":["${canary}"]}`];
    const { url } = await application((asked, response) => {
      const at = Number(new URL(asked.url ?? "", "http://x").searchParams.get("at"));
      say(
        bodies[at] ?? "",
        { [`x-${canary}`]: canary },
        at < bodies.length ? 200 : 500,
      )(asked, response);
    });
    for (let at = 0; at <= bodies.length; at++) {
      const { policy, messages } = policyFor(`${url}?key=${canary}&at=${at}`, { secret: canary });
      await policy.authorizePush(push);
      await policy.authorizeConnect(connect);
      await policy.authorizeJoin({ ...join, identity: { claims: canary } });
      expect(messages()).not.toEqual([]);
      expect(messages().join()).not.toMatch(/s3cret|127\.0\.0\.1/);
    }
  });

  it("changes no decision where the report itself fails", async () => {
    const { url } = await application(say("", {}, 500));
    const { policy } = policyFor(url, {
      onFault: () => {
        throw new Error("log is full");
      },
    });
    expect(await policy.authorizePush(push)).toEqual({ allow: false });
  });
});
