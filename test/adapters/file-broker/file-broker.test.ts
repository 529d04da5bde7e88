import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { FileBroker } from "../../../src/adapters/file-broker/file-broker.js";
import type { BrokerState } from "../../../src/adapters/file-broker/records.js";
import { Store } from "../../../src/adapters/file-broker/store.js";
import { BrokerError, BrokerUnavailable } from "../../../src/domain/broker.js";
import { parseMessageId } from "../../../src/domain/message-id.js";
import { testDirectory } from "./directory.js";
import { startNode } from "./node.js";

const linux = process.platform === "linux";

async function refusal(directory: string): Promise<string> {
  const error: unknown = await startNode(directory).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(BrokerError);
  return (error as BrokerError).message;
}

/** What a disk that is full leaves of a directory: a small one in memory. Undefined where none may be made. */
function smallDisk(): { directory: string; grow(): void } | undefined {
  const directory = testDirectory();
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", directory], {
      stdio: "ignore",
    });
  } catch {
    return undefined;
  }
  onTestFinished(() => void execFileSync("umount", ["-l", directory]));
  return {
    directory,
    grow: () => execFileSync("mount", ["-o", "remount,size=8m", directory]),
  };
}

describe("FileBroker", () => {
  it("makes its directory for its owner alone, and those above it", async () => {
    const directory = join(testDirectory(), "a.b", "c");
    await startNode(directory);
    if (linux) expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(readdirSync(directory).sort()).toEqual([
      "broker.mdb",
      "broker.mdb-lock",
      expect.stringMatching(/^lock\./),
    ]);
  });

  it("is not available before its start", () => {
    const directory = testDirectory();
    const options = { historyLimits: () => ({ size: 1, ttl: 1 }), idempotencyKeysMax: 1 };
    const broker = new FileBroker({ directory, now: Date.now, ...options });
    expect(() => broker.position("a")).toThrow(BrokerUnavailable);
  });

  describe("refuses to start, in one line,", () => {
    it("on a directory that another one uses", async () => {
      const directory = testDirectory();
      const first = await startNode(directory);
      expect(await refusal(directory)).toBe(
        `cannot use the broker's directory ${directory}: another process uses it`,
      );
      await first.publish({ channel: "a" });
      await first.broker.stop();
      await startNode(directory);
    });

    it("on a file", async () => {
      const path = join(testDirectory(), "file");
      writeFileSync(path, "");
      expect(await refusal(path)).toBe(`cannot use the broker's directory ${path}: EEXIST`);
    });

    it("on a store that is none, and holds nothing on to it", async () => {
      const directory = testDirectory();
      writeFileSync(join(directory, "broker.mdb"), "not a store".repeat(1000));
      expect(await refusal(directory)).toMatch(/^cannot use the broker's directory [^\n]+$/);
      expect(readdirSync(directory).join()).not.toContain("lock.");
    });

    it("on a store of another version", async () => {
      const directory = testDirectory();
      await (await startNode(directory)).broker.stop();
      const store = await Store.open(directory);
      const state = { epoch: "e", lastChannelId: 1, unkept: false, format: 3 };
      await store.commit(() => store.writeState(state));
      await store.close();
      expect(await refusal(directory)).toMatch(/: its format 3 is not known$/);
    });
  });

  describe("at the next start", () => {
    it("continues the ids of each channel, also of names longer than a key", async () => {
      const directory = testDirectory();
      const channels = ["a", "b", "c"].map((letter) => letter + "ü".repeat(400));
      const before = await startNode(directory);
      for (const channel of channels) await before.publish({ channel, event: channel.slice(0, 9) });
      const at = parseMessageId(before.delivered.at(-1)?.message.id ?? "");
      expect(at?.sequence).toBe(1);
      await before.broker.stop();
      const after = await startNode(directory);
      for (const channel of channels) {
        expect((await after.history(channel)).events).toEqual([channel.slice(0, 9)]);
      }
      await after.publish({ channel: [...channels, "d"] });
      const ids = after.delivered.map(({ message }) => parseMessageId(message.id ?? ""));
      expect(new Set(ids.map((id) => id?.epoch))).toEqual(new Set([at?.epoch]));
      expect(ids.map((id) => id?.sequence)).toEqual([2, 2, 2, 1]);
    });

    it("keeps no more than the limits that hold then", async () => {
      const directory = testDirectory();
      const before = await startNode(directory);
      for (let n = 0; n < 10; n++) await before.publish({ channel: "a", event: `${n}` });
      const ids = before.messages("a").map(({ id }) => id);
      await before.broker.stop();
      const after = await startNode(directory, { historyLimits: () => ({ size: 3, ttl: 60 }) });
      expect((await after.history("a")).events).toEqual(["7", "8", "9"]);
      expect(await after.history("a", { since: ids[5] })).toMatchObject({ recovered: false });
      expect(await after.history("a", { since: ids[6] })).toMatchObject({ recovered: true });
      await after.publish({ channel: "a", event: "10" });
      expect((await after.history("a")).events).toEqual(["8", "9", "10"]);
    });

    it.each([true, false])(
      "tells of the gap of a channel that kept nothing in between (with messages before: %s)",
      async (withMessages) => {
        const directory = testDirectory();
        const first = await startNode(directory);
        if (withMessages) await first.publish({ channel: "a", event: "1" });
        const since = await first.broker.position("a");
        await first.broker.stop();
        const second = await startNode(directory, { historyLimits: () => ({ size: 0, ttl: 0 }) });
        await second.publish({ channel: "a", event: "2" });
        await second.broker.stop();
        const third = await startNode(directory);
        expect(await third.history("a", { since })).toMatchObject({ recovered: false });
        const position = await third.broker.position("a");
        await third.publish({ channel: "a", event: "3" });
        expect(await third.history("a", { since: position })).toMatchObject({
          recovered: true,
          events: ["3"],
        });
      },
    );
  });

  it("tells of the gap of each channel that kept nothing in between, not only of the first", async () => {
    const directory = testDirectory();
    const first = await startNode(directory);
    const channels = ["a", "b", "c"];
    await first.publish({ channel: channels, event: "1" });
    const positions = await Promise.all(channels.map((each) => first.broker.position(each)));
    await first.broker.stop();
    const second = await startNode(directory, { historyLimits: () => ({ size: 0, ttl: 0 }) });
    for (const channel of channels) await second.publish({ channel, event: "2" });
    await second.broker.stop();
    const third = await startNode(directory);
    for (const [at, channel] of channels.entries()) {
      const told = await third.history(channel, { since: positions[at] });
      expect([channel, told.recovered]).toEqual([channel, false]);
    }
  });

  it("starts over with empty histories on a store with ids of an older version, and keeps its keys", async () => {
    const directory = testDirectory();
    const before = await startNode(directory);
    const idempotency = { key: "k", fingerprint: "f" };
    await before.publish({ channel: "a", event: "1", idempotency, pushId: "first" });
    const since = await before.broker.position("a");
    await before.broker.stop();
    const store = await Store.open(directory);
    const old = { epoch: "e", sequence: 1, forgottenTo: 0, unkept: false, format: 1 };
    await store.commit(() => store.writeState(old as unknown as BrokerState));
    await store.close();

    const lines: string[] = [];
    const log = {
      info: (line: string) => lines.push(line),
      error: (line: string) => lines.push(line),
    };
    const after = await startNode(directory, { log });
    expect(lines).toEqual([
      "the file broker starts with empty histories: those on disk have the ids of an older version",
    ]);
    expect(await after.history("a")).toMatchObject({ recovered: true, events: [] });
    expect(await after.history("a", { since })).toMatchObject({ recovered: false });
    expect(await after.history("a", { since: "e-1" })).toMatchObject({ recovered: false });
    const again = await after.publish({ channel: "a", idempotency });
    expect(again).toEqual({ kind: "repeated", pushId: "first" });
    await after.publish({ channel: "a", event: "2" });
    await after.broker.stop();
    const last = await startNode(directory, { log });
    expect(lines).toHaveLength(1);
    expect((await last.history("a")).events).toEqual(["2"]);
  });

  it("delivers at once what is not to be kept, where nothing is under way", async () => {
    const node = await startNode(testDirectory(), { historyLimits: () => ({ size: 0, ttl: 0 }) });
    await node.publish({ channel: "a" });
    await new Promise((resolve) => setImmediate(resolve));
    expect(node.publish({ channel: ["a", "b"] })).toEqual({ kind: "accepted" });
  });

  it("commits together what comes together, in its order", async () => {
    const node = await startNode(testDirectory());
    const turns: number[] = [];
    let turn = 0;
    const clock = setInterval(() => turn++, 0);
    onTestFinished(() => clearInterval(clock));
    node.onDeliver = () => void turns.push(turn);
    await Promise.all(Array.from({ length: 100 }, (_, n) => node.publish({ channel: `${n}` })));
    expect(new Set(turns).size).toBe(1);
    expect(node.order()).toEqual(Array.from({ length: 100 }, (_, n) => `${n} e`));
  });

  it("has at each delivery just what a channel keeps by then, however many were committed together", async () => {
    const node = await startNode(testDirectory(), { historyLimits: () => ({ size: 3, ttl: 60 }) });
    for (const event of ["1", "2", "3"]) await node.publish({ channel: "a", event });
    const seen: Promise<{ events: string[]; recovered: boolean }>[] = [];
    node.onDeliver = () => {
      const since = node.messages("a").at(-4)?.id;
      seen.push(node.history("a", { since }));
    };
    const events = ["4", "5", "6", "7", "8"];
    await Promise.all(events.map((event) => node.publish({ channel: "a", event })));
    const all = ["1", "2", "3", ...events];
    expect(await Promise.all(seen)).toMatchObject(
      events.map((_, at) => ({ recovered: true, events: all.slice(at + 1, at + 4) })),
    );
  });

  it("refuses pushes while too many wait for the disk, whole", async () => {
    const node = await startNode(testDirectory(), { waitingBytesMax: 3000 });
    const push = { channel: ["a", "b"], data: JSON.stringify("x".repeat(500)) };
    const first = node.publish(push);
    const second = node.publish(push);
    expect(() => node.publish(push)).toThrow(BrokerUnavailable);
    await Promise.all([first, second]);
    await node.publish({ channel: "c", data: JSON.stringify("x".repeat(5000)) });
    expect(node.order()).toEqual(["a e", "b e", "a e", "b e", "c e"]);
  });

  it("refuses pushes while the disk is full, keeps nothing of them, and goes on when there is room", async ({
    skip,
  }) => {
    const disk = smallDisk();
    if (disk === undefined) return skip("no file system may be mounted here");
    const lines: string[] = [];
    const log = (line: string) => void lines.push(line);
    const node = await startNode(disk.directory, { log: { error: log, info: log } });
    const data = JSON.stringify("x".repeat(10_000));
    const told: (string | Error)[] = [];
    for (let n = 0; n < 200; n++) {
      const idempotency = { key: `${n}`, fingerprint: "f" };
      const push = { channel: ["a", "b"], event: `${n}`, data, idempotency };
      const result = await Promise.resolve(node.publish(push)).catch((error: Error) => error);
      told.push(result instanceof Error ? result : result.kind);
      if (told.filter((each) => each instanceof Error).length === 3) break;
    }
    const accepted = told.flatMap((each, n) => (each === "accepted" ? [`${n}`] : []));
    const failed = told.flatMap((each, n) => (each instanceof Error ? [`${n}`] : []));
    expect(accepted.length).toBeGreaterThan(5);
    expect(failed).toHaveLength(3);
    for (const each of told)
      if (each instanceof Error) expect(each).toBeInstanceOf(BrokerUnavailable);
    expect(lines).toEqual([expect.stringMatching(/^the file broker cannot write: [\w/ ]+$/)]);
    for (const channel of ["a", "b"]) {
      expect(node.events(channel)).toEqual(accepted);
      expect((await node.history(channel)).events).toEqual(accepted);
    }
    disk.grow();
    for (const key of failed) {
      const idempotency = { key, fingerprint: "f" };
      const result = await node.publish({ channel: "a", event: `again ${key}`, idempotency });
      expect(result.kind).toBe("accepted");
    }
    expect(lines.at(-1)).toBe("the file broker writes again");
    await node.broker.stop();
    const after = await startNode(disk.directory);
    const all = [...accepted, ...failed.map((key) => `again ${key}`)];
    expect((await after.history("a")).events).toEqual(all);
    const since = node.messages("a")[0]?.id;
    expect(await after.history("a", { since })).toMatchObject({ recovered: true });
  });

  it("refuses further pushes while a commit does not end", async () => {
    const directory = testDirectory();
    const node = await startNode(directory, { stuckAfterMs: 100 });
    await node.publish({ channel: "a", event: "1" });
    // Another process may not publish, but it can hold the store's write lock.
    const script = `
      const { open } = require("lmdb");
      const root = open({ path: "broker.mdb", noSubdir: true, overlappingSync: false });
      root.transactionSync(() => { console.log("held"); require("fs").readSync(0, Buffer.alloc(1)); });`;
    const child = spawn(process.execPath, ["-e", script], {
      cwd: directory,
      env: { ...process.env, NODE_PATH: join(process.cwd(), "node_modules") },
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    await once(child.stdout, "data");
    const stuck = node.publish({ channel: "a", event: "2" });
    await new Promise((resolve) => setImmediate(resolve));
    const waiting = node.publish({ channel: "a", event: "3" });
    await expect(waiting).rejects.toBeInstanceOf(BrokerUnavailable);
    expect(() => node.publish({ channel: "a" })).toThrow("the disk does not answer");
    child.stdin.end("x");
    expect(await stuck).toEqual({ kind: "accepted" });
    await node.publish({ channel: "a", event: "4" });
    expect(node.events("a")).toEqual(["1", "2", "4"]);
    expect((await node.history("a")).events).toEqual(["1", "2", "4"]);
  });
});
