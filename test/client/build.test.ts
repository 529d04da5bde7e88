import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type * as Client from "../../client/src/index.js";
import { root } from "../docs/program.js";
import { CHROMIUM, WebPages } from "../support/browser.js";
import { within } from "../support/inbox.js";
import { useRig } from "./rig.js";

/** Built with the server: by `npm test`, or `npm run build`. */
const folder = join(root, "dist/client");
const script = readFileSync(join(folder, "hexpush.min.js"), "utf8");

it("the script-tag build is under 12 kB gzipped, with everything", () => {
  expect(gzipSync(script).length).toBeLessThan(12_000);
});

it("the modules import nothing but each other, and load in Node", async () => {
  const { Hexpush, HexpushError } = (await import(
    pathToFileURL(join(folder, "index.js")).href
  )) as typeof Client;

  expect(new Hexpush("ws://127.0.0.1:1/push_socket").isConnected).toBe(false);
  expect(new HexpushError("token", "over")).toBeInstanceOf(Error);
  for (const name of ["connection", "phoenix-socket", "event-stream", "transports", "hexpush"]) {
    const text = readFileSync(join(folder, `${name}.js`), "utf8");
    expect(text).not.toMatch(/from "(?!\.)/);
  }
});

const reason = CHROMIUM === undefined ? " (skipped: no Chromium on this machine)" : "";

describe.skipIf(CHROMIUM === undefined)(`in Chromium, by script tag${reason}`, () => {
  const rig = useRig();
  let pages: WebPages;

  beforeAll(async () => {
    pages = await WebPages.start();
  });

  afterAll(async () => {
    await pages?.stop();
  });

  it.each([
    ["over WebSocket a cut is resumed", false, "websocket"],
    ["over the browser's EventSource, where WebSockets are refused, too", true, "sse"],
  ])("%s", async (_what, refuseWebSockets, transport) => {
    rig.server.refuseWebSockets = refuseWebSockets;
    const page = await pages.open();
    await page.addScriptTag({ content: script });
    await page.evaluate(`{
      globalThis.told = [];
      globalThis.client = new Hexpush(${JSON.stringify(rig.server.url)}, {
        token: "t",
        reconnect: { minMs: 5, maxMs: 40 },
      });
      const news = client.subscribe("news");
      news.bind("*", (data, event) => told.push(event + " " + data));
      for (const kind of ["joined", "recovered"]) news.on(kind, (of) => told.push(kind + " " + of.recovered));
      void client.connect();
    }`);
    const told = async (count: number): Promise<unknown> => {
      await within(page.waitForFunction(`told.length >= ${count}`), "what the page was told");
      return page.evaluate("told");
    };
    const first = ["joined undefined", "e 1"];
    await told(1);
    rig.server.push("news", "e", 1);
    expect(await told(2)).toEqual(first);
    expect(await page.evaluate("client.transport")).toBe(transport);

    rig.server.cut();
    rig.server.push("news", "e", 2);
    expect(await told(5)).toEqual([...first, "joined undefined", "recovered true", "e 2"]);
    await page.evaluate("client.disconnect()");
    await expect.poll(() => rig.server.listeners.size).toBe(0);
    await page.close();
  });
});
