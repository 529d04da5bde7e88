import { afterEach, it } from "vitest";
import { within } from "../../support/inbox.js";
import { type PhoenixServer, startPhoenix } from "../../support/phoenix-server.js";
import { RawClient } from "../../support/raw-client.js";

// A socket that is accepted after its request's turn of the event loop: uWebSockets.js's `cork`
// around such an `upgrade` looks at the new WebSocket afterwards as if it were still an HTTP
// response, where the memory has stayed in its place, and so closed some of them without a word to
// the client. What it takes for the response's state is memory that was given back, so here others
// take it at once, and write what reads as "close this connection" all over it.

let phoenix: PhoenixServer;
const taken: ArrayBuffer[] = [];

function takeFreedMemory(): void {
  for (let bytes = 72; bytes <= 512; bytes += 8) {
    for (let copy = 0; copy < 4; copy++) {
      const memory = new ArrayBuffer(bytes);
      new Uint8Array(memory).fill(0x10);
      taken.push(memory);
    }
  }
}

afterEach(() => phoenix.server.stop(0));

async function connectOften(): Promise<void> {
  for (let count = 0; count < 30; count++) {
    const client = await RawClient.connect(phoenix.wsUrl, "2.0.0");
    await within(client.join("room:1"), "the join's answer: closed without a word", 3_000);
    await client.end();
    taken.length = 0;
  }
}

it("stays open, every time, where the policy took its time", async () => {
  phoenix = await startPhoenix({
    policy: {
      authorizeConnect: async () => {
        await new Promise(setImmediate);
        return { allow: true };
      },
    },
    listener: { socketConnected: takeFreedMemory },
  });
  await connectOften();
});

it("stays open, every time, where it had to wait for its turn", async () => {
  phoenix = await startPhoenix({
    connectRate: 20,
    listener: { socketConnected: takeFreedMemory },
  });
  await connectOften();
});
