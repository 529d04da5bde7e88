import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { within } from "./inbox.js";
import {
  type ClientEvents,
  type ClientKind,
  type ClientOptions,
  type Driver,
  driveClient,
  type MakeClient,
  type RemoteDriver,
  type Report,
  TestClient,
} from "./phoenix-client.js";

const { HEXPUSH_TEST_CHROMIUM = "/usr/bin/chromium" } = process.env;

/** Where Chromium is; undefined where it is not installed. */
export const CHROMIUM = existsSync(HEXPUSH_TEST_CHROMIUM) ? HEXPUSH_TEST_CHROMIUM : undefined;

/** By path, what the pages load: the files that their authors publish for browsers, and ours. */
const SCRIPTS: Readonly<Record<string, string>> = {
  "/phoenix.js": join(dirname(resolve("phoenix")), "phoenix.min.js"),
  "/phoenix17.js": join(dirname(resolve("phoenix17")), "phoenix.min.js"),
  "/pushex.js": resolve("pushex"),
  "/hexpush.js": fileURLToPath(new URL("../../dist/client/hexpush.min.js", import.meta.url)),
};

/** Pages of an origin of their own, in a headless Chromium. */
export class WebPages {
  readonly #browser: Browser;
  readonly #site: Server;
  readonly #pages = new Map<string, Promise<Page>>();
  readonly #reports = new Map<number, Report>();
  #clients = 0;
  readonly origin: string;
  /** The same pages under another name. */
  readonly otherOrigin: string;

  private constructor(browser: Browser, site: Server) {
    this.#browser = browser;
    this.#site = site;
    const { port } = site.address() as AddressInfo;
    this.origin = `http://127.0.0.1:${port}`;
    this.otherOrigin = `http://localhost:${port}`;
  }

  static async start(): Promise<WebPages> {
    const site = createServer((request, response) => {
      const script = SCRIPTS[request.url ?? ""];
      if (script === undefined) {
        const name = request.url === "/" ? "" : `<script src="${request.url}.js"></script>`;
        response.setHeader("content-type", "text/html; charset=utf-8");
        response.end(`<!doctype html><title>A page</title>${name}`);
        return;
      }
      response.setHeader("content-type", "text/javascript; charset=utf-8");
      readFile(script).then(
        (text) => response.end(text),
        () => response.destroy(),
      );
    });
    await new Promise<void>((done) => site.listen(0, "127.0.0.1", done));
    const browser = await chromium.launch({
      ...(CHROMIUM !== undefined && { executablePath: CHROMIUM }),
      args: [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    });
    return new WebPages(browser, site);
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    this.#site.closeAllConnections();
    await new Promise((done) => this.#site.close(done));
  }

  /** @param path `/`, or a library's name to have it loaded. */
  async open(path = "/", origin = this.origin): Promise<Page> {
    const page = await this.#browser.newPage();
    await page.goto(`${origin}${path}`);
    return page;
  }

  /** In the page of its library, over the browser's WebSocket. */
  readonly client: MakeClient = (kind, options) =>
    TestClient.create(async (report) => {
      const page = await this.#pageOf(kind.library);
      const id = ++this.#clients;
      this.#reports.set(id, report);
      await page.evaluate(startDriver(id, kind, options));
      return pageDriver(page, id);
    });

  /** One for all clients of a library: a page costs more than everything that they do in it. */
  #pageOf(library: ClientKind["library"]): Promise<Page> {
    let page = this.#pages.get(library);
    if (page === undefined) {
      page = this.#openLibrary(library);
      this.#pages.set(library, page);
    }
    return page;
  }

  async #openLibrary(library: string): Promise<Page> {
    const page = await this.open(`/${library}`);
    await page.exposeFunction("report", (id: number, kind: keyof ClientEvents, value: never) =>
      this.#reports.get(id)?.(kind, value),
    );
    await page.evaluate("globalThis.drivers = {}; undefined");
    return page;
  }
}

function startDriver(id: number, { library, vsn }: ClientKind, options: ClientOptions): string {
  const name = library === "pushex" ? "Pushex" : "Phoenix";
  const given = JSON.stringify({ ...options, vsn });
  return `drivers[${id}] = (${driveClient})(${name}, ${given}, (...of) => report(${id}, ...of)); undefined`;
}

function pageDriver(page: Page, id: number): RemoteDriver {
  const call = async (method: keyof Driver, ...args: string[]): Promise<void> => {
    const list = args.map((arg) => JSON.stringify(arg)).join();
    await within(page.evaluate(`drivers[${id}].${method}(${list})`), `the page's ${method}`);
  };
  return {
    connect: () => call("connect"),
    disconnect: () => call("disconnect"),
    join: (channel) => call("join", channel),
    leave: (channel) => call("leave", channel),
  };
}

function resolve(name: string): string {
  return createRequire(import.meta.url).resolve(name);
}
