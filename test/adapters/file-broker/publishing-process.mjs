// Publishes until it is killed: node publishing-process.mjs DIRECTORY ROUND
// Prints a push's number once it is accepted.
import { writeSync } from "node:fs";
import { FileBroker } from "../../../dist/adapters/file-broker/file-broker.js";
import { Json } from "../../../dist/domain/json.js";
import { Push } from "../../../dist/domain/push.js";

const [directory, round] = process.argv.slice(2);
const broker = new FileBroker({
  directory,
  historyLimits: () => ({ size: 100_000, ttl: 3600 }),
  idempotencyKeysMax: 100_000,
  now: Date.now,
});
await broker.start(() => {});
let pushes = 0;

async function publishOn() {
  for (;;) {
    const name = `${round}.${++pushes}`;
    const channel = pushes % 3 ? ["a", "b"] : ["b", "c", "a"];
    const { push } = Push.of({
      channel,
      event: name,
      data: Json.of({ name, fill: "x".repeat(200) }),
    });
    await broker.publish({ pushId: name, push, idempotency: { key: name, fingerprint: "f" } });
    writeSync(1, `${name}\n`);
  }
}

await Promise.all(Array.from({ length: 16 }, publishOn));
