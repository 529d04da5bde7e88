import { generateKeyPairSync } from "node:crypto";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { JwksTimes } from "../../../../src/adapters/auth/jwt/remote-keys.js";
import { JwksServer } from "./jwks-server.js";
import { connect, jwk, makeToken, PAIRS, SECRET, type Watched, watched } from "./jwt-tokens.js";

const first = PAIRS.ed25519;
const second = generateKeyPairSync("ed25519");

const signed = (pair: typeof first, kid: string) =>
  makeToken({ sub: "ann" }, { alg: "EdDSA", key: pair.privateKey, header: { kid } });
const FIRST = signed(first, "1");
const SECOND = signed(second, "2");

let server: JwksServer;
let start: number;

beforeEach(async () => {
  server = await JwksServer.start();
  server.serve(jwk(first.publicKey, { kid: "1" }));
  // Only the clock that is read stands still; timers run, since the network is real.
  vi.useFakeTimers({ toFake: ["Date"] });
  start = Date.now();
});

afterEach(async () => {
  vi.useRealTimers();
  await server.stop();
});

function timeIs(ms: number): void {
  vi.setSystemTime(start + ms);
}

/** `vi.waitFor` would move the clock. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setImmediate(resolve));
}

function remote(jwksTimes: Partial<JwksTimes> = {}): Watched {
  return watched({ jwksUrl: server.url, jwksTimes });
}

const accepts = async ({ policy }: Watched, token: string) =>
  (await connect(policy, token)) !== undefined;

function messages({ faults }: Watched): string[] {
  return faults.map((fault) => (fault as Error).message);
}

describe("keys of a JWKS server", () => {
  it("are fetched once, when they are first needed", async () => {
    const watch = remote();
    expect(server.requests).toEqual([]);
    const tokens = [FIRST, FIRST, FIRST];
    expect(await Promise.all(tokens.map((token) => accepts(watch, token)))).toEqual([
      true,
      true,
      true,
    ]);
    expect(await accepts(watch, FIRST)).toBe(true);
    expect(server.requests).toEqual(["/jwks.json"]);
  });

  it("are not asked for by a token of no form or of another algorithm", async () => {
    const watch = remote();
    expect(await accepts(watch, "a.b.c")).toBe(false);
    expect(await accepts(watch, makeToken({}, { key: SECRET, header: { kid: "1" } }))).toBe(false);
    expect(server.requests).toEqual([]);
  });

  it("are fetched again for a key that is unknown, at most every 30 s", async () => {
    const watch = remote();
    expect(await accepts(watch, FIRST)).toBe(true);
    server.serve(jwk(second.publicKey, { kid: "2" }));
    timeIs(29_999);
    expect(await accepts(watch, SECOND)).toBe(false);
    expect(server.requests).toHaveLength(1);
    timeIs(30_000);
    expect(await accepts(watch, SECOND)).toBe(true);
    expect(server.requests).toHaveLength(2);
    // The key that was taken out of the set is gone.
    expect(await accepts(watch, FIRST)).toBe(false);
    expect(watch.faults).toEqual([]);
  });

  it("are not fetched at will by strangers", async () => {
    const watch = remote();
    const strangers = Array.from({ length: 20 }, (_, at) => signed(second, `stranger-${at}`));
    for (const token of strangers) expect(await accepts(watch, token)).toBe(false);
    expect(server.requests).toHaveLength(1);
  });

  it("are fetched again in the background after 5 minutes, while those at hand work", async () => {
    const watch = remote();
    expect(await accepts(watch, FIRST)).toBe(true);
    let answer = () => {};
    server.answer = (_request, response) => {
      answer = () => response.end(JSON.stringify({ keys: [jwk(second.publicKey, { kid: "2" })] }));
    };
    timeIs(300_000);
    expect(await accepts(watch, FIRST)).toBe(true);
    await until(() => server.requests.length === 2);
    answer();
    await until(async () => !(await accepts(watch, FIRST)));
    expect(await accepts(watch, SECOND)).toBe(true);
    expect(server.requests).toHaveLength(2);
  });

  it("work for an hour while the server is down, and come back with it", async () => {
    const watch = remote();
    expect(await accepts(watch, FIRST)).toBe(true);
    server.answer = (_request, response) => response.writeHead(503).end();
    timeIs(3_599_999);
    expect(await accepts(watch, FIRST)).toBe(true);
    await until(() => watch.faults.length === 1);
    expect(await accepts(watch, SECOND)).toBe(false);
    timeIs(3_600_000);
    expect(await accepts(watch, FIRST)).toBe(false);
    expect(watch.refusals.at(-1)).toBe("the keys are not available");
    server.serve(jwk(first.publicKey, { kid: "1" }));
    timeIs(3_605_000);
    expect(await accepts(watch, FIRST)).toBe(true);
  });

  it("that can't be had deny every token, with one fault for each fetch", async () => {
    const watch = remote();
    await server.stop();
    const tries = await Promise.all([accepts(watch, FIRST), accepts(watch, SECOND)]);
    expect([...tries, await accepts(watch, FIRST)]).toEqual([false, false, false]);
    expect(messages(watch)).toEqual(["the JWKS server cannot be reached (ECONNREFUSED)"]);
    expect(new Set(watch.refusals)).toEqual(new Set(["the keys are not available"]));
    timeIs(4999);
    expect(await accepts(watch, FIRST)).toBe(false);
    expect(watch.faults).toHaveLength(1);
    timeIs(5000);
    expect(await accepts(watch, FIRST)).toBe(false);
    expect(watch.faults).toHaveLength(2);
    server = await JwksServer.start();
  });

  it("are not waited for longer than the time limit, before or within an answer", async () => {
    const stuck = [
      () => {},
      (response: { write(text: string): unknown }) => response.write('{"keys":['),
    ];
    for (const begin of stuck) {
      server.answer = (_request, response) => void begin(response);
      const watch = remote({ timeoutMs: 100 });
      expect(await accepts(watch, FIRST)).toBe(false);
      expect(messages(watch)).toEqual(["the JWKS server did not answer in time"]);
    }
  });

  it("are not taken from where the server redirects to", async () => {
    const elsewhere = await JwksServer.start();
    elsewhere.serve(jwk(first.publicKey, { kid: "1" }));
    for (const status of [301, 302, 307, 308]) {
      server.answer = (_request, response) =>
        response.writeHead(status, { location: elsewhere.url }).end();
      const watch = remote();
      expect(await accepts(watch, FIRST)).toBe(false);
      expect(messages(watch)).toEqual([`the JWKS server answered with status ${status}`]);
    }
    expect(elsewhere.requests).toEqual([]);
    await elsewhere.stop();
  });

  const keys = [jwk(first.publicKey, { kid: "1" })];
  const padded = (bytes: number) => JSON.stringify({ keys }).padEnd(bytes, " ");
  it.each([
    ["not JSON", "{", "is not JSON"],
    ["empty", "", "is not JSON"],
    ["null", "null", "is no JWK set"],
    ["a list", JSON.stringify(keys), "is no JWK set"],
    ["of keys that are no list", '{"keys":{"0":{}}}', "is no JWK set"],
    ["of 101 keys", JSON.stringify({ keys: Array(101).fill(keys[0]) }), "more than 100 keys"],
    ["larger than 1 MiB", padded(1_048_577), "larger than 1048576 bytes"],
  ])("are refused in an answer that is %s", async (_what, body, message) => {
    server.answer = (_request, response) => response.end(body);
    const watch = remote();
    expect(await accepts(watch, FIRST)).toBe(false);
    expect(messages(watch)).toEqual([expect.stringContaining(message)]);
  });

  it("are taken from an answer of just 1 MiB", async () => {
    server.answer = (_request, response) => response.end(padded(1_048_576));
    expect(await accepts(remote(), FIRST)).toBe(true);
  });

  it("are refused in an answer that is small as it is sent, and huge", async () => {
    const bomb = gzipSync(padded(5_000_000));
    expect(bomb.length).toBeLessThan(10_000);
    server.answer = (_request, response) =>
      response.writeHead(200, { "content-encoding": "gzip" }).end(bomb);
    const watch = remote();
    expect(await accepts(watch, FIRST)).toBe(false);
    expect(messages(watch)).toEqual([expect.stringContaining("larger than")]);
  });

  it("are not read to the end of an answer that never ends", async () => {
    const closed = new Promise<void>((resolve) => {
      server.answer = (_request, response) => {
        response.on("close", resolve);
        const more = () => {
          while (!response.destroyed && response.write(" ".repeat(65_536)));
        };
        response.on("drain", more);
        more();
      };
    });
    expect(await accepts(remote(), FIRST)).toBe(false);
    await closed;
  });

  it("are public ones: a set's secrets and its keys for other uses are left out", async () => {
    server.serve(
      { kty: "oct", k: Buffer.from(SECRET).toString("base64url"), kid: "s" },
      jwk(second.privateKey, { kid: "2" }),
      jwk(PAIRS.rsa.publicKey, { kid: "e", use: "enc" }),
      { kty: "EC", crv: "P-256", x: "?", y: "?", kid: "b" },
      ...keys,
    );
    const watch = remote();
    expect(await accepts(watch, FIRST)).toBe(true);
    expect(await accepts(watch, SECOND)).toBe(false);
    expect(await accepts(watch, makeToken({}, { header: { kid: "s" } }))).toBe(false);
    expect(watch.faults).toEqual([]);
  });
});
