import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { CHROMIUM, WebPages } from "../support/browser.js";
import {
  CLIENT_KINDS,
  type ClientKind,
  nodeClient,
  type TestClient,
} from "../support/phoenix-client.js";
import { startServer, type TestServer } from "../support/server.js";
import { describeClients, newChannel } from "./client-rules.js";
import { describeRestart } from "./restart-rules.js";

const reason = CHROMIUM === undefined ? " (skipped: no Chromium on this machine)" : "";

describe.skipIf(CHROMIUM === undefined)(`in a web page of another origin${reason}`, () => {
  let pages: WebPages;

  beforeAll(async () => {
    pages = await WebPages.start();
  });

  afterAll(async () => {
    await pages?.stop();
  });

  const makeClient = () => pages.client;

  describeClients(makeClient);
  describeRestart(makeClient, ["SIGTERM"]);

  describe("of any origin, on loopback", () => {
    let server: TestServer;
    let page: Page;

    beforeAll(async () => {
      page = await pages.open();
      server = await startServer({ env: { HEXPUSH_API_KEYS: "the-key" } });
    });

    afterAll(async () => {
      await server?.kill();
    });

    it("a push by fetch is answered", async () => {
      const push = { channel: newChannel(), event: "e", data: 1 };
      const client = await subscriber(server, push.channel);

      const answer = await fetchFrom(page, server, json(push), { authorization: "Bearer the-key" });

      expect(answer).toEqual({ status: 200, body: { ...push, channel: [push.channel] } });
      expect(await client.messages.next()).toEqual(push);
    });

    it("a push that is denied can be told from a fault of the network", async () => {
      const answer = await fetchFrom(page, server, json({ channel: "c", event: "e", data: 1 }));

      expect(answer).toEqual({ status: 403, body: { error: "Access Forbidden" } });
    });
  });

  describe("where one origin is allowed", () => {
    let server: TestServer;
    let allowed: Page;
    let foreign: Page;

    beforeAll(async () => {
      foreign = await pages.open("/", pages.origin);
      allowed = await pages.open("/", pages.otherOrigin);
      server = await startServer({ env: { HEXPUSH_ALLOWED_ORIGINS: pages.otherOrigin } });
    });

    afterAll(async () => {
      await server?.kill();
    });

    it("a page of it connects, and no other page does", async () => {
      expect(await connectFrom(allowed, server)).toBe("open");
      expect(await connectFrom(foreign, server)).toBe("error");
    });

    it.each(CLIENT_KINDS)("$name is refused in another page", async (kind) => {
      const client = await pages.client(kind, { url: server.wsUrl });
      onTestFinished(() => client.disconnect());

      expect(await client.connect()).toBe("error");
    });

    describe.each([
      ["JSON, which a browser asks about first", json],
      ["a form, which a browser sends unasked", form],
    ])("a push as %s", (_what, encode) => {
      it("is answered in a page of it", async () => {
        const push = { channel: newChannel(), event: "e", data: "real" };
        const client = await subscriber(server, push.channel);

        expect(await fetchFrom(allowed, server, encode(push))).toMatchObject({ status: 200 });
        expect(await client.messages.next()).toEqual(push);
      });

      it("is blocked in another page, and reaches nobody", async () => {
        const push = { channel: newChannel(), event: "e", data: "forged" };
        const client = await subscriber(server, push.channel);

        expect(await fetchFrom(foreign, server, encode(push))).toBe("TypeError");
        const after = { ...push, data: "real" };
        await fetchFrom(allowed, server, json(after));
        expect(await client.messages.next()).toEqual(after);
      });
    });
  });
});

interface Body {
  readonly type: string;
  readonly body: string;
}

function json(push: object): Body {
  return { type: "application/json", body: JSON.stringify(push) };
}

function form(push: Record<string, string>): Body {
  return { type: "application/x-www-form-urlencoded", body: `${new URLSearchParams(push)}` };
}

/** A push by a page's `fetch`; the name of the error where the page is told nothing else. */
function fetchFrom(page: Page, server: TestServer, { type, body }: Body, headers = {}) {
  return page.evaluate(
    async ([url, init]) => {
      try {
        const response = await fetch(url, init);
        return { status: response.status, body: (await response.json()) as unknown };
      } catch (error) {
        return (error as Error).name;
      }
    },
    [
      `${server.url}/api/push`,
      { method: "POST", headers: { "content-type": type, ...headers }, body },
    ] as const,
  );
}

function connectFrom(page: Page, server: TestServer): Promise<string> {
  const url = JSON.stringify(`${server.wsUrl}/websocket?vsn=2.0.0`);
  return page.evaluate(`new Promise((resolve) => {
    const socket = new WebSocket(${url});
    socket.onopen = () => resolve("open");
    socket.onerror = () => resolve("error");
  })`);
}

/** In Node: it has no origin, so it may always connect. */
async function subscriber(server: TestServer, channel: string): Promise<TestClient> {
  const client = await nodeClient(CLIENT_KINDS[0] as ClientKind, { url: server.wsUrl });
  onTestFinished(() => client.disconnect());
  await client.connect();
  await client.join(channel);
  return client;
}
