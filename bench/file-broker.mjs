// What the file broker costs, on the disk of DIRECTORY: node bench/file-broker.mjs [DIRECTORY]
// (after npm run build). Syncs alone, pushes of 200 bytes by 32 and by one at a time, and the start
// over a million messages.
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileBroker } from "../dist/adapters/file-broker/file-broker.js";
import { Json } from "../dist/domain/json.js";
import { Push } from "../dist/domain/push.js";

const place = mkdtempSync(join(process.argv[2] ?? tmpdir(), "hexpush-bench-"));
const data = Json.of("x".repeat(198));
let directories = 0;

function brokerIn(directory) {
  return new FileBroker({
    directory,
    historyLimits: () => ({ size: 100, ttl: 120 }),
    idempotencyKeysMax: 1000,
    now: Date.now,
  });
}

function pushTo(channel) {
  const { push } = Push.of({ channel, event: "e", data });
  return { pushId: "p", push };
}

function spread(times) {
  times.sort((one, other) => one - other);
  const at = (part) => `${times[Math.floor(times.length * part)].toFixed(2)} ms`;
  return `half within ${at(0.5)}, 99 in 100 within ${at(0.99)}`;
}

async function syncs() {
  const file = await open(join(place, "sync"), "w");
  const times = [];
  for (let n = 0; n < 300; n++) {
    const from = performance.now();
    await file.write(Buffer.alloc(8192, n), 0, 8192, (n % 50) * 8192);
    await file.datasync();
    times.push(performance.now() - from);
  }
  await file.close();
  console.log(`a write and its sync: ${spread(times)}`);
}

async function publishes(publishers, channels, ms = 3000) {
  const broker = brokerIn(join(place, `${++directories}`));
  await broker.start(() => {});
  const times = [];
  const from = performance.now();
  const one = async () => {
    while (performance.now() - from < ms) {
      const began = performance.now();
      await broker.publish(pushTo(`c${times.length % channels}`));
      times.push(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: publishers }, one));
  const rate = Math.round(times.length / ((performance.now() - from) / 1000));
  console.log(`${publishers} at a time, ${channels} channels: ${rate} a second, ${spread(times)}`);
  await broker.stop();
}

async function starts() {
  const directory = join(place, "million");
  const filled = brokerIn(directory);
  await filled.start(() => {});
  for (let set = 0; set < 10; set++) {
    const channels = Array.from({ length: 1000 }, (_, n) => `${set} ${n}`);
    await Promise.all(Array.from({ length: 100 }, () => filled.publish(pushTo(channels))));
  }
  await filled.stop();
  const bytes = statSync(join(directory, "broker.mdb")).size;
  console.log(`a million messages: ${Math.round(bytes / 1e6)} MB`);
  for (let n = 0; n < 3; n++) {
    const broker = brokerIn(directory);
    const from = performance.now();
    await broker.start(() => {});
    console.log(`start over them: ${(performance.now() - from).toFixed(1)} ms`);
    await broker.stop();
  }
}

try {
  await syncs();
  for (const channels of [1, 1000, 100_000]) await publishes(32, channels);
  await publishes(1, 1);
  await publishes(256, 1000);
  await starts();
} finally {
  rmSync(place, { recursive: true, force: true });
}
