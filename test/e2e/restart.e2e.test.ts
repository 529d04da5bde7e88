import { connect, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { within } from "../support/inbox.js";
import { nodeClient } from "../support/phoenix-client.js";
import { Publisher } from "../support/publisher.js";
import {
  type ServerOptions,
  startFailure,
  startServer,
  type TestServer,
} from "../support/server.js";
import { describeRestart } from "./restart-rules.js";

describeRestart(() => nodeClient, ["SIGTERM", "SIGINT"]);

async function start(options: ServerOptions = {}): Promise<TestServer> {
  const server = await startServer(options);
  onTestFinished(() => server.kill());
  return server;
}

describe.each(["SIGTERM", "SIGINT"] as const)("a server that gets %s", (signal) => {
  it("answers a request in flight and takes no new connection", async () => {
    const patient = { env: { HEXPUSH_DRAIN_TIMEOUT: "3600" } };
    const [server, twin] = await Promise.all([start(patient), start(patient)]);
    const idle = newPublisher(server);
    expect((await idle.get("/health/ready")).status).toBe(200);
    const upload = await SlowUpload.begin(server.port, { channel: "c", event: "e", data: "slow" });
    // The server reads its connections in the order in which their bytes came: once this one is
    // answered, the upload has begun there.
    expect((await newPublisher(server).get("/health/live")).status).toBe(200);

    server.signal(signal);
    await server.logs.next(({ msg }) => msg === "draining");
    const ready = await idle.get("/health/ready");
    expect(ready.status).toBe(503);
    expect(ready.headers.connection).toBe("close");
    await expect(connection(server.port)).rejects.toMatchObject({ code: "ECONNREFUSED" });

    // A server with nothing in flight has ended by now, though it was told later: this one waits.
    expect(await twin.stop(signal)).toBe(0);

    const answer = await upload.finish();
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer).toMatch(/\r\nconnection: close\r\n/i);
    expect(answer).toMatch(/\r\n\r\n\{"channel":\["c"\],"data":"slow","event":"e"\}$/);
    expect(await server.exited()).toEqual({ code: 0, signal: null, stderr: "" });
  });
});

describe("a server that stops", () => {
  it("waits no longer than the drain timeout for a request that never ends", async () => {
    const server = await start({ env: { HEXPUSH_DRAIN_TIMEOUT: "0.3" } });
    const upload = await SlowUpload.begin(server.port, { channel: "c", event: "e", data: "never" });
    expect((await newPublisher(server).get("/health/live")).status).toBe(200);

    expect(await server.stop()).toBe(0);
    expect(await upload.closed()).toBe("");
  });

  it("does not wait where nothing is open", async () => {
    const server = await start({ env: { HEXPUSH_DRAIN_TIMEOUT: "3600" } });
    const idle = newPublisher(server);
    await idle.get("/health/live");

    expect(await server.stop()).toBe(0);
  });

  it("ends at once, and not well, at a second one", async () => {
    const server = await start();
    await SlowUpload.begin(server.port, { channel: "c", event: "e", data: "never" });
    expect((await newPublisher(server).get("/health/live")).status).toBe(200);

    server.signal("SIGTERM");
    await server.logs.next(({ msg }) => msg === "draining");

    expect(await server.stop("SIGINT")).toBe(1);
  });
});

describe("a server that cannot start", () => {
  it("says in one line that its port is in use", async () => {
    const { port } = await start();

    expect(await startFailure({ port })).toEqual({
      code: 1,
      signal: null,
      stderr: `hexpush: cannot listen on 127.0.0.1 port ${port}: the port is in use\n`,
    });
  });

  it.each([
    ["HEXPUSH_PORT", { HEXPUSH_PORT: "http" }],
    ["HEXPUSH_API_KEY", { HEXPUSH_API_KEY: "misspelt" }],
    ["HEXPUSH_API_KEYS", { HEXPUSH_HOST: "0.0.0.0" }],
  ])("names %s in one line", async (name, env) => {
    const { code, stderr } = await startFailure({ env });

    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`^hexpush: .*\\b${name}\\b.*\\n$`));
  });
});

function newPublisher(server: TestServer): Publisher {
  const publisher = new Publisher(server.url);
  onTestFinished(() => publisher.close());
  return publisher;
}

async function connection(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  onTestFinished(() => void socket.destroy());
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return socket;
}

/** A push whose body comes in two halves. */
class SlowUpload {
  readonly #socket: Socket;
  readonly #rest: string;
  readonly #answer: Promise<string>;

  private constructor(socket: Socket, rest: string) {
    this.#socket = socket;
    this.#rest = rest;
    this.#answer = new Promise((resolve) => {
      let text = "";
      socket.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(text));
    });
  }

  static async begin(port: number, push: object): Promise<SlowUpload> {
    const body = JSON.stringify(push);
    const head = `POST /api/push HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
    const socket = await connection(port);
    const half = body.length / 2;
    await new Promise((sent) => socket.write(head + body.slice(0, half), sent));
    return new SlowUpload(socket, body.slice(half));
  }

  /** Sends the other half; resolves with the whole answer once the server has closed. */
  finish(): Promise<string> {
    this.#socket.write(this.#rest);
    return this.closed();
  }

  /** Everything that the server had sent when it closed the connection. */
  closed(): Promise<string> {
    return within(this.#answer, "the end of the upload's connection");
  }
}
