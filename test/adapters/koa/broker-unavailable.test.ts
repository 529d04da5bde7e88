import { ContainerModule } from "inversify";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Broker, BrokerUnavailable, TOKENS } from "../../../src/index.js";
import { expectError } from "./errors-in-json.js";
import { ask, HOSTS, push, type RunningHost } from "./hosts.js";

const gone = (): never => {
  throw new BrokerUnavailable("no space left on /secret/path");
};

/** One whose disk is full, or whose server is away. */
const broken: Broker = {
  start() {},
  stop() {},
  publish: () => Promise.reject(new BrokerUnavailable("no space left on /secret/path")),
  subscribe() {},
  unsubscribe() {},
  position: gone,
  history: gone,
};

const modules = [
  new ContainerModule(({ rebind }) => {
    rebind(TOKENS.broker).toConstantValue(broken);
  }),
];

const body = { channel: "a", event: "e", data: 1 };

describe.each(HOSTS)("a broker that cannot be reached, on %s", (_name, start) => {
  let host: RunningHost;
  beforeEach(async () => {
    host = await start({ modules });
  });
  afterEach(() => host.stop());

  it("answers a push with 503, and says nothing of the broker", async () => {
    const answer = await push(host.port, body);
    expect([answer.status, answer.headers["retry-after"]]).toEqual([503, "1"]);
    expect(expectError(answer)).toBe("The push could not be accepted now.");
    expect(host.delivered).toEqual([]);
  });

  it("answers a push of a batch so, and the batch as such", async () => {
    const answer = await ask(host.port, {
      method: "POST",
      path: "/api/push/batch",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ pushes: [body, { channel: "a" }] }),
    });
    expect(answer.status).toBe(200);
    const { results } = JSON.parse(answer.text) as { results: { status: number }[] };
    expect(results.map(({ status }) => status)).toEqual([503, 422]);
  });

  it.each(["/api/channels/a", "/api/channels/a/history"])("answers %s with 503", async (path) => {
    const answer = await ask(host.port, { path });
    expect([answer.status, answer.headers["retry-after"]]).toEqual([503, "1"]);
    expect(expectError(answer)).toBe("The broker is not available now.");
  });

  it("rejects a push of the host's own", async () => {
    await expect(host.hexpush.push("a", "e", 1)).rejects.toBeInstanceOf(BrokerUnavailable);
  });
});
