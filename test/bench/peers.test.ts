// Each peer of the benchmark, with the generator's own steps: everybody gets what was pushed, and
// of the server no process is left. nchan and pushpin only where they are installed.
import { expect, test } from "vitest";
import { DIALECTS } from "../../bench/load/dialects/index.mjs";
import { FrameCounter } from "../../bench/load/frames.mjs";
import { cpuNanoseconds, family } from "../../bench/load/process-stats.mjs";
import { openSubscribers, prove, Run, withPushers } from "../../bench/load/run.mjs";
import { SERVERS, startServer } from "../../bench/servers.mjs";

const PROCESSES = { floor: 1, "koa-ws": 1, "socket-io": 1, nchan: 2, pushpin: 6 };

const CASES = [
  ...Object.entries(PROCESSES).map(([name, processes]) => ({ name, processes, streams: false })),
  { name: "nchan", processes: PROCESSES.nchan, streams: true },
];

test.for(CASES)(
  "$name takes pushes, delivers them, and ends (event streams: $streams)",
  async ({ name, processes, streams }, { skip }) => {
    const missing = SERVERS[name]?.missing?.();
    if (missing !== undefined) return skip(missing);
    const server = await startServer(name, { streams });
    let pids: number[] = [];
    try {
      const run = new Run({ ...server.job, channels: 3 });
      const { subscribers } = await openSubscribers(run, 12);
      // Only now: nginx listens before it has a worker.
      pids = family(server.job.pid);
      expect(pids).toHaveLength(processes);
      const before = cpuNanoseconds(server.job.pid);
      await withPushers(run, 2, async ([one, other]) => {
        if (!one || !other) throw new Error("two were asked for");
        for (const pusher of [one, one, other, one]) await prove(run, subscribers, pusher);
      });
      expect(cpuNanoseconds(server.job.pid)).toBeGreaterThan(before);
      expect(subscribers.map(({ counter }) => counter.frames - firstFrames(name))).toEqual(
        Array(12).fill(4),
      );
      for (const subscriber of subscribers) subscriber.close();
    } finally {
      await server.stop();
    }
    expect(pids.filter(isAlive)).toEqual([]);
  },
);

/** What a client gets before the first delivery. */
function firstFrames(name: string): number {
  return { nchan: 0, "socket-io": 3 }[name] ?? 1;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const data = (seq: number) => ({
  seq,
  text: "The parcel has left the warehouse and will be with you between nine and noon.",
  urgent: false,
});

test.each([
  ["phoenix", (c: string, p: object) => JSON.stringify([null, null, c, "msg", p])],
  ["nchan", (c: string, p: object) => JSON.stringify([null, null, c, "msg", p])],
  ["pushpin", (c: string, p: object) => JSON.stringify([null, null, c, "msg", p])],
  ["socket-io", (c: string, p: object) => `42${JSON.stringify(["msg", { channel: c, ...p }])}`],
] as const)("%s tells a right delivery from a wrong one", (name, frame) => {
  const dialect = DIALECTS[name];
  const push = { data: data(10_000_007), event: "order.updated" };
  expect(dialect?.delivered(frame("bench:00001", push), "bench:00001")).toBe(10_000_007);
  for (const wrong of [
    frame("bench:00002", push),
    frame("bench:00001", { ...push, event: "another" }),
    frame("bench:00001", { ...push, data: { ...push.data, urgent: true } }),
    frame("bench:00001", { ...push, data: undefined }),
  ]) {
    expect(dialect?.delivered(wrong, "bench:00001")).toBeUndefined();
  }
});

test.each(["event-stream", "nchan-stream"])(
  "%s tells a right delivery from a wrong one",
  (name) => {
    const dialect = DIALECTS[name];
    const push = { channel: "bench:00001", event: "order.updated", data: data(10_000_007) };
    const delivered = (message: object) =>
      dialect?.delivered(JSON.stringify(message), "bench:00001");
    expect(delivered(push)).toBe(10_000_007);
    for (const wrong of [
      { ...push, channel: "bench:00002" },
      { ...push, event: "another" },
      { ...push, data: { ...push.data, urgent: true } },
      { ...push, data: undefined },
    ]) {
      expect(delivered(wrong)).toBeUndefined();
    }
  },
);

test("nchan's answer may bear a negative number, behind 32,767 messages in a second", () => {
  const answer = (id: string) =>
    `queued messages: 100\r\nlast requested: -1 sec. ago\r\nactive subscribers: 0\r\nlast message id: ${id}`;
  for (const id of ["1795548784:0", "1795548784:-16773"]) {
    expect(DIALECTS.nchan?.isAnswer(answer(id), ["bench:00001"], 1)).toBe(true);
  }
  expect(DIALECTS.nchan?.isAnswer(answer("-1"), ["bench:00001"], 1)).toBe(false);
});

test("a server's ping is answered and is no delivery, however the bytes are cut", () => {
  const frame = (text: string) => Buffer.from([0x81, text.length, ...Buffer.from(text)]);
  const bytes = Buffer.concat([frame("2"), frame('42["msg"]'), frame("2"), frame('42["msg"]')]);
  for (const size of [1, 2, 3, bytes.length]) {
    let pings = 0;
    const counter = new FrameCounter(1, () => {
      pings++;
    });
    for (let at = 0; at < bytes.length; at += size) {
      const part = bytes.subarray(at, at + size);
      counter.feed(part, part.length);
    }
    expect([pings, counter.frames, counter.bytes]).toEqual([2, 2, 18]);
  }
});
