import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { startServer, type TestServer } from "../support/server.js";
import { hexpush, httpServer, start } from "./program.js";

const KEY = "very-secret-key";

async function serverWith(env: Record<string, string> = {}): Promise<TestServer> {
  const server = await startServer({ env });
  onTestFinished(() => server.kill());
  return server;
}

async function stats({ url }: TestServer) {
  return (await (await fetch(`${url}/api/stats`)).json()) as {
    pushes: number;
    deliveries: number;
    sockets: number;
  };
}

/** Until the warm-up of 200 pushes and some more are through. */
async function loaded(server: TestServer): Promise<void> {
  while ((await stats(server)).pushes < 220);
}

describe("hexpush bench", () => {
  it("pushes, counts what arrives, and prints a table", async () => {
    const server = await serverWith();
    const args = ["bench", server.url, "--subscribers", "20", "--channels", "4"];
    const { code, stdout, stderr } = await hexpush([...args, "--pushes", "300"]);
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^lost 0, doubled 0, out of order 0$/m),
    ]);
    expect(stdout).toMatch(/^connects and joins +[\d,]+ +20 +\d+\.\d\d$/m);
    expect(stdout).toMatch(/^pushes +[\d,]+ +300 +\d+\.\d\d$/m);
    expect(stdout).toMatch(/^deliveries +[\d,]+ +1,500 +\d+\.\d\d$/m);
    expect(stdout).toMatch(/^push to client( +\d+\.\d\d){4}$/m);
    expect(stdout).toMatch(/^push to answer( +\d+\.\d\d){4}$/m);
    expect(stdout).toMatch(/^this program: \d+ % of a CPU, busy for \d+ % of the time$/m);
    expect(stderr).toMatch(
      new RegExp(
        `^opens 20 sockets at ${server.url}, joins them to 4 channels, and makes at most 300 pushes in at most 10 s, `,
      ),
    );
    // With the warm-up: 30 pushes to 5 subscribers each.
    expect(await stats(server)).toMatchObject({ pushes: 330, deliveries: 1650 });
  });

  it("prints one JSON object with --json, and keeps the rate", async () => {
    const { url } = await serverWith();
    const args = ["--subscribers", "5", "--pushes", "50", "--rate", "200", "--in-flight", "1"];
    const { code, stdout } = await hexpush(["bench", url, ...args, "--json"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\{[^\n]+\}\n$/);
    const number = expect.any(Number);
    const latencies = { p50: number, p95: number, p99: number, max: number };
    const result = JSON.parse(stdout) as { pushes: { seconds: number } };
    expect(result).toMatchObject({
      plan: { url, subscribers: 5, channels: 1, pushes: 50, rate: 200, in_flight: 1 },
      connects: { count: 5, per_second: number },
      pushes: { count: 50, per_second: number },
      deliveries: { count: 250, per_second: number },
      latency_ms: latencies,
      answer_ms: latencies,
      lost: 0,
      doubled: 0,
      out_of_order: 0,
      generator: { cpu: number, busy: number },
      interrupted: false,
      faults: [],
    });
    expect(result.pushes.seconds).toBeGreaterThan(0.24);
  });

  it("names --key where a push is refused, and shows no key", async () => {
    const { url } = await serverWith({ HEXPUSH_API_KEYS: KEY });
    const args = ["bench", url, "--subscribers", "2", "--pushes", "20"];
    const { code, stdout, stderr } = await hexpush([...args, "--key", "another-secret"]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(
      /hexpush: refused with 403: Access Forbidden; a push to bench:\w+ needs an API key of the server: --key or HEXPUSH_KEY\n$/,
    );
    const env = { HEXPUSH_KEY: KEY };
    const good = await hexpush(args, { env });
    expect(good.code).toBe(0);
    for (const text of [stderr, good.stdout, good.stderr]) expect(text).not.toMatch(/secret/);
  });

  it("names --token where a socket is refused, and connects with it", async () => {
    const env = { HEXPUSH_JWT_SECRET: "for-this-test-only-0123456789abcdef" };
    const { url } = await serverWith({ ...env, HEXPUSH_API_KEYS: KEY });
    const args = ["bench", url, "--subscribers", "2", "--pushes", "20", "--key", KEY];
    const { code, stdout, stderr } = await hexpush(args);
    expect([code, stdout]).toEqual([1, expect.stringContaining("lost 0")]);
    expect(stderr).toMatch(
      /hexpush: 0 of 2 sockets joined: cannot connect: refused with 403[^\n]*; if the server requires a token, set --token or HEXPUSH_TOKEN\n$/,
    );
    const token = await hexpush(["token", "--sub", "ann", "--channels", "bench:*"], { env });
    const good = await hexpush([...args, "--token", token.stdout.trim()]);
    expect([good.code, good.stdout]).toEqual([0, expect.stringMatching(/^deliveries.* 40 /m)]);
  });

  it("ends with 1 where the server stops in the middle", async () => {
    const server = await serverWith();
    const run = start(["bench", server.url, "--subscribers", "10", "--seconds", "300"]);
    await loaded(server);
    await server.kill();
    expect(await run.exited()).toBe(1);
    const last = run.notices.items.at(-1);
    expect(last).toMatch(/^hexpush: a (socket was closed|push failed): /);
    expect(run.lines.items.join("\n")).toMatch(/^pushes +[1-9]/m);
  });

  it("stops at SIGINT, and prints what was measured so far", async () => {
    const server = await serverWith();
    const args = ["--subscribers", "10", "--rate", "100", "--pushes", "100000", "--json"];
    const run = start(["bench", server.url, ...args, "--seconds", "300"]);
    await loaded(server);
    run.signal("SIGINT");
    expect(await run.exited()).toBe(0);
    const result = JSON.parse(await run.lines.next()) as { pushes: { count: number } };
    expect(result).toMatchObject({ interrupted: true, lost: 0, faults: [] });
    expect(result.pushes.count).toBeGreaterThanOrEqual(20);
    expect(result).toMatchObject({ deliveries: { count: 10 * result.pushes.count } });
    expect((await stats(server)).sockets).toBe(0);
  });

  it("says beforehand where the open-file limit is too low", async () => {
    let requests = 0;
    const url = await httpServer((_, response) => {
      requests++;
      response.end("{}");
    });
    const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
    const script = `ulimit -n 300; exec "${process.execPath}" "${main}" bench ${url} --subscribers 400`;
    const [code, stderr] = await new Promise<[unknown, string]>((resolve) => {
      execFile("bash", ["-c", script], { timeout: 55_000 }, (error, _stdout, text) => {
        resolve([error?.code, text]);
      });
    });
    expect([code, requests]).toEqual([1, 0]);
    expect(stderr).toMatch(/hexpush: this process may open 300 files, .*ulimit -n 456/);
  });

  it.each<[string, string[], string]>([
    ["no URL", [], "the URL of a server is needed"],
    ["no address", ["example.com"], "URL must"],
    ["a password", ["http://me:my-password@127.0.0.1"], "URL must not contain a user"],
    ["two URLs", ["http://127.0.0.1", "http://127.0.0.2"], "one URL"],
    ["an unknown option", ["http://127.0.0.1", "--url", "x"], "--url"],
    ["too many sockets", ["http://127.0.0.1", "--subscribers", "25001"], "from 1 to 25000"],
    ["too many channels", ["http://127.0.0.1", "--channels", "101"], "--channels must not"],
    ["no pushes", ["http://127.0.0.1", "--pushes", "0"], "from 1 to 1000000"],
    ["too long", ["http://127.0.0.1", "--seconds", "301"], "at most 300"],
    ["too fast", ["http://127.0.0.1", "--rate", "10001"], "from 1 to 10000"],
    ["too many in flight", ["http://127.0.0.1", "--in-flight", "65"], "from 1 to 64"],
    ["too little data", ["http://127.0.0.1", "--data-bytes", "22"], "from 23 to 16384"],
    ["no parameter", ["http://127.0.0.1", "--param", "my-password"], "NAME=VALUE"],
    ["a key for no header", ["http://127.0.0.1", "--key", "my-password\n"], "--key must be"],
  ])("is a usage error with %s", async (_, args, reason) => {
    const { code, stdout, stderr } = await hexpush(["bench", ...args]);
    expect([code, stdout, stderr]).toEqual([2, "", expect.stringContaining(reason)]);
    expect(stderr).toContain("usage: hexpush bench");
    expect(stderr).not.toContain("my-password");
  });

  // Nothing that can be reached, should the check be broken.
  it.each(["http://0.0.0.0:1", "https://127.0.0.1.invalid", "http://[::ffff:7f00:1]:1"])(
    "does not load %s without --yes, and says what it would do",
    async (url) => {
      const { code, stdout, stderr } = await hexpush(["bench", url]);
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toContain(
        `is not this machine, and this command opens 100 sockets at ${url}, joins them to 1 ` +
          "channel, and makes at most 10,000 pushes in at most 10 s, as fast as the server accepts them, " +
          "16 in flight: use --yes if it is your own server\n",
      );
    },
  );

  it("loads what is not this machine's name for itself with --yes", async () => {
    const { port } = await serverWith();
    const args = ["bench", `http://0.0.0.0:${port}`, "--subscribers", "2", "--pushes", "10"];
    expect((await hexpush(args)).code).toBe(2);
    expect((await hexpush([...args, "--yes"])).code).toBe(0);
  });

  it("sends --param with the connect", async () => {
    const seen: (string | undefined)[] = [];
    const url = await httpServer(({ url: path, headers }, response) => {
      if (headers.upgrade !== undefined) {
        seen.push(path);
        response.statusCode = 403;
      }
      response.end("{}");
    });
    const params = ["--param", "room=a b", "--param", "k=x=y"];
    const { code, stderr } = await hexpush(["bench", url, "--subscribers", "1", ...params]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("0 of 1 sockets joined: cannot")]);
    expect(seen).toEqual(["/push_socket/websocket?vsn=2.0.0&room=a+b&k=x%3Dy"]);
  });
});
