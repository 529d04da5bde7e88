import type { IncomingMessage } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withoutIds } from "../support/message-ids.js";
import { RawClient } from "../support/raw-client.js";
import { startServer, type TestServer } from "../support/server.js";
import { hexpush, httpServer } from "./program.js";

const KEY = "very-secret-key";
const EXACT = '{"id":12345678901234567890,"sum":1.10,"__proto__":null}';

let server: TestServer;
let listener: RawClient;
let env: Record<string, string>;

beforeAll(async () => {
  server = await startServer({ env: { HEXPUSH_API_KEYS: KEY } });
  listener = await RawClient.connect(server.wsUrl, "2.0.0");
  await listener.join("news", "-1", "sport, and more");
  env = { HEXPUSH_URL: server.url, HEXPUSH_KEY: KEY };
});

afterAll(async () => {
  listener.close();
  await server.kill();
});

async function delivered(): Promise<string> {
  return withoutIds((await listener.frames.next()).text);
}

const msg = (channel: string, data: string, event = "note") =>
  `[null,null,${JSON.stringify(channel)},"msg",{"data":${data},"event":${JSON.stringify(event)},"id":"…"}]`;

describe("hexpush push", () => {
  it("delivers DATA with every digit, and says so in one line", async () => {
    const { code, stdout, stderr } = await hexpush(["push", "news", "note", EXACT], { env });
    expect([code, stdout, stderr]).toEqual([
      0,
      expect.stringMatching(/^pushed note to news \([\w-]{20}\)\n$/),
      "",
    ]);
    expect(await delivered()).toBe(msg("news", EXACT));
  });

  it("prints the server's answer with --json, as it came", async () => {
    const args = ["push", "news", "note", ` ${EXACT} `, "--json"];
    const { code, stdout, stderr } = await hexpush(args, { env });
    const [answer, id] = stdout.split(',"push_id":');
    expect([code, answer, stderr]).toEqual([
      0,
      `{"channel":["news"],"data":${EXACT},"event":"note"`,
      "",
    ]);
    expect(id).toMatch(/^"[\w-]{20}"\}\n$/);
    expect(await delivered()).toBe(msg("news", EXACT));
  });

  it("takes further channels by --channel, also with a comma in the name", async () => {
    const more = ["--channel", "sport, and more", "--channel=-1"];
    const { stdout } = await hexpush(["push", "news", "note", "1", ...more], { env });
    expect(stdout).toMatch(/^pushed note to news, sport, and more, -1 \([\w-]{20}\)\n$/);
    expect(await delivered()).toBe(msg("news", "1"));
    expect(await delivered()).toBe(msg("sport, and more", "1"));
    expect(await delivered()).toBe(msg("-1", "1"));
  });

  it("takes what begins with a minus sign behind --", async () => {
    expect((await hexpush(["push", "--", "-1", "note", "-2"], { env })).code).toBe(0);
    expect(await delivered()).toBe(msg("-1", "-2"));
  });

  it.each<[string[], string, string]>([
    [["--text", "1 < 2"], "", '"1 < 2"'],
    [["-"], `\n${EXACT}\n`, EXACT],
    [["--text", "-"], "é\n", '"é\\n"'],
  ])("takes DATA from %j and the input %j", async (data, input, expected) => {
    const run = await hexpush(["push", "news", "note", ...data], { env, input });
    expect(run).toMatchObject({ code: 0 });
    expect(await delivered()).toBe(msg("news", expected));
  });

  it.each<[string, string[], string]>([
    ["DATA that is not JSON", ["news", "note", "my-password"], "quote it for the shell"],
    ["DATA that the shell took apart", ["news", "note", "{a:", "1}"], "quote DATA for the shell"],
    ["no DATA", ["news", "note"], "CHANNEL, EVENT and DATA are needed"],
    ["an unknown option", ["news", "note", "1", "--dry"], "--dry"],
    ["no number of seconds", ["news", "note", "1", "--timeout", "soon"], "--timeout must be"],
    ["no address", ["news", "note", "1", "--url", "example.com"], "--url must"],
    [
      "an address with a password",
      ["news", "note", "1", "--url", "http://me:my-password@127.0.0.1"],
      "--url must not contain a user",
    ],
    ["a key for no header", ["news", "note", "1", "--key", "my-password\n"], "--key must be"],
  ])("is a usage error with %s, which shows neither data nor secret", async (_, args, reason) => {
    const { code, stdout, stderr } = await hexpush(["push", ...args]);
    expect([code, stdout, stderr]).toEqual([2, "", expect.stringContaining(reason)]);
    expect(stderr).toContain("usage: hexpush push");
    expect(stderr).not.toContain("my-password");
  });

  it.each(["HEXPUSH_URL", "HEXPUSH_KEY"])("does not take an empty %s for none", async (name) => {
    const run = await hexpush(["push", "news", "note", "1"], { env: { ...env, [name]: "" } });
    expect([run.code, run.stderr]).toEqual([2, expect.stringContaining(`${name} is empty`)]);
  });

  it("exits with 2 where standard input is not UTF-8", async () => {
    const input = Buffer.from([0x22, 0xff, 0x22]);
    const { code, stderr } = await hexpush(["push", "news", "note", "-"], { env, input });
    expect([code, stderr]).toEqual([2, expect.stringContaining("not UTF-8")]);
  });

  it("exits with 1 where it is refused, says why, and shows no key", async () => {
    const args = ["push", "news", "note", "1", "--key", "another-secret"];
    const { code, stdout, stderr } = await hexpush(args, { env });
    expect([code, stdout, stderr]).toEqual([
      1,
      "",
      "hexpush: refused with 403: Access Forbidden\n",
    ]);
  });

  it("takes --key over the variable", async () => {
    const args = ["push", "nobody", "note", "1", "--key", KEY];
    expect((await hexpush(args, { env: { ...env, HEXPUSH_KEY: "other" } })).code).toBe(0);
  });

  it("prints a refusal's answer too with --json", async () => {
    const { code, stdout, stderr } = await hexpush(["push", "", "note", "1", "--json"], { env });
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      error: expect.stringContaining("must not be empty"),
    });
    expect(stderr).toMatch(/^hexpush: refused with 422: [^\n]*must not be empty[^\n]*\n$/);
  });

  it("exits with 1 where nothing listens", async () => {
    const address = await httpServer(() => {});
    const gone = address.replace("127.0.0.1", "127.0.0.2");
    const { code, stderr } = await hexpush(["push", "news", "note", "1", "--url", gone]);
    expect([code, stderr]).toEqual([1, `hexpush: cannot push to ${gone}: connection refused\n`]);
  });

  it("exits with 1 after --timeout, and says that it does not know", async () => {
    const silent = await httpServer(() => {});
    const args = ["push", "news", "note", "1", "--url", silent, "--timeout", "0.2"];
    const { code, stderr } = await hexpush(args);
    expect([code, stderr]).toEqual([
      1,
      "hexpush: no answer for 0.2 s; the push may have been accepted\n",
    ]);
  });
});

// What a server of this version need not have yet.
describe("hexpush push at another server", () => {
  it("asks for a dry run and for an explanation, and sends an idempotency key", async () => {
    const seen: IncomingMessage[] = [];
    const url = await httpServer((request, response) => {
      seen.push(request);
      response.end("{}");
    });
    const options = ["--dry-run", "--explain", "--idempotency-key", "order-7"];
    const { code, stdout } = await hexpush([
      "push",
      "a",
      "e",
      "1",
      "--url",
      `${url}/b/`,
      ...options,
    ]);

    expect([code, stdout]).toEqual([0, "would push e to a\n"]);
    expect(seen[0]?.url).toBe("/b/api/push?dry_run=true&explain=1");
    expect(seen[0]?.headers["idempotency-key"]).toBe("order-7");
    expect(seen[0]?.headers.authorization).toBeUndefined();
  });

  it("shows the push's id and what the answer explains", async () => {
    const url = await httpServer((_, response) => {
      response.setHeader("x-push-id", "01J-7");
      response.end('{"channel":["a"],"data":1.10,"event":"e","explain":{"to\\u001b":2}}');
    });
    const args = ["push", "a", "e", "1.10", "--url", url];

    expect((await hexpush(args)).stdout).toBe(
      'pushed e to a (01J-7)\n{\n  "explain": {\n    "to\\u001b": 2\n  }\n}\n',
    );
    expect((await hexpush([...args, "--json"])).stdout).toBe(
      '{"channel":["a"],"data":1.10,"event":"e","explain":{"to\\u001b":2},"push_id":"01J-7"}\n',
    );
  });

  it("lets no control character of an answer through to the terminal", async () => {
    const url = await httpServer((_, response) => {
      response.statusCode = 429;
      response.setHeader("retry-after", "7");
      response.end(JSON.stringify({ error: "slow\u001b[2J\ndown\u009b" }));
    });
    const { code, stderr } = await hexpush(["push", "a", "e", "1", "--url", url]);
    expect([code, stderr]).toEqual([
      1,
      "hexpush: refused with 429: slow\\u001b[2J\\ndown\\u009b (try again after 7 s)\n",
    ]);
  });

  it("follows no redirect with the key", async () => {
    const paths: (string | undefined)[] = [];
    const url = await httpServer((request, response) => {
      paths.push(request.url);
      response.writeHead(307, { location: "/elsewhere" }).end();
    });
    const { code, stderr } = await hexpush(["push", "a", "e", "1", "--url", url, "--key", "k"]);
    expect([code, stderr, paths]).toEqual([1, "hexpush: refused with 307\n", ["/api/push"]]);
  });

  it("does not take any page for an accepted push", async () => {
    const url = await httpServer((_, response) => response.end("<h1>It works!</h1>"));
    const { code, stdout } = await hexpush(["push", "a", "e", "1", "--url", url, "--json"]);
    expect([code, stdout]).toEqual([1, ""]);
  });
});
