import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PushTraces } from "../../src/application/push-traces.js";
import { Json } from "../../src/domain/json.js";
import { DEFAULT_PUSH_LIMITS, Push } from "../../src/domain/push.js";
import type { SocketInfo } from "../../src/domain/push-listener.js";

const socket: SocketInfo = { transport: "memory", socketId: undefined, presenceId: undefined };
const request = {
  method: "POST",
  path: "/",
  headers: { authorization: "secret" },
  remoteAddress: undefined,
  input: {},
};

function pushOf(channel: string | readonly string[], event = "e", data = "1"): Push {
  const input = { channel, event, data: Json.parse(data) };
  const result = Push.of(input, { ...DEFAULT_PUSH_LIMITS, channelNameBytesMax: 100_000 });
  if (!result.ok) throw new Error(result.error.message);
  return result.push;
}

function accept(traces: PushTraces, pushId: string, push: Push, sockets: readonly number[] = []) {
  traces.pushRequested({ pushId, push, by: undefined });
  push.channels.forEach((channel, index) => {
    const subscribers = sockets[index] ?? 0;
    traces.messageDelivered({ pushId, message: push.message(channel), subscribers });
  });
}

function refuse(traces: PushTraces, pushId: string, kind: "denied" | "invalid" = "denied") {
  const reason = kind === "invalid" ? "event is required" : undefined;
  traces.pushRefused({ pushId, kind, reason, by: undefined, request });
}

describe("PushTraces", () => {
  it("keeps the newest accepted pushes, and of the refused ones a tenth as many", () => {
    const events = fc.array(fc.constantFrom("accept", "deny", "invalid"), { maxLength: 80 });
    fc.assert(
      fc.property(events, fc.nat(25), (sequence, max) => {
        const traces = new PushTraces({ max, now: () => 0 });
        const accepted: string[] = [];
        const refused: string[] = [];
        sequence.forEach((what, index) => {
          const id = `${index}`;
          if (what === "accept") {
            accept(traces, id, pushOf("a"));
            accepted.push(id);
          } else {
            refuse(traces, id, what === "deny" ? "denied" : "invalid");
            refused.push(id);
          }
          const known = (ids: string[]) => ids.filter((each) => traces.get(each) !== undefined);
          const newest = (ids: string[], count: number) => (count === 0 ? [] : ids.slice(-count));
          expect(known(accepted)).toEqual(newest(accepted, max));
          expect(known(refused)).toEqual(newest(refused, Math.ceil(max / 10)));
        });
      }),
    );
  });

  it("tells of an accepted push where it went, by whom and when, and of its data nothing", () => {
    const traces = new PushTraces({ max: 10, now: () => 1234 });
    const push = pushOf(["a", "b"], "woohoo", '"payload"');
    traces.pushRequested({ pushId: "1", push, by: "shop" });
    traces.messageDelivered({ pushId: "1", message: push.message("a"), subscribers: 3 });
    // While it is being delivered, the rest is to come.
    expect(traces.get("1")?.channels).toEqual([
      { channel: "a", sockets: 3, cut: 0 },
      { channel: "b", sockets: 0, cut: 0 },
    ]);
    traces.messageDelivered({ pushId: "1", message: push.message("b"), subscribers: 1 });
    expect(traces.get("1")).toEqual({
      id: "1",
      at: 1234,
      outcome: "accepted",
      by: "shop",
      event: "woohoo",
      channels: [
        { channel: "a", sockets: 3, cut: 0 },
        { channel: "b", sockets: 1, cut: 0 },
      ],
    });
  });

  it("gives the right counts if a broker does not bring channels without a subscriber", () => {
    const traces = new PushTraces({ max: 10, now: () => 0 });
    const push = pushOf(["a", "b", "c", "d"]);
    traces.pushRequested({ pushId: "1", push, by: undefined });
    for (const [channel, subscribers] of [
      ["b", 2],
      ["d", 4],
    ] as const) {
      traces.messageDelivered({ pushId: "1", message: push.message(channel), subscribers });
    }
    const sockets = traces.get("1")?.channels.map((each) => `${each.channel} ${each.sockets}`);
    expect(sockets).toEqual(["a 0", "b 2", "c 0", "d 4"]);
  });

  it("tells of a refused push why, and of its request nothing", () => {
    const traces = new PushTraces({ max: 100, now: () => 5 });
    refuse(traces, "1", "denied");
    traces.pushRefused({ pushId: "2", kind: "invalid", reason: "no event", by: "shop", request });
    expect(traces.get("1")).toEqual({ id: "1", at: 5, outcome: "denied", channels: [] });
    expect(traces.get("2")).toEqual({
      ...{ id: "2", at: 5, outcome: "invalid", channels: [] },
      ...{ reason: "no event", by: "shop" },
    });
  });

  it("knows no id that was not given to it", () => {
    const traces = new PushTraces({ max: 10, now: () => 0 });
    for (const id of ["", "1", "__proto__", "constructor"]) expect(traces.get(id)).toBeUndefined();
  });

  it("keeps no more names than 8 Mi characters, and always the newest push", () => {
    const traces = new PushTraces({ max: 1000, now: () => 0 });
    const names = (first: string) =>
      Array.from({ length: 100 }, (_, n) => `${first}${n}`.padEnd(20_000, "x"));
    for (const id of ["1", "2", "3", "4"]) accept(traces, id, pushOf(names(id)));
    const ids = ["1", "2", "3", "4"].filter((id) => traces.get(id) !== undefined);
    expect(ids).toEqual(["1", "2", "3", "4"]);
    accept(traces, "5", pushOf(names("5")));
    expect(traces.get("1")).toBeUndefined();
    expect(traces.get("5")?.channels).toHaveLength(100);
    const huge = Array.from({ length: 100 }, (_, n) => `${n}`.padEnd(100_000, "x"));
    accept(traces, "6", pushOf(huge));
    expect(traces.get("5")).toBeUndefined();
    expect(traces.get("6")?.channels).toHaveLength(100);
    // What was dropped makes room again.
    for (let id = 10; id < 20; id++) accept(traces, `${id}`, pushOf("a"));
    expect(traces.get("6")).toBeUndefined();
    expect(traces.get("10")).toBeDefined();
  });

  it("counts for both where a push is made from within the delivery of another", () => {
    const traces = new PushTraces({ max: 10, now: () => 0 });
    const [outer, inner] = [pushOf(["a", "b"]), pushOf("c")];
    traces.pushRequested({ pushId: "outer", push: outer, by: undefined });
    traces.messageDelivered({ pushId: "outer", message: outer.message("a"), subscribers: 1 });
    accept(traces, "inner", inner, [3]);
    traces.messageDelivered({ pushId: "outer", message: outer.message("b"), subscribers: 2 });
    const sockets = (id: string) => traces.get(id)?.channels.map((each) => each.sockets);
    expect([sockets("outer"), sockets("inner")]).toEqual([[1, 2], [3]]);
  });

  describe("a socket that was cut", () => {
    const lost = (traces: PushTraces, ...ids: string[]) =>
      ids.map((id) => traces.get(id)?.channels.map(({ cut }) => cut));

    it("may have lost the newest messages to its channels, back to what its buffer held", () => {
      const traces = new PushTraces({ max: 10, now: () => 0 });
      const hundred = JSON.stringify("x".repeat(98));
      for (const id of ["1", "2", "3"]) accept(traces, id, pushOf("a", "e", hundred), [5]);
      accept(traces, "4", pushOf("b", "e", hundred), [5]);
      // A message is 100 bytes of data, two of names and 40 beside.
      traces.consumerCut({ socket, channels: ["a"], bufferBytes: 142 });
      expect(lost(traces, "1", "2", "3", "4")).toEqual([[0], [0], [1], [0]]);
      traces.consumerCut({ socket, channels: ["a"], bufferBytes: 143 });
      expect(lost(traces, "1", "2", "3", "4")).toEqual([[0], [1], [2], [0]]);
      traces.consumerCut({ socket, channels: ["a", "b"], bufferBytes: 1 });
      expect(lost(traces, "1", "2", "3", "4")).toEqual([[0], [1], [2], [1]]);
    });

    it("may have lost the message that is being delivered", () => {
      const traces = new PushTraces({ max: 10, now: () => 0 });
      const push = pushOf(["a", "b", "c"]);
      traces.pushRequested({ pushId: "1", push, by: undefined });
      traces.messageDelivered({ pushId: "1", message: push.message("a"), subscribers: 2 });
      traces.consumerCut({ socket, channels: ["b", "c"], bufferBytes: 1 });
      for (const channel of ["b", "c"]) {
        traces.messageDelivered({ pushId: "1", message: push.message(channel), subscribers: 2 });
      }
      expect(lost(traces, "1")).toEqual([[0, 1, 0]]);
    });

    it("has lost nothing of what nobody was sent", () => {
      const traces = new PushTraces({ max: 10, now: () => 0 });
      accept(traces, "1", pushOf("a"), [0]);
      traces.consumerCut({ socket, channels: ["a"], bufferBytes: 1_000_000 });
      expect(lost(traces, "1")).toEqual([[0]]);
    });

    it("is counted as a plain list of messages says, and never more than were written to", () => {
      const channels = ["a", "b", "c"];
      const pushes = fc.record({
        channels: fc.subarray(channels, { minLength: 1 }),
        data: fc.nat(60).map((length) => JSON.stringify("x".repeat(length))),
        sockets: fc.array(fc.nat(2), { minLength: 3, maxLength: 3 }),
      });
      const cuts = fc.record({ joined: fc.subarray(channels), bufferBytes: fc.nat(400) });
      const steps = fc.array(fc.oneof(pushes, cuts), { maxLength: 30 });
      fc.assert(
        fc.property(steps, (sequence) => {
          const traces = new PushTraces({ max: 100, now: () => 0 });
          const messages: {
            id: string;
            channel: string;
            bytes: number;
            sockets: number;
            cut: number;
          }[] = [];
          sequence.forEach((step, index) => {
            const id = `${index}`;
            if ("data" in step) {
              accept(traces, id, pushOf(step.channels, "e", step.data), step.sockets);
              step.channels.forEach((channel, at) => {
                const sockets = step.sockets[at] as number;
                const bytes = step.data.length + 1 + channel.length + 40;
                messages.push({ id, channel, bytes, sockets, cut: 0 });
              });
              return;
            }
            traces.consumerCut({ socket, channels: step.joined, bufferBytes: step.bufferBytes });
            let unsent = step.bufferBytes;
            const sent = messages.filter((m) => step.joined.includes(m.channel) && m.sockets > 0);
            // At least the newest one: it is what passed the limit.
            for (const message of sent.reverse()) {
              message.cut++;
              unsent -= message.bytes;
              if (unsent <= 0) break;
            }
          });
          const ids = [...new Set(messages.map(({ id }) => id))];
          const found = ids.flatMap((id) => traces.get(id)?.channels ?? []);
          expect(found).toEqual(
            messages.map(({ channel, sockets, cut }) => ({
              channel,
              sockets,
              cut: Math.min(cut, sockets),
            })),
          );
        }),
      );
    });
  });
});
