import type { ServerResponse } from "node:http";
import { describe, expect, it } from "vitest";
import type { BenchPlan } from "../../src/cli/bench/plan.js";
import { type Result, runBench } from "../../src/cli/bench/run.js";
import { type BenchPush, type BenchServer, benchServer, works } from "./bench-server.js";

/** Three subscribers of one channel; 9 pushes, so that there is no warm-up. */
function planOf({ url }: BenchServer, plan: Partial<BenchPlan> = {}): BenchPlan {
  return {
    url,
    socketUrl: `${url.replace("http", "ws")}/push_socket/websocket?vsn=2.0.0`,
    headers: { "content-type": "application/json" },
    token: undefined,
    subscribers: 3,
    channels: ["bench:test"],
    pushes: 9,
    seconds: 30,
    rate: undefined,
    inFlight: 2,
    dataBytes: 100,
    patienceMs: 300,
    ...plan,
  };
}

const run = (plan: BenchPlan): Promise<Result> => runBench(plan, new AbortController().signal);

describe("runBench", () => {
  it("finds nothing wrong where nothing is", async () => {
    const result = await run(planOf(await benchServer()));
    expect(result).toMatchObject({ lost: 0, doubled: 0, outOfOrder: 0, faults: [] });
    expect(result.figures).toMatchObject({ sent: 9, accepted: 9, deliveries: 27 });
    expect(result.figures.latency.count).toBe(27);
    expect(result.figures.answers.count).toBe(9);
  });

  it("reads messages that are written in another way", async () => {
    const server = await benchServer({
      onPush(push, { sockets }, response) {
        const { channel, data } = push;
        const payload = { event: "bench", data: { by: "a policy", ...data } };
        for (const socket of sockets) {
          socket.send(JSON.stringify([null, null, channel, "msg", payload], null, 1));
        }
        response.end("{}");
      },
    });
    const { figures, faults } = await run(planOf(server));
    expect([figures.deliveries, faults]).toEqual([27, []]);
  });

  it("waits for messages that come behind the answer, with one push in flight at a time", async () => {
    const seen: number[] = [];
    let underWay = 0;
    const server = await benchServer({
      onPush(push, self, response) {
        seen.push(++underWay);
        response.end("{}", () => {
          underWay--;
          self.deliver(push);
        });
      },
    });
    const { faults } = await run(planOf(server, { inFlight: 1 }));
    expect([faults, seen]).toEqual([[], Array(9).fill(1)]);
  });

  it("says how many messages were lost, and waits no longer than its patience", async () => {
    const server = await benchServer({
      onPush(push, self, response) {
        self.deliver(push, push.count === 4 ? self.sockets.slice(1) : self.sockets);
        response.end("{}");
      },
    });
    const result = await run(planOf(server));
    expect(result.lost).toBe(1);
    expect(result.faults).toEqual(["nothing arrived for 0.3 s", "messages were lost: 1"]);
    expect(result.figures.deliveries).toBe(26);
  });

  it.each<[string, BenchPush["count"]]>([
    ["at once", 4],
    ["when it was with everybody", 9],
  ])("counts a message that comes twice, %s", async (when, count) => {
    let first: BenchPush | undefined;
    const server = await benchServer({
      onPush(push, self, response) {
        first ??= push;
        if (push.count === count) self.deliver(when === "at once" ? push : first);
        works(push, self, response);
      },
    });
    const { doubled, faults, figures } = await run(planOf(server));
    expect([doubled, figures.deliveries]).toEqual([3, 27]);
    expect(faults).toEqual(["messages arrived twice: 3"]);
  });

  it("counts a message that overtakes another one at some subscribers only", async () => {
    let held: BenchPush | undefined;
    const server = await benchServer({
      onPush(push, self, response) {
        const [one, ...others] = self.sockets;
        if (push.count === 1) {
          held = push;
          self.deliver(push, others);
        } else {
          self.deliver(push, others);
          self.deliver(push, [one as (typeof others)[number]]);
          if (push.count === 2) self.deliver(held as BenchPush, [one as (typeof others)[number]]);
        }
        response.end("{}");
      },
    });
    const { outOfOrder, lost, doubled, faults } = await run(planOf(server));
    expect([lost, doubled]).toEqual([0, 0]);
    expect(outOfOrder).toBe(1);
    expect(faults).toEqual(["messages arrived out of order: 1"]);
  });

  it("tells messages of another channel", async () => {
    const server = await benchServer({
      onPush({ channel, data }, self, response) {
        for (const [socket, joined] of self.joins) {
          if (joined === channel || data.n % 2 === 0) {
            self.deliver({ channel: joined, data }, [socket]);
          }
        }
        response.end("{}");
      },
    });
    const channels = ["bench:a", "bench:b", "bench:c"];
    const { faults, figures } = await run(planOf(server, { channels }));
    // Every second of 9, at two sockets that have not joined its channel.
    expect(faults).toEqual(["messages arrived that this run did not push: 10"]);
    expect(figures.deliveries).toBe(9);
  });

  it("tells messages that it has not pushed", async () => {
    const server = await benchServer({
      onPush(push, self, response) {
        if (push.count === 1) self.deliver({ ...push, data: { n: 7 } });
        works(push, self, response);
      },
    });
    const { faults } = await run(planOf(server));
    expect(faults).toEqual(["messages arrived that this run did not push: 3"]);
  });

  it("stops at a refused push, and says why", async () => {
    const server = await benchServer({
      onPush(push, self, response) {
        if (push.count < 5) return works(push, self, response);
        response.writeHead(429, { "retry-after": "7" }).end('{"error":"slow\\u001b down"}');
      },
    });
    const { faults, figures, lost } = await run(planOf(server, { inFlight: 1 }));
    expect(faults).toEqual(["a push was refused with 429: slow\\u001b down (try again after 7 s)"]);
    expect([figures.sent, figures.accepted, lost]).toEqual([5, 4, 0]);
  });

  it("stops where answers no longer come", async () => {
    const server = await benchServer({
      onPush(push, self, response) {
        if (push.count < 5) works(push, self, response);
      },
    });
    const { faults } = await run(planOf(server));
    expect(faults).toEqual(["nothing arrived for 0.3 s", "pushes were not answered: 2"]);
  });

  it("stops where a socket ends, and counts what that one has missed", async () => {
    const server = await benchServer({
      onPush(push, self, response) {
        if (push.count === 4) self.sockets[0]?.close(1013, "too slow");
        else works(push, self, response);
        if (push.count === 4) response.end("{}");
      },
    });
    const { faults, lost } = await run(planOf(server, { inFlight: 1 }));
    expect(faults).toEqual([
      "a socket was closed: closed with 1013: too slow",
      "sockets were closed: 1",
      "messages were lost: 3",
    ]);
    expect(lost).toBe(3);
  });

  it.each<[string, (response: ServerResponse) => void, RegExp]>([
    ["the push's connection", (response) => response.destroy(), /^a (socket|push) /],
    ["not the answer", (response) => response.end("{}"), /^a socket was closed: no close frame$/],
  ])("ends at once where all sockets are gone and %s", async (_, answer, reason) => {
    const server = await benchServer({
      onPush(push, self, response) {
        if (push.count < 5) return works(push, self, response);
        for (const socket of self.sockets) socket.terminate();
        answer(response);
      },
    });
    // Its patience is beyond that of the test run.
    const { faults } = await run(planOf(server, { inFlight: 1, patienceMs: 600_000 }));
    expect(faults[0]).toMatch(reason);
  });

  it("keeps to the rate, and takes a push that had no room for as late as it was", async () => {
    const server = await benchServer({
      onPush(push, self, response) {
        // Two of them fill the window; those that are due meanwhile have to wait.
        if (push.count > 2) return works(push, self, response);
        setTimeout(() => works(push, self, response), 250);
      },
    });
    const { figures, faults } = await run(planOf(server, { rate: 50 }));
    expect(faults).toEqual([]);
    // 9 pushes at 50 a second: 8 intervals; the first two answers come after 250 ms.
    expect(figures.seconds).toBeGreaterThanOrEqual(0.245);
    // The third was due after 40 ms, and out after 250.
    const slow = [10, 20, 30, 40, 50].map((p) => figures.answers.percentile(p));
    expect(figures.answers.max / 1000).toBeGreaterThan(240);
    expect(Math.max(...slow) / 1000).toBeGreaterThan(90);
  });

  it("ends when the time is over, with everything that was under way", async () => {
    const { figures, faults, lost } = await run(
      planOf(await benchServer(), { pushes: 1_000_000, seconds: 0.3 }),
    );
    expect([faults, lost]).toEqual([[], 0]);
    expect(figures.sent).toBeLessThan(1_000_000);
    expect(figures.deliveries).toBe(3 * figures.sent);
  });
});
