import { ContainerModule } from "inversify";
import { pino } from "pino";
import { expect, it, onTestFinished } from "vitest";
import { createHexpush, MemoryBroker, TOKENS } from "../../src/index.js";
import { AsyncBroker } from "../support/async-broker.js";
import { RawClient } from "../support/raw-client.js";
import { query, SseClient } from "../support/sse-client.js";

/*
 * A host that rebinds the broker to one whose every answer takes time, and sometimes fails: 20
 * sockets and 5 streams lose their connections at random moments, and each gets every message of its
 * channels once and in order.
 */

const CHANNELS = ["a", "b", "c", "d"];
const MESSAGES = 600;
const SEED = 20_261_125;

/** What one client has received: its channels' numbers, in the order of arrival. */
class Received {
  readonly numbers = new Map<string, number[]>();
  readonly lastIds = new Map<string, string>();

  constructor(readonly channels: readonly string[]) {
    for (const channel of channels) this.numbers.set(channel, []);
  }

  take(channel: string, data: unknown, id: string | undefined): void {
    this.numbers.get(channel)?.push(data as number);
    if (id !== undefined) this.lastIds.set(channel, id);
  }

  isComplete(last: ReadonlyMap<string, number>): boolean {
    return this.channels.every(
      (channel) => (this.numbers.get(channel)?.at(-1) ?? 0) === last.get(channel),
    );
  }
}

/** Reads until it has everything; loses its connection after every few messages. */
type Reader = (received: Received, isOver: () => boolean) => Promise<void>;

function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

it("serves sockets and streams without loss over a broker that answers later", async () => {
  const random = randomNumbers(SEED);
  const broker = new AsyncBroker(
    new MemoryBroker({
      historyLimits: () => ({ size: MESSAGES, ttl: 600 }),
      memoryBytesMax: 64_000_000,
      idempotencyKeysMax: 0,
      now: () => performance.now(),
    }),
    { seed: SEED, failureRate: 0.02 },
  );
  const hexpush = createHexpush({
    port: 0,
    logger: pino({ level: "silent" }),
    modules: [
      new ContainerModule(({ rebind }) => {
        rebind(TOKENS.broker).toConstantValue(broker);
      }),
    ],
  });
  const { port } = await hexpush.start();
  onTestFinished(() => hexpush.stop(0));

  const overSocket: Reader = async (received, isOver) => {
    while (!isOver()) {
      const client = await RawClient.connect(`ws://127.0.0.1:${port}/push_socket`, "2.0.0");
      for (const channel of received.channels) {
        const id = received.lastIds.get(channel);
        client.send(channel, "phx_join", id === undefined ? {} : { last_event_id: id });
      }
      let left = 1 + Math.floor(random() * 40);
      // A join that was denied, or a connection that the server ended: its history has failed.
      let isFailed = false;
      void client.closed.then(() => {
        isFailed = true;
      });
      while (left > 0 && !isFailed && !isOver()) {
        for (const frame of await client.frames.take(client.frames.items.length)) {
          const payload = frame.payload as Record<string, unknown>;
          if (frame.event === "msg" && left > 0) {
            received.take(frame.topic, payload.data, payload.id as string);
            left--;
          } else if (frame.event === "phx_reply" && payload.status === "ok") {
            const { id } = payload.response as { id?: string };
            if (!received.lastIds.has(frame.topic) && id !== undefined) {
              received.lastIds.set(frame.topic, id);
            }
          } else if (frame.event === "phx_reply") {
            isFailed = true;
          }
        }
        await turn();
      }
      client.close();
    }
  };
  const overStream: Reader = async (received, isOver) => {
    let cursor = "";
    while (!isOver()) {
      const headers: Record<string, string> = cursor === "" ? {} : { "last-event-id": cursor };
      const path = `/push_events${query(received.channels)}`;
      const client = await SseClient.connect(port, path, { headers });
      let isClosed = false;
      void client.closed.then(() => {
        isClosed = true;
      });
      let left = 1 + Math.floor(random() * 40);
      while (left > 0 && !isClosed && !isOver()) {
        for (const event of await client.events.take(client.events.items.length)) {
          if (left <= 0) break;
          if (event.type === "message") {
            const { channel, data, id } = JSON.parse(event.data);
            received.take(channel, data, id);
            left--;
          }
          if (event.type !== "closed") cursor = event.lastEventId || cursor;
        }
        await turn();
      }
      client.close();
    }
  };

  const pick = () => CHANNELS.filter(() => random() < 0.6);
  const clients = Array.from({ length: 25 }, (_, at) => {
    const channels = pick();
    return {
      received: new Received(channels.length > 0 ? channels : ["a"]),
      reader: at < 20 ? overSocket : overStream,
    };
  });
  const last = new Map<string, number>();
  let isPushing = true;
  const reading = clients.map(({ received, reader }) =>
    reader(received, () => !isPushing && received.isComplete(last)),
  );
  const subscriptions = clients.reduce((sum, { received }) => sum + received.channels.length, 0);
  // So that the first message is due to almost everyone; a join may have failed.
  await expect.poll(() => hexpush.stats().subscriptions).toBeGreaterThan(subscriptions * 0.8);
  for (let n = 0; n < MESSAGES; n++) {
    const channel = CHANNELS[Math.floor(random() * CHANNELS.length)] as string;
    const number = (last.get(channel) ?? 0) + 1;
    last.set(channel, number);
    await hexpush.push(channel, "e", number);
    if (random() < 0.3) await turn();
  }
  isPushing = false;
  await Promise.all(reading);
  for (const { received } of clients) {
    for (const channel of received.channels) {
      const numbers = received.numbers.get(channel) ?? [];
      const first = numbers[0] ?? 1;
      const total = (last.get(channel) ?? 0) - first + 1;
      expect(numbers).toEqual(Array.from({ length: total }, (_, at) => first + at));
      // It was there from the first few messages on.
      expect(first).toBeLessThan(50);
    }
  }
});
