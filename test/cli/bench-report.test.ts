import { describe, expect, it } from "vitest";
import { Figures } from "../../src/cli/bench/load.js";
import { table, warningsOf } from "../../src/cli/bench/report.js";
import type { Result } from "../../src/cli/bench/run.js";

function resultOf(
  figures: Partial<Pick<Figures, "sent" | "seconds" | "busy">> = {},
  joined: Partial<Result["joined"]> = {},
  rate?: number,
): Result {
  return {
    plan: {
      url: "http://127.0.0.1:4004",
      socketUrl: "ws://127.0.0.1:4004/push_socket/websocket?vsn=2.0.0",
      headers: {},
      token: undefined,
      subscribers: 10,
      channels: ["bench:test"],
      pushes: 1000,
      seconds: 10,
      rate,
      inFlight: 16,
      dataBytes: 100,
      patienceMs: 5000,
    },
    joined: { count: 10, seconds: 2, busy: 0.1, ...joined },
    figures: Object.assign(new Figures(), { sent: 1000, seconds: 2, busy: 0.1, ...figures }),
    lost: 0,
    doubled: 0,
    outOfOrder: 0,
    isInterrupted: false,
    faults: [],
  };
}

describe("the warnings", () => {
  it("are none where this program was idle for a good part", () => {
    expect(warningsOf(resultOf({ busy: 0.8 }, { busy: 0.8 }))).toEqual([]);
  });

  it("tell when this program was the bottleneck, and in what", () => {
    expect(warningsOf(resultOf({ busy: 0.81 }))).toEqual([
      "this program itself was busy for 81 % of the time while pushing: it, or another process on " +
        "its CPU, was the bottleneck; the server may be faster than these figures",
    ]);
    const both = warningsOf(resultOf({ busy: 0.9 }, { busy: 1 }));
    expect(both).toEqual([
      expect.stringContaining("100 % of the time while connecting and 90 % of the time while"),
    ]);
  });

  it("do not tell of a connecting that took no time", () => {
    expect(warningsOf(resultOf({}, { busy: 1, seconds: 0.1 }))).toEqual([]);
  });

  it("tell of a rate that was not reached", () => {
    expect(warningsOf(resultOf({}, {}, 520))).toEqual([]);
    expect(warningsOf(resultOf({}, {}, 1000))).toEqual([
      "requested 1,000 pushes per second, reached 500: the window was full; latencies count from " +
        "when a push was due",
    ]);
  });
});

describe("the table", () => {
  it("shows percentiles in milliseconds, and a dash where there are none", () => {
    const result = resultOf();
    for (let ms = 1; ms <= 100; ms++) result.figures.latency.record(ms * 1000);
    const lines = table(result).split("\n");
    const cells = (name: string) =>
      lines
        .find((line) => line.startsWith(name))
        ?.slice(name.length)
        .trim()
        .split(/ +/);
    // The histogram keeps three figures.
    expect(cells("push to client")?.map((cell) => Math.round(Number(cell)))).toEqual([
      50, 95, 99, 100,
    ]);
    expect(cells("push to answer")).toEqual(["-", "-", "-", "-"]);
    expect(cells("connects and joins")).toEqual(["5", "10", "2.00"]);
  });
});
