import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { CHROMIUM, WebPages } from "../../support/browser.js";
import { Cable } from "../../support/cable.js";
import { within } from "../../support/inbox.js";
import { publish, startWithBroker } from "../../support/sse-server.js";
import { serveOnBridge } from "../uws/http-servers.js";

type Origin = Awaited<ReturnType<typeof startWithBroker>>;
type Page = Awaited<ReturnType<WebPages["open"]>>;

describe.skipIf(CHROMIUM === undefined)("a browser's own EventSource", () => {
  let pages: WebPages;
  let stops: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    pages = await WebPages.start();
  });
  afterAll(() => pages.stop());
  afterEach(async () => {
    for (const stop of stops.reverse()) await stop();
    stops = [];
  });

  /** On uWebSockets.js, behind a cable; clients come back soon. */
  async function start(given: Parameters<typeof startWithBroker>[0] = {}): Promise<Origin> {
    const server = await startWithBroker({ serve: serveOnBridge, random: () => -0.65, ...given });
    stops.push(() => server.stop());
    return server;
  }

  async function open(server: Origin, path: string): Promise<{ page: Page; cable: Cable }> {
    const cable = await Cable.open(server.port);
    stops.push(() => cable.stop());
    const page = await pages.open();
    stops.push(() => page.close());
    await page.evaluate(`
      globalThis.got = [];
      globalThis.source = new EventSource("http://127.0.0.1:${cable.port}${path}");
      source.onmessage = ({ data, lastEventId }) => got.push(["message", JSON.parse(data).data, lastEventId, JSON.parse(data).channel]);
      for (const name of ["gap", "denied", "closed", "position"]) {
        source.addEventListener(name, ({ data }) => got.push([name, JSON.parse(data)]));
      }
      undefined;
    `);
    return { page, cable };
  }

  const got = (page: Page) =>
    page.evaluate("got") as Promise<[string, unknown, string?, string?][]>;
  const messages = async (page: Page) =>
    (await got(page)).filter(([type]) => type === "message").map(([, data]) => data);

  const messagesOf = async (page: Page, channel: string) =>
    (await got(page)).filter(([, , , name]) => name === channel).map(([, data]) => data);

  async function until(condition: () => Promise<boolean> | boolean, what: string): Promise<void> {
    const poll = async () => {
      while (!(await condition())) await new Promise((done) => setTimeout(done, 20));
    };
    await within(poll(), what);
  }

  it("gets every message of several channels once and in order across cut connections", async () => {
    const server = await start();
    const { page, cable } = await open(server, "/?channel=a&channel=b");
    await until(() => server.transport.size === 1, "the stream");
    // Cut before any message has come: the position alone is what it comes back with.
    await until(async () => (await got(page)).length > 0, "the position");
    let sent = 0;
    for (let round = 0; round < 3; round++) {
      cable.cut();
      await until(() => server.transport.size === 0, "the cut");
      for (let n = 0; n < 100; n++) publish(server.broker, n % 3 ? "a" : ["a", "b"], ++sent);
      await until(() => server.transport.size === 1, "the browser's return");
      for (let n = 0; n < 10; n++) publish(server.broker, "b", ++sent);
      await until(async () => (await messagesOf(page, "b")).at(-1) === sent, "the messages");
      await until(async () => (await messagesOf(page, "a")).at(-1) === sent - 10, "the rest");
    }
    const wanted: Record<string, number[]> = { a: [], b: [] };
    for (let n = 1; n <= sent; n++) {
      const place = (n - 1) % 110;
      if (place < 100) wanted.a?.push(n);
      if (place >= 100 || place % 3 === 0) wanted.b?.push(n);
    }
    for (const channel of ["a", "b"]) {
      expect(await messagesOf(page, channel)).toEqual(wanted[channel]);
    }
    expect((await got(page)).filter(([type]) => type === "gap")).toEqual([]);
  });

  it("is told of the gap behind a restart of a server that keeps all in memory", async () => {
    const before = await start();
    const { page, cable } = await open(before, "/?channel=a&channel=b");
    await until(() => before.transport.size === 1, "the stream");
    publish(before.broker, "a", 1);
    await until(async () => (await messages(page)).length === 1, "the message");
    const after = await start();
    cable.to = after.port;
    await before.stop();
    await until(() => after.transport.size === 1, "the browser's return");
    publish(after.broker, "b", 2);
    await until(async () => (await messages(page)).length === 2, "the message");
    const id = after.broker.position("a")?.replace(/\d+$/, "0");
    expect((await got(page)).filter(([type]) => type === "gap")).toEqual([
      ["gap", { channel: "a", recovered: false, id }],
      ["gap", { channel: "b", recovered: false, id }],
    ]);
  });

  it("stays away where all is denied, and comes back behind a drain", async () => {
    const server = await start({
      policy: {
        authorizeJoin: ({ channel }) => (channel === "no" ? { allow: false } : { allow: true }),
      },
    });
    const denied = await open(server, "/?channel=no");
    await until(async () => (await denied.page.evaluate("source.readyState")) === 2, "its end");
    const drained = await open(server, "/?channel=a&channel=no");
    await until(() => server.transport.size === 1, "the stream");
    for (const socket of server.transport.sockets(1)) {
      server.transport.close(socket, { kind: "drain", retryMs: 0 });
    }
    publish(server.broker, "a", "while away");
    await until(async () => (await messages(drained.page)).length === 1, "what it missed");
    const types = (await got(drained.page)).map(([type]) => type);
    expect(types).toEqual(["denied", "position", "closed", "denied", "position", "message"]);
  });
});
