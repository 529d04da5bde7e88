import { describe, expect, it } from "vitest";
import { Json, type Message } from "../../src/index.js";
import { type RecordedMessage, RecordingTransport } from "../../src/testing.js";
import { transportContract } from "../contract/transport.contract.js";

function message(channel: string, event = "e", text = "1"): Message {
  return { channel, event, data: Json.parse(text) };
}

const event = ({ event }: RecordedMessage) => event;

describe("RecordingTransport", () => {
  transportContract(async () => {
    const transport = new RecordingTransport();
    return {
      transport,
      stop: async () => {},
      connect: async (socketId) => {
        let onClose = (): void => {};
        const closed = new Promise<void>((resolve) => {
          onClose = resolve;
        });
        const socket = transport.connect({
          onClose,
          ...(socketId === undefined ? {} : { identity: { socketId } }),
        });
        return {
          get received() {
            return socket.messages.map(({ text, channel, event }) => ({
              channel,
              event,
              data: text,
            }));
          },
          closed,
          join: async (channel) => socket.join(channel),
          leave: async (channel) => socket.leave(channel),
          close: async () => socket.close(),
          settled: async () => {},
        };
      },
    };
  });

  it("records every message, joined or not, as a value and as text", () => {
    const transport = new RecordingTransport();
    expect(transport.deliver(message("a", "e", '{"id":12345678901234567890}'))).toBe(0);
    expect(transport.messages).toEqual([
      {
        channel: "a",
        event: "e",
        data: { id: 12345678901234567000 },
        text: '{"id":12345678901234567890}',
      },
    ]);
  });

  it("has sockets that join, and keep what they were sent", () => {
    const seen: string[] = [];
    const transport = new RecordingTransport();
    const one = transport.connect({ onMessage: (each) => seen.push(each.event) });
    const other = transport.connect({ identity: { socketId: "ann" } });
    one.join("a");
    other.join("b");
    expect(transport.deliver(message("a", "first"))).toBe(1);
    one.leave("a");
    expect(transport.deliver(message("a", "second"))).toBe(0);
    expect(one.messages.map(event)).toEqual(["first"]);
    expect(seen).toEqual(["first"]);
    expect(other.messages).toEqual([]);
    expect(transport.closeSockets("ann")).toBe(1);
    expect(transport.counts()).toEqual({ sockets: 1, subscriptions: 0 });
  });

  it("forgets by clear, but not what it is to do", async () => {
    const transport = new RecordingTransport();
    transport.deliver(message("a", "old"));
    const seen = transport.messages;
    const waiting = transport.next(({ event }) => event === "new");
    transport.clear();
    expect(transport.messages).toEqual([]);
    expect(seen).toHaveLength(1);
    transport.deliver(message("a", "new"));
    expect(event(await waiting)).toBe("new");
    await expect(transport.next(undefined, { timeoutMs: 1 })).rejects.toThrow();
  });
});

describe("RecordingTransport.next", () => {
  it("takes each message once, in order, now or once it comes", async () => {
    const transport = new RecordingTransport();
    transport.deliver(message("a", "1"));
    transport.deliver(message("b", "2"));
    expect(event(await transport.next())).toBe("1");
    expect(event(await transport.next())).toBe("2");
    const later = [transport.next(), transport.next()];
    transport.deliver(message("a", "3"));
    transport.deliver(message("a", "4"));
    expect((await Promise.all(later)).map(event)).toEqual(["3", "4"]);
    expect(transport.messages.map(event)).toEqual(["1", "2", "3", "4"]);
  });

  it("leaves what does not match for another one", async () => {
    const transport = new RecordingTransport();
    const later = transport.next(({ channel }) => channel === "b");
    transport.deliver(message("a", "1"));
    transport.deliver(message("b", "2"));
    transport.deliver(message("b", "3"));
    expect(event(await later)).toBe("2");
    expect(event(await transport.next(({ channel }) => channel === "b"))).toBe("3");
    expect(event(await transport.next())).toBe("1");
  });

  it("says when the time is over what did arrive, and what of it was taken", async () => {
    const transport = new RecordingTransport();
    await expect(transport.next(undefined, { timeoutMs: 5 })).rejects.toThrow(
      "no message that matches for 5 ms; none arrived",
    );
    const missing = transport.next(({ channel }) => channel === "c", { timeoutMs: 20 });
    transport.deliver(message("a", "1", '{"x":1.10}'));
    transport.deliver(message("b", "2", `"${"x".repeat(500)}"`));
    await transport.next();
    await expect(missing).rejects.toThrow(
      `no message that matches for 20 ms; 2 arrived:\n  a 1 {"x":1.10} (taken)\n  b 2 "${"x".repeat(199)}…`,
    );
  });

  it("shows the last twenty of many", async () => {
    const transport = new RecordingTransport();
    for (let count = 1; count <= 30; count++) transport.deliver(message("a", `e${count}`));
    const missing = transport.next(() => false, { timeoutMs: 1 });
    await expect(missing).rejects.toThrow(/30 arrived, the last 20 of them:\n {2}a e11 1\n/);
  });

  it("takes nothing after its time", async () => {
    const transport = new RecordingTransport();
    await expect(transport.next(undefined, { timeoutMs: 1 })).rejects.toThrow();
    transport.deliver(message("a", "late"));
    expect(event(await transport.next())).toBe("late");
  });

  it("rejects where the question itself throws, and keeps that from who delivers", async () => {
    const transport = new RecordingTransport();
    const broken = transport.next(() => {
      throw new Error("my own fault");
    });
    const outcome = expect(broken).rejects.toThrow("my own fault");
    transport.deliver(message("a", "1"));
    await outcome;
    expect(event(await transport.next())).toBe("1");
  });
});
