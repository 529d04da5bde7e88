import { describe, expect, it } from "vitest";
import {
  combineEvents,
  combineListeners,
  type ListenerEvent,
} from "../../src/application/combine-listeners.js";
import type { PushListener, SocketInfo } from "../../src/domain/push-listener.js";

const event: SocketInfo = { transport: "test", socketId: "1", presenceId: undefined };

/** Each listener's name, in the order in which they heard it. */
function hearing(...ways: (() => unknown)[]) {
  const heard: number[] = [];
  const faults: [ListenerEvent, unknown][] = [];
  const listeners = ways.map(
    (way, index): PushListener => ({
      socketConnected: () => {
        heard.push(index);
        return way();
      },
    }),
  );
  const combined = combineListeners(listeners, (of, error) => faults.push([of, error]));
  return { heard, faults, combined };
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
const fine = () => undefined;

describe("combineListeners", () => {
  it("calls each at once, in their order, with the same event", () => {
    const events: unknown[] = [];
    const listener: PushListener = { socketConnected: (each) => events.push(each) };
    combineListeners([listener, listener], () => {}).socketConnected?.(event);
    expect(events).toEqual([event, event]);
    expect(events[0]).toBe(event);
    const { heard, combined } = hearing(fine, fine, fine);
    combined.socketConnected?.(event);
    expect(heard).toEqual([0, 1, 2]);
  });

  it("goes on behind one that throws, whatever it throws, and reports it", () => {
    for (const thrown of [new Error("out of order"), "a text", undefined, null]) {
      const { heard, faults, combined } = hearing(() => {
        throw thrown;
      }, fine);
      expect(combined.socketConnected?.(event)).toBeUndefined();
      expect(heard).toEqual([0, 1]);
      expect(faults).toEqual([["socketConnected", thrown]]);
    }
  });

  it("reports one that rejects, and rejects nothing itself", async () => {
    const error = new Error("out of order");
    const { heard, faults, combined } = hearing(() => Promise.reject(error), fine);
    expect(combined.socketConnected?.(event)).toBeUndefined();
    expect(heard).toEqual([0, 1]);
    await settled();
    expect(faults).toEqual([["socketConnected", error]]);
  });

  it("waits for none", async () => {
    const { heard, faults, combined } = hearing(() => new Promise(() => {}), fine);
    combined.socketConnected?.(event);
    expect(heard).toEqual([0, 1]);
    await settled();
    expect(faults).toEqual([]);
  });

  it("stands what is almost a promise", () => {
    const odd = [
      {
        // biome-ignore lint/suspicious/noThenProperty: a thenable is what this is about.
        get then() {
          throw new Error("odd");
        },
      },
      {
        // biome-ignore lint/suspicious/noThenProperty: as above.
        then: () => {
          throw new Error("odd");
        },
      },
    ];
    for (const result of odd) {
      const { heard, faults, combined } = hearing(() => result, fine);
      combined.socketConnected?.(event);
      expect([heard, faults.length]).toEqual([[0, 1], 1]);
    }
    // biome-ignore lint/suspicious/noThenProperty: as above.
    for (const result of [null, 1, "then", { then: 1 }]) {
      const { faults, combined } = hearing(() => result);
      combined.socketConnected?.(event);
      expect(faults).toEqual([]);
    }
  });

  it("has no event that none of them hears", () => {
    expect(combineListeners([], () => {})).toEqual({});
    expect(Object.keys(hearing(fine).combined)).toEqual(["socketConnected"]);
    const none = { socketConnected: undefined } as unknown as PushListener;
    expect(Object.keys(combineListeners([none], () => {}))).toEqual([]);
  });

  it("calls a method with its object, also one of a class", () => {
    class Counter implements PushListener {
      heard = 0;
      socketConnected(): void {
        this.heard++;
      }
    }
    const counter = new Counter();
    const { socketConnected } = combineListeners([counter], () => {});
    socketConnected?.(event);
    expect(counter.heard).toBe(1);
  });

  it("passes on each event of the port", () => {
    const names = [
      ...["pushRequested", "pushRefused", "messageDelivered"],
      ...["socketConnected", "socketClosed", "channelJoined", "channelLeft", "consumerCut"],
    ] satisfies string[] as ListenerEvent[];
    const heard: string[] = [];
    const listener = Object.fromEntries(names.map((name) => [name, () => heard.push(name)]));
    const combined = combineListeners([listener], () => {});
    for (const name of names) combined[name]?.({} as never);
    expect(heard).toEqual(names);
  });
});

describe("combineEvents", () => {
  it("combines the methods that it is told, and no others", () => {
    const heard: string[] = [];
    const listener = { a: () => heard.push("a"), b: () => heard.push("b") };
    const combined = combineEvents(["b"], [listener, listener], () => {});
    combined.b();
    expect(heard).toEqual(["b", "b"]);
    expect(Object.keys(combined)).toEqual(["b"]);
  });
});
