import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type AuthPolicy, createHexpush, type Hexpush, TOKENS } from "../../src/index.js";
import { withoutIds } from "../support/message-ids.js";
import { lastingPort } from "../support/server.js";
import { hexpush, type PhoenixFrame, reply, socketServer, start } from "./program.js";

const EXACT = '{"id":12345678901234567890,"sum":1.10,"e":"\\u00e9"}';

/** A token opens the door, and the channel `secret` is for nobody. */
const policy: AuthPolicy = {
  authorizePush: () => ({ allow: true }),
  authorizeConnect: ({ token, params }) => ({
    allow: token === "tick~et?" && params.token === undefined,
  }),
  authorizeJoin: ({ channel }) =>
    channel === "secret" ? { allow: false, reason: "not\u001b yours" } : { allow: true },
};

let server: Hexpush;
let url: string;
let env: Record<string, string>;

beforeAll(async () => {
  server = createHexpush({ port: 0, logLevel: "silent", policy });
  ({ url } = await server.start());
  env = { HEXPUSH_URL: url, HEXPUSH_TOKEN: "tick~et?" };
});

afterAll(() => server.stop(0));

/** `hexpush listen`, once it has joined all its channels. */
async function listening(channels: readonly string[], options: readonly string[] = []) {
  const program = start(["listen", ...options, "--", ...channels], { env });
  for (const channel of channels) expect(await program.notices.next()).toBe(`joined ${channel}`);
  return program;
}

/** Pushes data that is JSON text, as a caller does. */
async function push(channel: string, event: string, data: string): Promise<void> {
  const body = `{"channel":${JSON.stringify(channel)},"event":${JSON.stringify(event)},"data":${data}}`;
  const headers = { "content-type": "application/json" };
  const { status } = await fetch(`${url}/api/push`, { method: "POST", headers, body });
  expect(status).toBe(200);
}

describe("hexpush listen", () => {
  it("prints a line a message and ends with 0 after --count", async () => {
    const program = await listening(["news", "-1"], ["--count", "2"]);
    await push("news", "price", EXACT);
    await push("other", "price", "1");
    await push("-1", "b c", '"x"');
    await push("news", "price", '"too late"');

    expect(await program.exited()).toBe(0);
    expect(program.lines.items).toEqual([`news price ${EXACT}`, '-1 b c "x"']);
    expect(program.notices.items).toEqual([]);
  });

  it("prints a JSON object a message with --json, every digit of it", async () => {
    const program = await listening(["news"], ["--json", "--count=1"]);
    await push("news", 'a"b', EXACT);
    expect(withoutIds(await program.lines.next())).toBe(
      `{"channel":"news","event":"a\\"b","data":${EXACT},"id":"…"}`,
    );
    expect(await program.exited()).toBe(0);
  });

  it("lets no control character through to the terminal", async () => {
    const program = start(["listen", "a\u001bb", "--count", "1"], { env });
    expect(await program.notices.next()).toBe("joined a\\u001bb");
    await push("a\u001bb", "e\r\nx", '"\u009b\u007f\u202e\u2028"');
    expect(await program.lines.next()).toBe('a\\u001bb e\\r\\nx "\\u009b\\u007f\\u202e\\u2028"');
  });

  it.each(["SIGINT", "SIGTERM"] as const)("ends with 0 on %s", async (signal) => {
    const program = await listening(["news"]);
    program.signal(signal);
    expect(await program.exited()).toBe(0);
    expect(program.notices.items).toEqual([]);
  });

  it("ends with 1 when the time is over", async () => {
    const { code, stderr } = await hexpush(["listen", "news", "--timeout", "0.3", "--count", "5"], {
      env,
    });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/hexpush: timeout after 0.3 s: received 0 of 5 messages\n$/),
    ]);
  });

  it("ends with 1 where the policy refuses the connection, and shows no token", async () => {
    const run = await hexpush(["listen", "news", "--token", "looking-glass"], { env });
    expect(run).toEqual({
      code: 1,
      stdout: "",
      stderr: `hexpush: cannot connect to ${new URL(url).host}: refused with 403: Access Forbidden\n`,
    });
  });

  it("ends with 1 where a join is denied, and says why", async () => {
    const { code, stderr } = await hexpush(["listen", "news", "secret"], { env });
    expect([code, stderr]).toEqual([
      1,
      "joined news\nhexpush: cannot join secret: not\\u001b yours\n",
    ]);
  });

  it.each([[[]], [["news", "--count", "0"]], [["news", "--timeout", "1h"]]])(
    "is a usage error with %j",
    async (args) => {
      const { code, stderr } = await hexpush(["listen", ...args]);
      expect([code, stderr]).toEqual([2, expect.stringContaining("usage: hexpush listen")]);
    },
  );
});

describe("hexpush listen, when the connection ends", () => {
  it("gives up at once where it never was connected", async () => {
    const gone = `http://127.0.0.1:${await lastingPort()}`;
    const { code, stderr } = await hexpush(["listen", "news", "--url", gone]);
    expect([code, stderr]).toEqual([
      1,
      `hexpush: cannot connect to ${new URL(gone).host}: connection refused\n`,
    ]);
  });

  it("says so, comes back, joins again and counts on", async () => {
    const options = { port: await lastingPort(), logLevel: "silent" } as const;
    const first = createHexpush(options);
    const address = await first.start();
    const program = start(["listen", "news", "--count", "2", "--url", address.url]);
    await program.notices.next((line) => line === "joined news");
    await first.push("news", "e", 1);
    await first.stop(1);
    expect(await program.notices.next()).toMatch(
      /^connection lost \(closed with 1012\); connecting again in [01]\.\d s$/,
    );

    const second = createHexpush(options);
    await second.start();
    onTestFinished(() => second.stop(0));
    await program.notices.next((line) => line === "joined news");
    await second.push("news", "e", 2);

    expect(await program.exited()).toBe(0);
    expect(program.lines.items).toEqual(["news e 1", "news e 2"]);
  });

  it("stays away where the policy refuses it in the meantime", async () => {
    let connects = 0;
    const revoking = createHexpush({
      port: 0,
      logLevel: "silent",
      policy: {
        ...policy,
        authorizeConnect: () => ({ allow: ++connects === 1, identity: { socketId: "ann" } }),
      },
    });
    const address = await revoking.start();
    onTestFinished(() => revoking.stop(0));
    const program = start(["listen", "news", "--url", address.url]);
    await program.notices.next((line) => line === "joined news");
    revoking.container.get(TOKENS.subscriptions).closeSockets("ann");

    expect(await program.exited()).toBe(1);
    expect(program.notices.items.at(-1)).toBe(
      `hexpush: cannot connect to 127.0.0.1:${address.port}: refused with 403: Access Forbidden`,
    );
    expect(connects).toBe(2);
  });

  it.each([
    [1008, "the token has expired"],
    [1009, "frame too big"],
  ])("stays away after close code %i, and says the reason", async (code, reason) => {
    let connections = 0;
    const address = await socketServer((frame, socket, connection) => {
      connections = connection;
      reply(socket, frame);
      socket.close(code, reason);
    });
    const run = await hexpush(["listen", "news", "--url", address]);
    expect([run.code, run.stderr, connections]).toEqual([
      1,
      `joined news\nhexpush: closed with ${code}: ${reason}\n`,
      1,
    ]);
  });

  it("stays away from a channel that the server closes", async () => {
    const address = await socketServer((frame, socket) => {
      reply(socket, frame);
      socket.send(JSON.stringify([frame[0], frame[1], frame[2], "phx_close", {}]));
    });
    const run = await hexpush(["listen", "news", "--url", address]);
    expect([run.code, run.stderr]).toEqual([1, "joined news\nhexpush: the server closed news\n"]);
  });

  it("goes on from the newest id that it has seen, and says what was missed", async () => {
    const joins: PhoenixFrame[] = [];
    const address = await socketServer((frame, socket, connection) => {
      joins.push(frame);
      reply(socket, frame, connection === 1 ? {} : { id: "9-9", recovered: false });
      socket.send(`[null,null,"news","msg",{"data":1.0,"event":"e","id":"7-${connection}"}]`);
      if (connection === 1) socket.terminate();
    });
    const program = start(["listen", "news", "--json", "--count", "2", "--url", address]);

    expect(await program.exited()).toBe(0);
    expect(program.lines.items).toEqual([
      '{"channel":"news","event":"e","data":1.0,"id":"7-1"}',
      '{"channel":"news","event":"e","data":1.0,"id":"7-2"}',
    ]);
    expect(program.notices.items).toEqual([
      "joined news",
      expect.stringMatching(/^connection lost \(no close frame\)/),
      "joined news",
      "news: some messages were missed",
    ]);
    expect(joins.map(([, , , , payload]) => payload)).toEqual([{}, { last_event_id: "7-1" }]);
  });

  it("does not mind what no server of Phoenix Channels sends", async () => {
    const address = await socketServer((frame, socket) => {
      reply(socket, frame);
      socket.send('[null,null,"other","msg",{"data":1,"event":"e"}]');
      socket.send('[null,null,"news","msg",{"data":1}]');
      socket.send('[null,null,"news","presence_diff",{}]');
      socket.send(Buffer.from("binary"));
      socket.send("hello");
    });
    const run = await hexpush(["listen", "news", "--url", address]);
    expect(run).toEqual({
      code: 1,
      stdout: "",
      stderr: "joined news\nhexpush: the server sent an invalid Phoenix Channels frame\n",
    });
  });
});
