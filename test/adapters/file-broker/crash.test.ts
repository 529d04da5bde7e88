import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { parseMessageId } from "../../../src/domain/message-id.js";
import type { Station } from "../../contract/broker-station.js";
import { testDirectory } from "./directory.js";
import { startNode } from "./node.js";

const PROGRAM = fileURLToPath(new URL("publishing-process.mjs", import.meta.url));
const ROUNDS = 5;

/** Publishes in another process, kills it behind so many confirmations, and says which there were. */
async function publishAndKill(directory: string, round: number, confirmations: number) {
  const child = spawn(process.execPath, [PROGRAM, directory, `${round}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  const ended = once(child, "close");
  while (text.split("\n").length <= confirmations) await once(child.stdout, "data");
  child.kill("SIGKILL");
  await ended;
  return text.split("\n").slice(0, -1);
}

async function kept(node: Station, channel: string) {
  const { messages } = await node.broker.history(channel, {});
  return messages.map(({ event, data, id }) => ({ event, data: data.text, id: id ?? "" }));
}

it("keeps what it confirmed, wholly, through kills at any moment", async () => {
  const directory = testDirectory();
  const epochs = new Set<string | undefined>();
  const confirmed: string[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const now = await publishAndKill(directory, round, 1 + Math.random() * 1000);
    expect(now.length).toBeGreaterThan(0);
    confirmed.push(...now);

    const node = await startNode(directory, {
      historyLimits: () => ({ size: 100_000, ttl: 3600 }),
      idempotencyKeysMax: 100_000,
    });
    const [a, b, c] = [await kept(node, "a"), await kept(node, "b"), await kept(node, "c")];
    const events = new Set(a.map(({ event }) => event));
    expect(confirmed.filter((name) => !events.has(name))).toEqual([]);
    // Whole or not at all.
    expect(new Set(b.map(({ event }) => event))).toEqual(events);
    const third = [...events].filter((name) => Number(name.split(".")[1]) % 3 === 0);
    expect(c.map(({ event }) => event).sort()).toEqual(third.sort());
    const fill = "x".repeat(200);
    for (const { event, data } of [...a, ...b, ...c]) {
      expect(data).toBe(JSON.stringify({ name: event, fill }));
    }
    for (const messages of [a, b, c]) {
      const ids = messages.map(({ id }) => parseMessageId(id));
      for (const id of ids) epochs.add(id?.epoch);
      expect(ids.map((id) => id?.sequence)).toEqual(messages.map((_, at) => at + 1));
    }

    const idempotency = (key: string) => ({ key, fingerprint: "f" });
    for (const name of [...events].slice(-50)) {
      const again = await node.publish({ channel: "a", idempotency: idempotency(name) });
      expect(again).toEqual({ kind: "repeated", pushId: name });
    }
    await node.publish({ channel: "next" });
    const next = parseMessageId(node.delivered[0]?.message.id ?? "");
    expect(next?.sequence).toBe(round);
    epochs.add(next?.epoch);
    await node.broker.stop();
  }
  expect(epochs.size).toBe(1);
});
