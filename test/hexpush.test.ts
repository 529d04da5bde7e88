import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ContainerModule } from "inversify";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { andThen } from "../src/domain/maybe-promise.js";
import {
  type AuthPolicy,
  allowAll,
  type Broker,
  BrokerError,
  BrokerUnavailable,
  ConfigError,
  createHexpush,
  type Hexpush,
  type HexpushOptions,
  Json,
  ListenError,
  MemoryBroker,
  MemoryTransport,
  type Message,
  PushService,
  TOKENS,
  type Transport,
} from "../src/index.js";
import { RawClient } from "./support/raw-client.js";

const quiet = { port: 0, logger: pino({ level: "silent" }) } as const;
const started: Hexpush[] = [];

async function start(
  options: HexpushOptions = {},
): Promise<{ hexpush: Hexpush; url: string; wsUrl: string }> {
  const hexpush = createHexpush({ ...quiet, ...options });
  started.push(hexpush);
  const { url } = await hexpush.start();
  return { hexpush, url, wsUrl: `${url.replace("http", "ws")}/push_socket` };
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((hexpush) => hexpush.stop(0)));
});

function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${url}/api/push`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

const push = { channel: "a", event: "e", data: 1 };

/** A transport that takes everything down that it is handed. */
function recording(): { transport: Transport; got: Message[] } {
  const transport = new MemoryTransport();
  const got: Message[] = [];
  transport.connect({ onMessage: (message) => got.push(message) }).join("a");
  return { transport, got };
}

describe("createHexpush", () => {
  it("drains once, however often it is stopped", async () => {
    const lines: string[] = [];
    const logger = pino({}, { write: (line: string) => void lines.push(JSON.parse(line).msg) });
    const hexpush = createHexpush({ port: 0, logger });
    const { port } = await hexpush.start();
    const client = await RawClient.connect(`ws://127.0.0.1:${port}/push_socket`, "2.0.0");
    const stops = [hexpush.stop(1), hexpush.stop(1), hexpush.stop(0)];
    expect((await client.closed).code).toBe(1012);
    await Promise.all(stops);
    expect(lines.filter((line) => line === "draining" || line === "stopped")).toEqual([
      "draining",
      "stopped",
    ]);
  });

  it("starts and stops a server inside a program, and again", async () => {
    const { hexpush, url } = await start();
    expect((await post(url, push)).status).toBe(200);
    await hexpush.stop();
    await expect(post(url, push)).rejects.toThrow();
    const again = await hexpush.start();
    expect((await post(again.url, push)).status).toBe(200);
  });

  it("runs two servers in one program side by side", async () => {
    const [one, two] = [await start(), await start()];
    const client = await RawClient.connect(one.wsUrl, "2.0.0");
    await client.join("a");
    await post(two.url, { ...push, data: "of the other" });
    await post(one.url, { ...push, data: "of its own" });
    expect((await client.frames.next()).payload).toMatchObject({ data: "of its own", event: "e" });
  });

  it.each(["memory", "file"])(
    "answers 500 if a host's transport throws, and goes on (%s broker)",
    async (kind) => {
      const { transport, got } = recording();
      const broken: Transport = {
        ...transport,
        deliver() {
          throw new Error("broken transport");
        },
        subscribers: () => 0,
        counts: () => ({ sockets: 0, subscriptions: 0 }),
        closeSockets: () => 0,
      };
      const directory = mkdtempSync(join(tmpdir(), "hexpush-test-"));
      onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
      const broker = kind === "file" ? `file:${directory}` : "memory:";
      const { hexpush, url } = await start({ broker, transports: [broken, transport] });
      for (let n = 1; n <= 2; n++) {
        expect((await post(url, push)).status).toBe(500);
        // The other transports and the history have it all the same.
        expect(got).toHaveLength(n);
        expect((await hexpush.history("a")).messages).toHaveLength(n);
      }
      await hexpush.stop(0);
    },
  );

  it("asks a policy of the host's", async () => {
    const policy: AuthPolicy = {
      authorizePush: ({ headers }) =>
        headers["x-key"] === "mine"
          ? { allow: true }
          : { allow: false, answer: { status: 401, body: Json.of({ error: "who are you?" }) } },
      authorizeConnect: ({ params }) => ({ allow: params.user === "me" }),
      authorizeJoin: async ({ channel }) =>
        channel === "a" ? { allow: true } : { allow: false, reason: "not yours" },
    };
    const { url, wsUrl } = await start({ policy });
    const denied = await post(url, push);
    expect([denied.status, await denied.json()]).toEqual([401, { error: "who are you?" }]);
    await expect(RawClient.connect(wsUrl, "2.0.0")).rejects.toThrow("403");
    const client = await RawClient.connect(wsUrl, "2.0.0", { user: "me" });
    await expect(client.join("b")).rejects.toThrow("not yours");
    await client.join("a");
    expect((await post(url, push, { "x-key": "mine" })).status).toBe(200);
    expect((await client.frames.next()).payload).toMatchObject({ data: 1, event: "e" });
  });

  it("logs that a policy failed, and nothing that its error carries", async () => {
    const lines: string[] = [];
    const logger = pino({ level: "trace" }, { write: (line: string) => void lines.push(line) });
    const carrying = Object.assign(new Error("the user database is down"), {
      config: { headers: { authorization: "Bearer secret" } },
    });
    const fail = () => Promise.reject(carrying);
    const policy = { authorizePush: fail, authorizeConnect: fail, authorizeJoin: fail };
    const { url } = await start({ policy, logger });
    expect((await post(url, push)).status).toBe(403);
    expect(lines.join("")).toContain("the user database is down");
    expect(lines.join("")).not.toContain("secret");
  });

  it("delivers through a transport of the host's beside its own", async () => {
    const { transport, got } = recording();
    const { hexpush, url, wsUrl } = await start({ transports: [transport] });
    const client = await RawClient.connect(wsUrl, "2.0.0");
    await client.join("a");
    await post(url, push);
    await client.frames.next();
    expect(got).toEqual([{ channel: "a", event: "e", data: Json.of(1), id: expect.any(String) }]);
    expect(await hexpush.push(["a", "a", "b"], "e", { any: "value" })).toEqual({
      id: expect.stringMatching(/^[\w-]{20}$/),
      channels: ["a", "b"],
      deliveries: 2,
    });
    expect((await client.frames.next()).payload).toMatchObject({
      data: { any: "value" },
      event: "e",
    });
  });

  it("names what is wrong with a push of the host's", async () => {
    const hexpush = createHexpush(quiet);
    await expect(hexpush.push("", "e", 1)).rejects.toThrow("channel must not be empty");
    const cycle: unknown[] = [];
    cycle.push(cycle);
    for (const data of [undefined, () => {}, 1n, cycle]) {
      await expect(hexpush.push("a", "e", data)).rejects.toThrow(TypeError);
      await expect(hexpush.push("a", "e", data)).rejects.toThrow(/^data has no JSON form/);
    }
  });

  it("runs Koa middleware of the host's before its routes, in their order", async () => {
    const seen: string[] = [];
    const { url } = await start({
      middleware: [
        (ctx, next) => {
          seen.push(`first ${ctx.path}`);
          return next();
        },
        (ctx, next) => {
          seen.push("second");
          if (ctx.path !== "/hello") return next();
          ctx.body = { hello: "world" };
        },
      ],
    });
    expect(await (await fetch(`${url}/hello`)).json()).toEqual({ hello: "world" });
    expect((await post(url, push)).status).toBe(200);
    expect(seen).toEqual(["first /hello", "second", "first /api/push", "second"]);
  });

  it("serves its HTTP API on node:http as well", async () => {
    const { transport, got } = recording();
    const server = createServer(createHexpush({ ...quiet, transports: [transport] }).callback());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const response = await post(`http://127.0.0.1:${port}`, push);
    expect(await response.text()).toBe('{"channel":["a"],"data":1,"event":"e"}');
    expect(got).toHaveLength(1);
    await new Promise((resolve) => server.close(resolve));
  });

  it("resolves every token, the first time it is asked", () => {
    for (const [name, token] of Object.entries(TOKENS)) {
      if (name === "middleware" || name === "transport") continue;
      expect(createHexpush(quiet).container.get<unknown>(token), name).toBeDefined();
    }
  });

  it("lets a module replace any binding", async () => {
    const { transport, got } = recording();
    const replaced = new ContainerModule(({ rebind }) => {
      // The one that delivers to nobody but the recorder, in place of the sockets.
      rebind(TOKENS.transport).toConstantValue(transport);
      rebind(TOKENS.origins).toConstantValue({ allows: () => false });
      rebind(TOKENS.pushes).toResolvedValue(
        (policy, only) =>
          new PushService({
            policy,
            transports: [only],
            limits: { channelNameBytesMax: 3, eventNameBytesMax: 3, channelsMax: 1 },
          }),
        [TOKENS.guardedPolicy, TOKENS.transport],
      );
    });
    const { url } = await start({ modules: [replaced] });
    expect((await post(url, { ...push, channel: "too long" })).status).toBe(422);
    expect((await post(url, push)).status).toBe(200);
    expect(got).toHaveLength(1);
    const cors = await post(url, push, { origin: "http://page.example" });
    expect(cors.headers.get("access-control-allow-origin")).toBeNull();
  });

  it("refuses an open push endpoint on another address than loopback", () => {
    for (const host of [
      "0.0.0.0",
      "::",
      "10.0.0.1",
      "127.0.0.1.example.com",
      "localhost.example.com",
    ]) {
      expect(() => createHexpush({ ...quiet, host })).toThrow(ConfigError);
    }
    for (const host of ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
      createHexpush({ ...quiet, host });
    createHexpush({ ...quiet, host: "0.0.0.0", apiKeys: ["k"] });
    // Nor by a policy that a host has put there without a thought.
    expect(() => createHexpush({ ...quiet, host: "0.0.0.0", policy: allowAll })).toThrow(
      ConfigError,
    );
    createHexpush({ ...quiet, host: "0.0.0.0", policy: { ...allowAll } });
  });

  it("names a wrong setting", () => {
    expect(() => createHexpush({ port: -1 })).toThrow(
      "port must be a whole number from 0 to 65535",
    );
    expect(() => createHexpush({ apiKeys: ["has blank"] })).toThrow("key 1");
  });

  it("names an option that does not exist, and the one that was meant", () => {
    const misspelt = { ...quiet, apiKeyz: ["secret"] } as HexpushOptions;
    expect(() => createHexpush(misspelt)).toThrow(ConfigError);
    expect(() => createHexpush(misspelt)).toThrow(
      '"apiKeyz" is not an option; did you mean "apiKeys"?',
    );
    expect(() => createHexpush({ listener: [] } as HexpushOptions)).toThrow(
      '"listener" is not an option; did you mean "listeners"?',
    );
    // A name that no option resembles, and one that every object inherits.
    for (const name of ["wonderland", "__proto__", "constructor"]) {
      const options = JSON.parse(`{"port": 0, "${name}": 1}`) as HexpushOptions;
      expect(() => createHexpush(options)).toThrow(new ConfigError(`"${name}" is not an option`));
    }
  });

  it("returns the same address if it is started twice", async () => {
    const { hexpush, url } = await start();
    expect((await hexpush.start()).url).toBe(url);
    const other = createHexpush(quiet);
    started.push(other);
    const [first, second] = await Promise.all([other.start(), other.start()]);
    expect(second).toEqual(first);
  });

  it("can be started after a start that failed", async () => {
    const { hexpush: first, url } = await start();
    const second = createHexpush({ ...quiet, port: Number(new URL(url).port) });
    started.push(second);
    await expect(second.start()).rejects.toThrow(ListenError);
    await first.stop(0);
    expect((await second.start()).url).toBe(url);
  });

  it("rejects if its port is taken", async () => {
    const { url } = await start();
    const second = createHexpush({ ...quiet, port: Number(new URL(url).port) });
    await expect(second.start()).rejects.toThrow(ListenError);
  });
});

describe("a broker of the host's", () => {
  const down = () => Promise.reject(new BrokerError("the broker is down"));
  const unhandled: unknown[] = [];
  const onUnhandled = (error: unknown) => unhandled.push(error);

  beforeEach(() => {
    unhandled.length = 0;
    process.on("unhandledRejection", onUnhandled);
  });

  afterEach(async () => {
    // Node reports a rejection once the microtasks of its turn are done.
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", onUnhandled);
    expect(unhandled).toEqual([]);
  });

  function broker(start: Broker["start"]): { broker: Broker; starts: () => number } {
    let starts = 0;
    const memory = new MemoryBroker({
      historyLimits: () => ({ size: 0, ttl: 0 }),
      memoryBytesMax: 0,
      idempotencyKeysMax: 0,
      now: Date.now,
    });
    const wrapped: Broker = {
      start(deliver) {
        starts++;
        return andThen(start(deliver), () => memory.start(deliver));
      },
      stop: () => memory.stop(),
      publish: (publication) => memory.publish(publication),
      subscribe: () => memory.subscribe(),
      unsubscribe: () => memory.unsubscribe(),
      position: (channel) => memory.position(channel),
      history: (channel, query) => memory.history(channel, query),
    };
    return { broker: wrapped, starts: () => starts };
  }

  function hosting(own: Broker, options: HexpushOptions = {}): Hexpush {
    const module = new ContainerModule(({ rebind }) => {
      rebind(TOKENS.broker).toConstantValue(own);
    });
    const hexpush = createHexpush({ ...quiet, ...options, modules: [module] });
    started.push(hexpush);
    return hexpush;
  }

  it("is not started before it is needed", async () => {
    const { broker: own, starts } = broker(() => undefined);
    const hexpush = hosting(own);
    expect(starts()).toBe(0);
    await hexpush.push("a", "e", 1);
    await hexpush.open();
    await hexpush.start();
    hexpush.callback();
    expect(starts()).toBe(1);
  });

  it("that cannot be opened rejects what needed it, and nothing else", async () => {
    const hexpush = hosting(broker(down).broker);
    await expect(hexpush.open()).rejects.toThrow("the broker is down");
    await expect(hexpush.push("a", "e", 1)).rejects.toThrow("the broker is down");
    await expect(hexpush.history("a")).rejects.toThrow("the broker is down");
    await expect(hexpush.start()).rejects.toThrow(BrokerError);
    const throwing = () => {
      throw new BrokerError("no such epoch");
    };
    await expect(hosting(broker(throwing).broker).open()).rejects.toThrow("no such epoch");
  });

  it("that opens at the second attempt serves from then on", async () => {
    let attempts = 0;
    const hexpush = hosting(broker(() => (++attempts === 1 ? down() : undefined)).broker);
    await expect(hexpush.start()).rejects.toThrow(BrokerError);
    const { url } = await hexpush.start();
    expect((await post(url, push)).status).toBe(200);
  });

  it("that cannot be opened is logged for the host that serves the callback", async () => {
    const lines: string[] = [];
    const logged = signal();
    const logger = pino(
      { level: "error" },
      {
        write: (line: string) => {
          lines.push(line);
          logged.resolve();
        },
      },
    );
    const { port, close } = await listen(hosting(broker(down).broker, { logger }).callback());
    await logged.promise;
    expect(JSON.parse(lines[0] as string)).toMatchObject({
      msg: "cannot open the broker",
      err: { type: "BrokerError", message: "the broker is down" },
    });
    expect((await post(`http://127.0.0.1:${port}`, push)).status).toBe(503);
    await close();
  });

  it("that is slow to open delays a push of the host's, and stays closed after a stop", async () => {
    const gate = signal();
    const { broker: own, starts } = broker(() => gate.promise);
    const { transport, got } = recording();
    const hexpush = hosting(own, { transports: [transport] });
    const pushed = hexpush.push("a", "e", 1);
    gate.resolve();
    expect((await pushed).deliveries).toBe(1);
    expect(got).toHaveLength(1);
    await hexpush.stop(0);
    await expect(hexpush.push("a", "e", 1)).rejects.toThrow(BrokerUnavailable);
    expect(starts()).toBe(1);
  });
});

function signal(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

async function listen(
  handler: RequestListener,
): Promise<{ port: number; close: () => Promise<void> }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return { port, close: () => new Promise((resolve) => server.close(() => resolve())) };
}
