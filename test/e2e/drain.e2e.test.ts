import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { expect, it, onTestFinished } from "vitest";
import { createHexpush, type Hexpush, type HexpushOptions } from "../../src/index.js";
import { within } from "../support/inbox.js";
import { type Frame, RawClient } from "../support/raw-client.js";
import { lastingPort, socketUrl, startServer } from "../support/server.js";
import { query, SseClient } from "../support/sse-client.js";

const logger = pino({ level: "silent" });

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "hexpush-drain-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function start(options: HexpushOptions): Promise<{ hexpush: Hexpush; url: string }> {
  const hexpush = createHexpush({ port: 0, logger, ...options });
  const { url } = await hexpush.start();
  onTestFinished(() => hexpush.stop(0));
  return { hexpush, url };
}

interface Got {
  readonly id: string;
  readonly n: number;
}

/** A client that joins the channel `a` and goes on behind an id. */
async function follow(url: string, since: string): Promise<RawClient> {
  const client = await RawClient.connect(socketUrl(url), "2.0.0");
  client.send("a", "phx_join", { last_event_id: since });
  return client;
}

const isMessage = ({ event }: Frame) => event === "msg";

function gotOf(frames: readonly Frame[]): Got[] {
  return frames.filter(isMessage).map(({ payload }) => {
    const { id, data } = payload as { id: string; data: { n: number } };
    return { id, n: data.n };
  });
}

const text = "x".repeat(20_000);

it("a client that is catching up when the drain comes goes on with the next server", async () => {
  const options = { broker: `file:${directory()}`, sendBufferLimit: 65_536, historySize: 1_000 };
  const before = await start(options);
  const first = await RawClient.connect(socketUrl(before.url), "2.0.0");
  await first.join("a");
  await before.hexpush.push("a", "e", { n: 0, text });
  const { payload } = await first.frames.next(({ event }) => event === "msg");
  for (let n = 1; n <= 300; n++) await before.hexpush.push("a", "e", { n, text });

  const reader = await follow(before.url, (payload as Got).id);
  await reader.frames.seen(isMessage);
  reader.pause();
  const stopped = before.hexpush.stop(5);
  reader.resume();
  expect(await within(reader.closed, "the close")).toMatchObject({ code: 1012 });
  await stopped;
  const some = gotOf(reader.frames.items);
  expect(some.map(({ n }) => n)).toEqual(some.map((_, at) => at + 1));
  // Else it was no replay in the middle of which the drain came.
  expect(some.length).toBeLessThan(300);

  const after = await start(options);
  const again = await follow(after.url, some.at(-1)?.id as string);
  const reply = await again.frames.next(({ event }) => event === "phx_reply");
  expect(reply.payload).toMatchObject({ response: { recovered: true } });
  const rest = gotOf(await again.frames.take(300 - some.length));
  expect(rest.map(({ n }) => n)).toEqual(rest.map((_, at) => some.length + at + 1));
  again.close();
});

it("a stream that is catching up when the drain comes goes on with the next server", async () => {
  const options = { broker: `file:${directory()}`, sendBufferLimit: 65_536, historySize: 1_000 };
  const before = await start(options);
  const listen = (url: string, id?: string) =>
    SseClient.connect(Number(new URL(url).port), `/push_events${query(["a"])}`, {
      headers: id === undefined ? {} : { "last-event-id": id },
    });
  const first = await listen(before.url);
  const { lastEventId } = await first.events.next(({ type }) => type === "position");
  for (let n = 1; n <= 300; n++) await before.hexpush.push("a", "e", { n, text });

  const reader = await listen(before.url, lastEventId);
  await reader.message();
  reader.response.pause();
  const stopped = before.hexpush.stop(5);
  reader.response.resume();
  await within(reader.closed, "the end");
  await stopped;
  const numbers = [1, ...numbersOf(reader)];
  expect(numbers).toEqual(numbers.map((_, at) => at + 1));
  expect(numbers.length).toBeLessThan(300);
  expect(reader.events.items.at(-1)?.type).toBe("closed");

  const after = await start(options);
  const again = await listen(after.url, reader.parser.lastEventId);
  for (let n = numbers.length + 1; n <= 300; n++) {
    expect((await again.message()).data).toMatchObject({ n });
  }
  again.close();
});

function numbersOf({ events }: SseClient): number[] {
  const messages = events.items.filter(({ type }) => type === "message");
  return messages.map(({ data }) => (JSON.parse(data) as { data: { n: number } }).data.n);
}

it("a join that waits for the policy when the drain comes is not answered, and harms nobody", async () => {
  const asked: (() => void)[] = [];
  const allow = () => ({ allow: true }) as const;
  const { hexpush, url } = await start({
    policy: {
      authorizePush: allow,
      authorizeConnect: allow,
      authorizeJoin: () =>
        new Promise((resolve) => asked.push(() => resolve({ allow: true as const }))),
    },
  });
  const client = await RawClient.connect(socketUrl(url), "2.0.0");
  client.send("a", "phx_join");
  await expect.poll(() => asked.length).toBe(1);
  const stopped = hexpush.stop(5);
  expect((await within(client.closed, "the close")).code).toBe(1012);
  asked[0]?.();
  await within(stopped, "the stop");
  expect(client.frames.items).toEqual([]);
  expect(hexpush.stats()).toMatchObject({ sockets: 0, subscriptions: 0 });
});

it("a second signal in the middle of a drain ends the server, and the next one has everything", async () => {
  const port = await lastingPort();
  const env = { HEXPUSH_BROKER: `file:${directory()}`, HEXPUSH_DRAIN_TIMEOUT: "60" };
  const before = await startServer({ port, env });
  onTestFinished(() => before.kill());
  const push = (n: number) =>
    fetch(`${before.url}/api/push`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ channel: "a", event: "e", data: { n } }),
    });
  const stays = await RawClient.connect(before.wsUrl, "2.0.0");
  await stays.join("a");
  for (let n = 0; n <= 3; n++) expect((await push(n)).status).toBe(200);
  const { payload } = await stays.frames.next(({ event }) => event === "msg");
  // Enough for several batches, so that the drain takes its time.
  const crowd = await Promise.all(
    Array.from({ length: 300 }, () => RawClient.connect(before.wsUrl, "2.0.0")),
  );
  before.signal("SIGTERM");
  await within(Promise.race([stays, ...crowd].map(({ closed }) => closed)), "a close");
  expect(await before.stop("SIGTERM")).toBe(1);

  const after = await startServer({ port, env });
  onTestFinished(() => after.kill());
  const reader = await follow(after.url, (payload as Got).id);
  await reader.frames.next(({ event }) => event === "phx_reply");
  expect(gotOf(await reader.frames.take(3)).map(({ n }) => n)).toEqual([1, 2, 3]);
  reader.close();
  expect(await after.stop()).toBe(0);
});
