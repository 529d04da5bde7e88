import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { UwsServer } from "../../../src/adapters/uws/server.js";
import { anyOrigin } from "../../../src/application/origins.js";
import { type ConnectOutcome, Connects } from "../../../src/application/subscriptions/connects.js";
import { Drain } from "../../../src/application/subscriptions/drain.js";
import type { SocketProtocol } from "../../../src/application/subscriptions/socket.js";
import { Subscriptions } from "../../../src/application/subscriptions/subscriptions.js";
import type { ConnectDecision } from "../../../src/domain/auth-policy.js";
import { turn } from "../../support/manual-broker.js";
import { MemoryWriter } from "../../support/memory-writer.js";
import { startPhoenix } from "../../support/phoenix-server.js";

const SILENT: SocketProtocol = {
  transport: "silent",
  hasIdleTimeout: true,
  isOneStream: false,
  joined: () => {},
  denied: () => {},
  encode: () => "",
  encodeReplayed: () => "",
};

function start(sockets: number, connectDecision?: () => Promise<ConnectDecision>) {
  const log = { info: () => {}, warn: () => {} };
  const policy = {
    authorizeConnect: connectDecision ?? (() => ({ allow: true as const })),
    authorizeJoin: () => ({ allow: true as const }),
  };
  const limits = {
    channelNameBytesMax: 16,
    channelsPerSocketMax: 100,
    sendBufferBytesMax: 10_000,
    idleTimeoutMs: 45_000,
  };
  const subscriptions = new Subscriptions({ policy, limits, now: () => 0, log });
  const connects = new Connects({ policy, origins: anyOrigin, log });
  const writer = new MemoryWriter(SILENT, subscriptions);
  const handles = Array.from({ length: sockets }, () => writer.open());
  const drain = new Drain(connects, subscriptions, () => 0);
  const closed = () => handles.filter((each) => each.closed !== undefined).length;
  const connect = () => {
    const outcomes: ConnectOutcome[] = [];
    const authRequest = () => ({
      headers: {},
      remoteAddress: undefined,
      origin: undefined,
      params: {},
      token: undefined,
    });
    connects.admit({ authRequest, decided: (outcome) => void outcomes.push(outcome) });
    return outcomes;
  };
  return { drain, handles, closed, connect, subscriptions };
}

describe("Drain", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout"] }));
  afterEach(() => void vi.useRealTimers());

  it("rejects connects before it closes a socket, also those that are undecided", async () => {
    let decide = (_decision: ConnectDecision): void => {};
    const { drain, closed, connect } = start(1, () => new Promise((resolve) => (decide = resolve)));
    const before = connect();
    drain.begin();
    const after = connect();
    expect(after.map(({ kind }) => kind)).toEqual(["draining"]);
    expect(before).toEqual([]);
    decide({ allow: true });
    await turn();
    expect(before.map(({ kind }) => kind)).toEqual(["draining"]);
    expect(closed()).toBe(0);
  });

  it("closes sockets in batches, spread over most of the time, and says when to come back", async () => {
    const { drain, handles, closed } = start(1000);
    drain.begin();
    const done = vi.fn();
    const running = drain.run(1000, new AbortController().signal).then(done);
    // 16 steps of 50 ms in 80 % of the time.
    expect(closed()).toBe(63);
    await vi.advanceTimersByTimeAsync(50);
    expect(closed()).toBe(126);
    await vi.advanceTimersByTimeAsync(650);
    expect(closed()).toBe(945);
    expect(done).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(50);
    await running;
    expect(closed()).toBe(1000);
    const retries = handles.map(({ closed: reason }) =>
      reason?.kind === "drain" ? reason.retryMs : Number.NaN,
    );
    // Nobody can come back before this node has gone.
    expect(retries[0]).toBe(16 * 50 - 50 + 150);
    expect(retries).toEqual([...retries].sort((one, other) => other - one));
    expect(retries.at(-1)).toBe(150);
  });

  it("closes few sockets at once", async () => {
    const { drain, closed } = start(50);
    drain.begin();
    await drain.run(10_000, new AbortController().signal);
    expect(closed()).toBe(50);
  });

  it("stops closing when its time is over, and closes the rest at the end", async () => {
    const { drain, closed } = start(200);
    drain.begin();
    const timeout = new AbortController();
    const running = drain.run(10_000, timeout.signal);
    expect(closed()).toBe(50);
    timeout.abort();
    await vi.advanceTimersByTimeAsync(50);
    await running;
    expect(closed()).toBe(50);
    const finished = drain.finish(0);
    expect(closed()).toBe(200);
    await vi.advanceTimersByTimeAsync(0);
    await finished;
  });
});

describe("UwsServer.stop", () => {
  it("runs one drain, however often it is called, and each call waits for it", async () => {
    const run = vi.spyOn(Drain.prototype, "run");
    const begin = vi.spyOn(Drain.prototype, "begin");
    const { server } = await startPhoenix();
    expect(server).toBeInstanceOf(UwsServer);
    const stops = [server.stop(200), server.stop(0), server.stop(200)];
    await Promise.all(stops);
    expect(new Set(stops).size).toBe(1);
    expect([begin.mock.calls.length, run.mock.calls.length]).toEqual([1, 1]);
    await server.stop(0);
    expect(begin.mock.calls.length).toBe(1);
    vi.restoreAllMocks();
  });
});
