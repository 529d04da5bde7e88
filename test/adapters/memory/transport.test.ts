import { describe, expect, it } from "vitest";
import { MemoryTransport } from "../../../src/adapters/memory/transport.js";
import { Json } from "../../../src/domain/json.js";
import { type Received, transportContract } from "../../contract/transport.contract.js";

const message = { channel: "a", event: "e", data: Json.null };

describe("MemoryTransport", () => {
  transportContract(async () => {
    const transport = new MemoryTransport();
    return {
      transport,
      stop: async () => {},
      connect: async (socketId) => {
        const received: Received[] = [];
        let onClose = (): void => {};
        const closed = new Promise<void>((resolve) => {
          onClose = resolve;
        });
        const socket = transport.connect({
          onMessage: ({ channel, event, data }) =>
            received.push({ channel, event, data: data.text }),
          onClose,
          ...(socketId === undefined ? {} : { identity: { socketId } }),
        });
        return {
          received,
          closed,
          join: async (channel) => socket.join(channel),
          leave: async (channel) => socket.leave(channel),
          close: async () => socket.close(),
          settled: async () => {},
        };
      },
    };
  });

  it("keeps a receiver's error from the other receivers and from the push", () => {
    const errors: unknown[] = [];
    const transport = new MemoryTransport((error) => errors.push(error));
    const got: string[] = [];
    const broken = new Error("broken");
    transport
      .connect({
        onMessage: () => {
          throw broken;
        },
      })
      .join("a");
    transport.connect({ onMessage: ({ event }) => got.push(event) }).join("a");
    expect(transport.deliver(message)).toBe(2);
    expect([got, errors]).toEqual([["e"], [broken]]);
  });

  it("delivers nothing to a receiver that another one closes in the same round", () => {
    const transport = new MemoryTransport();
    const got: string[] = [];
    const second = { close: (): void => {} };
    transport.connect({ onMessage: () => second.close() }).join("a");
    const socket = transport.connect({ onMessage: () => got.push("second") });
    socket.join("a");
    second.close = socket.close;
    expect(transport.deliver(message)).toBe(1);
    expect(got).toEqual([]);
  });
});
