// node --expose-gc footprint.mjs CASE: what a memory broker's history really takes, as JSON.

import { MemoryBroker } from "../../../dist/adapters/memory/broker.js";
import { Json } from "../../../dist/domain/json.js";
import { Push } from "../../../dist/domain/push.js";

const LIMITS = { size: 100, ttl: 3600 };

/** As a request brings it: every text cut out of the text of the whole body. */
function push(channel, event, data, padding = 0) {
  const body = JSON.stringify({ channel, event, data, padding: "x".repeat(padding) });
  // From bytes, so that the body is one string.
  const members = Json.members(Buffer.from(body).toString(), ["channel", "event", "data"]);
  const made = Push.of({
    channel: members.get("channel").value(),
    event,
    data: members.get("data"),
  });
  return made.push;
}

const cases = {
  // 100 messages of 200 bytes of JSON in each channel.
  hundred: {
    channels: 200,
    publish: each(100, (channel) => push(channel, "event", "x".repeat(198))),
  },
  single: { channels: 20_000, publish: each(1, (channel) => push(channel, "event", { n: 1 })) },
  // Small data in large bodies, of which nothing else may stay.
  bodies: {
    channels: 400,
    publish: each(50, (channel) => push(channel, "e", "x".repeat(20), 20_000)),
  },
  wide: {
    channels: 200,
    publish: each(50, (channel) => push(channel, "é".repeat(50), "😀".repeat(100))),
  },
  // One push for all channels.
  shared: {
    channels: 1000,
    publish(broker, names) {
      for (let n = 0; n < 10; n++)
        broker.publish({ pushId: "1", push: push(names, "e", "x".repeat(2000)) });
    },
  },
  // Channels that have gone leave their names.
  gone: {
    channels: 50_000,
    memoryBytesMax: 8_000_000,
    publish: each(1, (channel) => push(channel, "e", null)),
  },
};

function each(count, make) {
  return (broker, names) => {
    for (let n = 0; n < count; n++) {
      for (const name of names) broker.publish({ pushId: "1", push: make(name) });
    }
  };
}

/** In a function of its own, whose names are gone with it. */
function publishAll() {
  publish(
    broker,
    Array.from({ length: channels }, (_, n) => `a channel's name ${n}`),
  );
}

function heap() {
  for (let n = 0; n < 3; n++) globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const { channels, publish, memoryBytesMax = 1e9 } = cases[process.argv[2]];
const broker = new MemoryBroker({
  historyLimits: () => LIMITS,
  memoryBytesMax,
  idempotencyKeysMax: 0,
  now: Date.now,
});
let delivered = 0;
broker.start(() => {
  delivered++;
  return 0;
});
// What the code itself takes is there before, without a message.
publish({ publish: () => {} }, ["a"]);
const before = heap();
publishAll();
const measured = heap() - before;
// Not stopped: a broker must not keep a process that has nothing else to do.
console.log(JSON.stringify({ channels, delivered, measured, estimated: broker.memoryBytes }));
