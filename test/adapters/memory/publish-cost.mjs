// node publish-cost.mjs: what one publish to no subscriber costs a memory broker, in ns of CPU, with
// history and without. Needs a build.

import { MemoryBroker } from "../../../dist/adapters/memory/broker.js";
import { Json } from "../../../dist/domain/json.js";
import { Push } from "../../../dist/domain/push.js";

const PUSHES = 300_000;
const ROUNDS = 7;

/** Many pushes, as their requests would bring them: 200 bytes of data each. */
const pushes = Array.from({ length: 1000 }, (_, n) => {
  const body = Buffer.from(JSON.stringify({ channel: `channel ${n}`, data: "x".repeat(198) }));
  const members = Json.members(body.toString(), ["channel", "data"]);
  const input = { channel: `channel ${n}`, event: "event", data: members.get("data") };
  return Push.of(input).push;
});

function nsEach(publish) {
  const start = process.cpuUsage();
  for (let n = 0; n < PUSHES; n++) publish(pushes[n % pushes.length]);
  const { user, system } = process.cpuUsage(start);
  return ((user + system) * 1000) / PUSHES;
}

function broker(size) {
  const limits = { size, ttl: 120 };
  const made = new MemoryBroker({
    historyLimits: () => limits,
    memoryBytesMax: 268_435_456,
    idempotencyKeysMax: 0,
    now: Date.now,
  });
  made.start(() => {});
  return (push) => made.publish({ pushId: "1", push });
}

const deliver = (message) => message.channel.length;
const ways = {
  "no broker": (push) => {
    for (const channel of push.channels) deliver(push.message(channel));
  },
  "history off": broker(0),
  "history of 100": broker(100),
};
const results = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, publish] of Object.entries(ways)) results[name].push(nsEach(publish));
}
for (const [name, each] of Object.entries(results)) {
  const [median] = each.sort((a, b) => a - b).slice(Math.floor(ROUNDS / 2));
  console.log(`${name}: ${Math.round(median)} ns (${each.map(Math.round).join(", ")})`);
}
