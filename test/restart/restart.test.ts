import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { lastingPort, startServer, type TestServer } from "../support/server.js";
import { linesByKind, peakPerSecond } from "./figures.js";
import { type ClientReport, Fleet } from "./fleet.js";
import { Pusher } from "./pusher.js";

/*
 * A node with many clients is restarted on the file broker while a backend pushes: all come back,
 * have every message once and in order, and do not come faster than the node admits them.
 *
 * HEXPUSH_TEST_CLIENTS and HEXPUSH_TEST_RATE: how many, and how many a second are admitted.
 * HEXPUSH_TEST_UNBOUNDED=1: the node admits all at once; the run must fail then.
 */

const CLIENTS = Number(process.env.HEXPUSH_TEST_CLIENTS ?? 1_000);
const RATE = Number(process.env.HEXPUSH_TEST_RATE ?? 250);
const UNBOUNDED = process.env.HEXPUSH_TEST_UNBOUNDED === "1";
const PROCESSES = 2;
const CHANNELS = 50;
/** How long all of it may take, in milliseconds. */
const LONGEST_MS = 180_000;

it(
  "a restart: all are back with every message, no faster than they are admitted",
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "hexpush-restart-"));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const port = await lastingPort();
    const start = async (): Promise<TestServer> => {
      const env = {
        HEXPUSH_BROKER: `file:${directory}`,
        HEXPUSH_CONNECT_RATE: UNBOUNDED ? "0" : `${RATE}`,
      };
      const server = await startServer({ port, env });
      onTestFinished(() => server.kill());
      return server;
    };
    const before = await start();
    const channels = Array.from({ length: CHANNELS }, (_, number) => `channel:${number}`);
    const fleets = Array.from({ length: PROCESSES }, () => {
      const options = { url: before.url, wsUrl: before.wsUrl, channels };
      const clients = Math.ceil(CLIENTS / PROCESSES);
      const fleet = new Fleet({ ...options, clients, perSecond: RATE });
      onTestFinished(() => fleet.end());
      return fleet;
    });
    await Promise.all(fleets.map(({ joined }) => joined));
    const pusher = new Pusher(before.url, channels);
    // Each channel has got something before, so that a client that starts anew would be seen.
    await pusherHasReached(pusher, channels, 2);

    const stoppedAt = Date.now();
    before.signal("SIGTERM");
    const exit = await before.exited();
    const exitedAt = Date.now();
    const after = await start();
    const listeningAt = Date.now();
    const growth = await watchSockets(after.url, fleets.length * Math.ceil(CLIENTS / PROCESSES));
    const reached = Math.max(...Object.values(pusher.finals)) + 2;
    await pusherHasReached(pusher, channels, reached);
    await pusher.stop();
    const missing = await Promise.all(fleets.map((fleet) => fleet.settled(pusher.finals)));
    const clients = (await Promise.all(fleets.map((fleet) => fleet.report()))).flat();

    const returns = clients.flatMap(({ opens }) => opens.filter((at) => at >= exitedAt));
    const peak = peakPerSecond(returns);
    const sum = (of: (client: ClientReport) => number) =>
      clients.reduce((total, client) => total + of(client), 0);
    const recovered = clients.filter(({ joins }) => joins.at(-1)?.recovered === true).length;
    console.log(
      [
        `${clients.length} clients, ${CHANNELS} channels, ${RATE} connects a second`,
        `drained in ${exitedAt - stoppedAt} ms, listening again after ${listeningAt - exitedAt} ms`,
        `connects a second: ${peak} at most by the clients, ${growth.peak} by /api/stats`,
        `all back ${growth.ms} ms after that`,
        `messages ${sum(({ next }) => next - 1)}, lost ${sum(({ lost }) => lost)}, ` +
          `twice or late ${sum(({ duplicated }) => duplicated)}, ` +
          `without their last ${missing.reduce((total, each) => total + each, 0)}`,
        `resumed ${recovered}; pushes tried again ${pusher.retried}, ${pusher.retries} times`,
        ...linesByKind(clients, listeningAt),
      ].join("\n"),
    );

    // uWebSockets.js complains there where a late upgrade is not done as it should be.
    const quiet = { code: 0, signal: null, stderr: "" };
    expect(exit).toEqual(quiet);
    expect(missing).toEqual(fleets.map(() => 0));
    const harmed = clients.filter(({ lost, duplicated }) => lost + duplicated > 0);
    expect(harmed).toEqual([]);
    // None came in the first server's last moments only to be cut, and none was told of a gap.
    expect(recovered).toBe(clients.length);
    const codes = new Set(clients.map(({ closes }) => closes[0]?.code));
    expect([...codes]).toEqual([1012]);
    const hints = clients.map(({ closes }) => closes[0]?.reason);
    expect(hints.filter((reason) => !/^retry in \d+$/.test(reason ?? ""))).toEqual([]);
    expect(returns.length).toBe(clients.length);
    // A tenth is admitted at once. The rest is for the clients' clocks, which run in bursts under load.
    expect(peak).toBeLessThanOrEqual(RATE * 1.5);
    after.signal("SIGTERM");
    expect(await after.exited()).toEqual(quiet);
  },
  LONGEST_MS,
);

async function pusherHasReached(pusher: Pusher, channels: readonly string[], n: number) {
  const reached = () => channels.every((channel) => (pusher.finals[channel] ?? 0) >= n);
  await expect.poll(reached, { timeout: 60_000, interval: 50 }).toBe(true);
}

interface Growth {
  /** Until all sockets were there. */
  readonly ms: number;
  /** Most that came within one second. */
  readonly peak: number;
}

/** Looks at the node's own count until all are there. */
async function watchSockets(url: string, all: number): Promise<Growth> {
  const began = Date.now();
  const looks: { readonly at: number; readonly sockets: number }[] = [];
  let peak = 0;
  for (;;) {
    const answer = await fetch(`${url}/api/stats`);
    const { sockets } = (await answer.json()) as { sockets: number };
    const at = Date.now();
    looks.push({ at, sockets });
    const earlier = looks.filter((look) => look.at >= at - 1000);
    peak = Math.max(peak, sockets - (earlier[0]?.sockets ?? 0));
    if (sockets >= all) return { ms: at - began, peak };
    if (at - began > 90_000) throw new Error(`${sockets} of ${all} sockets are back`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
