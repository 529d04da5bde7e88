import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { CHROMIUM, WebPages } from "../support/browser.js";
import { PATIENCE_MS } from "../support/inbox.js";
import { lastingPort, startServer, type TestServer } from "../support/server.js";
import { CHANNELS, KINDS, PageReader } from "./page-readers.js";

const reason = CHROMIUM === undefined ? " (skipped: no Chromium on this machine)" : "";
const patiently = { timeout: PATIENCE_MS };
const isMessage = (item: string) => /^\w+ \d+$/.test(item);

/** Pushes 1, 2, 3, …, each until it is accepted, as an application does that cannot lose one. */
class Backend {
  readonly #url: string;
  readonly #accepted: number[] = [];
  #isPushing = false;
  #done = Promise.resolve();

  constructor(url: string) {
    this.#url = url;
  }

  get count(): number {
    return this.#accepted.length;
  }

  /** What was pushed to this channel, as a page lists it. */
  listed(channel: string): string[] {
    return this.#accepted.filter((n) => channelOf(n) === channel).map((n) => `${channel} ${n}`);
  }

  async push(): Promise<void> {
    const n = this.count + 1;
    while (!(await this.#isAccepted(n))) await wait(20);
    this.#accepted.push(n);
  }

  /** One every few milliseconds, until `stop`. */
  start(): void {
    this.#isPushing = true;
    const run = async (): Promise<void> => {
      while (this.#isPushing) {
        await this.push();
        await wait(5);
      }
    };
    this.#done = run();
  }

  async stop(): Promise<void> {
    this.#isPushing = false;
    await this.#done;
  }

  async #isAccepted(n: number): Promise<boolean> {
    try {
      const answer = await fetch(`${this.#url}/api/push`, {
        method: "POST",
        // The server may have accepted it before it died.
        headers: { "content-type": "application/json", "idempotency-key": `n${n}` },
        body: JSON.stringify({ channel: channelOf(n), event: "e", data: n }),
      });
      await answer.body?.cancel();
      if (answer.status !== 200 && answer.status !== 503) throw new RangeError(`${answer.status}`);
      return answer.status === 200;
    } catch (error) {
      if (error instanceof RangeError) throw error;
      return false;
    }
  }
}

function channelOf(n: number): string {
  return CHANNELS[n % 3 === 0 ? 1 : 0];
}

describe.skipIf(CHROMIUM === undefined)(`pages that list what they get${reason}`, () => {
  let pages: WebPages;

  beforeAll(async () => {
    pages = await WebPages.start();
  });

  afterAll(async () => {
    await pages?.stop();
  });

  async function start(env: Record<string, string>) {
    const port = await lastingPort();
    const servers: TestServer[] = [];
    const serve = async () => {
      servers.push(await startServer({ port, env }));
    };
    await serve();
    const url = `http://127.0.0.1:${port}`;
    const backend = new Backend(url);
    const readers = await Promise.all(KINDS.map((kind) => PageReader.open(pages, kind, port)));
    onTestFinished(async () => {
      await backend.stop();
      await Promise.all(readers.map((reader) => reader.close()));
      for (const server of servers) await server.kill();
    });
    await all(readers, async (reader) => {
      await reader.shows(1, "open");
      expect(await reader.transport).toBe(reader.kind.transport);
    });
    // Whoever subscribes gets what is pushed from then on.
    await expect
      .poll(() => subscribers(url), patiently)
      .toEqual(CHANNELS.map(() => readers.length));
    return {
      backend,
      readers,
      async restart(signal: NodeJS.Signals): Promise<void> {
        await servers.at(-1)?.stop(signal);
        await serve();
      },
    };
  }

  function durable(): Record<string, string> {
    const directory = mkdtempSync(join(tmpdir(), "hexpush-pages-"));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    return { HEXPUSH_BROKER: `file:${directory}`, HEXPUSH_HISTORY_SIZE: "100000" };
  }

  type Site = Awaited<ReturnType<typeof start>>;

  /** Messages come quickly all the time: before the break, meanwhile and after it. */
  async function survives({ backend, readers }: Site, breakNow: () => Promise<void>) {
    backend.start();
    await all(readers, (reader) => reader.reaches(30));
    await breakNow();
    const back = backend.count + 1;
    await all(readers, (reader) => reader.reaches(back));
    await backend.stop();
    // On each channel a last one, behind which nothing comes twice.
    for (let n = 0; n < 3; n++) await backend.push();
    await all(readers, async (reader) => {
      for (const channel of CHANNELS) {
        await reader.shows(backend.listed(channel).length, channel);
      }
    });

    for (const reader of readers) {
      const { name, whole } = reader.kind;
      const items = await reader.items();
      for (const channel of CHANNELS) {
        const got = items.filter((item) => isMessage(item) && item.startsWith(`${channel} `));
        expect(got, name).toEqual(backend.listed(channel));
      }
      const said = items.filter((item) => !isMessage(item) && item !== "open" && item !== "error");
      const wanted = whole === undefined ? [] : CHANNELS.map((channel) => `${whole} ${channel}`);
      expect(new Set(said), name).toEqual(new Set(wanted));
      expect(items.filter((item) => item === "open").length, name).toBeGreaterThan(1);
    }
  }

  it("show every message once and in order over a network cut", async () => {
    const site = await start(durable());
    const { backend, readers } = site;
    await survives(site, async () => {
      await all(readers, (reader) => reader.setOffline(true));
      const during = backend.count + 30;
      await expect.poll(() => backend.count, patiently).toBeGreaterThan(during);
      await all(readers, (reader) => reader.setOffline(false));
      await all(readers, (reader) => reader.reaches(during));

      // The offline mode lets no page connect, but breaks no connection that is open: an EventSource
      // goes on as ever, and a WebSocket brings later what has come meanwhile. So those are cut too.
      await all(readers, (reader) => reader.setOffline(true));
      for (const { cable } of readers) cable.cut();
      const made = readers.map(({ cable }) => cable.made);
      const before = backend.count;
      await all(readers, (reader) => reader.shows(2, "error"));
      expect(readers.map(({ cable }) => cable.made)).toEqual(made);
      expect(backend.count).toBeGreaterThan(before + 30);
      await all(readers, (reader) => reader.setOffline(false));
    });
  }, 60_000);

  it.each(["SIGTERM", "SIGKILL"] as const)(
    "show every message once and in order over a restart by %s on the file broker",
    async (signal) => {
      const site = await start(durable());
      await survives(site, () => site.restart(signal));
    },
    60_000,
  );

  it("are told of the gap behind a restart on the memory broker, and go on", async () => {
    const { backend, readers, restart } = await start({});
    for (let n = 1; n <= 3; n++) await backend.push();
    await all(readers, (reader) => reader.reaches(3));
    await restart("SIGTERM");
    await all(readers, (reader) => reader.shows(CHANNELS.length, "lost"));
    for (let n = 4; n <= 6; n++) await backend.push();
    await all(readers, (reader) => reader.reaches(6));

    for (const reader of readers) {
      const items = await reader.items();
      const told = items.filter((item) => item !== "open" && item !== "error");
      expect(told, reader.kind.name).toEqual([
        ...["news 1", "news 2", "prices 3"],
        ...CHANNELS.map((channel) => `lost ${channel}`),
        ...["news 4", "news 5", "prices 6"],
      ]);
    }
  }, 60_000);
});

function all(
  readers: readonly PageReader[],
  each: (reader: PageReader) => Promise<void>,
): Promise<unknown> {
  return Promise.all(readers.map(each));
}

async function subscribers(url: string): Promise<number[]> {
  return Promise.all(
    CHANNELS.map(async (channel) => {
      const answer = await fetch(`${url}/api/channels/${channel}`);
      return ((await answer.json()) as { subscribers: number }).subscribers;
    }),
  );
}
