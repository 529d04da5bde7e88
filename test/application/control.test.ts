import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { allowAll } from "../../src/adapters/auth/allow-all.js";
import { MemoryTransport } from "../../src/adapters/memory/transport.js";
import { Control } from "../../src/application/control.js";
import { Json } from "../../src/domain/json.js";
import { Push } from "../../src/domain/push.js";
import { PushService } from "../../src/domain/push-service.js";
import type { Transport } from "../../src/domain/transport.js";
import { channelName } from "../support/arbitraries.js";

const ALL = { limit: Number.POSITIVE_INFINITY };
const counted = { sockets: 7, subscriptions: 9 };

/** A transport that does not know its sockets one by one. */
const plain: Transport = {
  deliver: () => 2,
  subscribers: (channel) => (channel === "a" ? 2 : 0),
  counts: () => counted,
  closeSockets: () => 1,
};

function controlOf(...transports: Transport[]) {
  const pushes = new PushService({ policy: allowAll, transports });
  return { pushes, control: new Control(pushes, transports) };
}

function socketOf(
  transport: MemoryTransport,
  presenceId: string | undefined,
  ...channels: string[]
) {
  const socketId = "me";
  const identity = presenceId === undefined ? { socketId } : { socketId, presenceId };
  const socket = transport.connect({ onMessage: () => {}, identity });
  for (const channel of channels) socket.join(channel);
  return socket;
}

describe("Control", () => {
  it("adds up what all transports have", async () => {
    const [first, second] = [new MemoryTransport(), new MemoryTransport()];
    const { control, pushes } = controlOf(first, second, plain);
    socketOf(first, "ann", "a", "b");
    socketOf(second, "ann", "a");
    socketOf(second, "bob", "a", "c");
    const push = Push.of({ channel: ["a", "x"], event: "e", data: Json.null });
    if (push.ok) await pushes.deliver(push.push);
    expect(control.stats()).toEqual({
      sockets: 3 + 7,
      subscriptions: 5 + 9,
      channels: 3,
      pushes: 1,
      deliveries: 3 + 2 + 2,
    });
    expect(control.channels(ALL)).toEqual([
      { channel: "a", subscribers: 3 + 2 },
      { channel: "b", subscribers: 1 },
      { channel: "c", subscribers: 1 },
    ]);
    expect(control.channel("a", ALL)).toEqual({
      channel: "a",
      subscribers: 3 + 2,
      presence: [
        { id: "ann", sockets: 2 },
        { id: "bob", sockets: 1 },
      ],
    });
    expect(control.closeSockets("me")).toBe(3 + 1);
    expect(control.stats()).toMatchObject({ ...counted, channels: 0 });
  });

  it("shows of those who are joined only who has a presence id, and counts all", () => {
    const memory = new MemoryTransport();
    const { control } = controlOf(memory);
    socketOf(memory, undefined, "a");
    socketOf(memory, "", "a");
    expect(control.channel("a", ALL)).toEqual({
      channel: "a",
      subscribers: 2,
      presence: [{ id: "", sockets: 1 }],
    });
  });

  it("gives its pages in order, each entry once, whatever the names", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(channelName, { maxLength: 20 }),
        fc.integer({ min: 1, max: 7 }),
        (names, limit) => {
          const memory = new MemoryTransport();
          const { control } = controlOf(memory);
          for (const name of names) {
            socketOf(memory, name, "presence");
            socketOf(memory, undefined, name);
          }
          const sorted = [...names].sort();
          const walk = (page: (after: string | undefined) => string[]): string[] => {
            const seen: string[] = [];
            for (;;) {
              const next = page(seen.at(-1));
              expect(next.length).toBeLessThanOrEqual(limit);
              expect(seen.length).toBeLessThanOrEqual(names.length + 1);
              if (next.length === 0) return seen;
              seen.push(...next);
            }
          };
          const channels = walk((after) =>
            control.channels({ limit, after }).map(({ channel }) => channel),
          );
          expect(channels.filter((name) => name !== "presence")).toEqual(sorted);
          const people = walk((after) =>
            control.channel("presence", { limit, after }).presence.map(({ id }) => id),
          );
          expect(people).toEqual(sorted);
        },
      ),
      { numRuns: 50 },
    );
  });
});
