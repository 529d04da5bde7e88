import type { Page } from "playwright-core";
import type { WebPages } from "../support/browser.js";
import { Cable } from "../support/cable.js";
import { within } from "../support/inbox.js";

export const CHANNELS = ["news", "prices"] as const;

/** An EventSource comes back in 2 to 5 seconds, and its first attempt may fail. */
const BACK_MS = 15_000;

interface Kind {
  readonly name: string;
  /** The connections to the server that do not come through. */
  readonly refuses?: RegExp;
  /** Of the client, once it is there. */
  readonly transport?: string;
  readonly path: string;
  readonly script: string;
  /** What tells, once for each channel, that nothing was lost; `told` has none where nothing does. */
  readonly whole: string | undefined;
}

/*
 * Everything is an item of the page's list: "news 7" for a message, "open" and "error" for the
 * connection, and what is said about losses.
 */
const LIST = `
  const list = document.body.appendChild(document.createElement("ol"));
  globalThis.newest = 0;
  globalThis.counts = {};
  const show = (text) => {
    const [word, n] = text.split(" ");
    newest = Math.max(newest, Number(n) || 0);
    counts[word] = (counts[word] ?? 0) + 1;
    const item = document.createElement("li");
    item.textContent = text;
    list.append(item);
  };
`;

const CLIENT = `
  globalThis.client = new Hexpush("ws://HOST/push_socket", {
    onConnect: () => show("open"),
    onError: () => show("error"),
    reconnect: { minMs: 100, maxMs: 1000 },
  });
  for (const channel of CHANNELS) {
    const subscription = client.subscribe(channel);
    subscription.bind("e", (data) => show(channel + " " + data));
    subscription.on("recovered", ({ recovered }) => show((recovered ? "whole " : "lost ") + channel));
  }
  client.connect();
`;

export const KINDS: readonly Kind[] = [
  {
    name: "EventSource",
    path: "/",
    script: `
      const query = new URLSearchParams(CHANNELS.map((channel) => ["channel", channel]));
      const source = new EventSource("http://HOST/push_events?" + query);
      source.onopen = () => show("open");
      source.onerror = () => show("error");
      source.onmessage = (message) => {
        const { channel, data } = JSON.parse(message.data);
        show(channel + " " + data);
      };
      source.addEventListener("gap", ({ data }) => show("lost " + JSON.parse(data).channel));
    `,
    whole: undefined,
  },
  {
    name: "hexpush/client",
    transport: "websocket",
    path: "/hexpush",
    script: CLIENT,
    whole: "whole",
  },
  {
    name: "hexpush/client where WebSockets are blocked",
    refuses: /\r\nupgrade: websocket\r\n/i,
    transport: "sse",
    path: "/hexpush",
    script: CLIENT,
    whole: "whole",
  },
];

/** A page that lists what it gets, behind a cable of its own. */
export class PageReader {
  readonly kind: Kind;
  readonly cable: Cable;
  readonly #page: Page;

  private constructor(kind: Kind, cable: Cable, page: Page) {
    this.kind = kind;
    this.cable = cable;
    this.#page = page;
  }

  static async open(pages: WebPages, kind: Kind, port: number): Promise<PageReader> {
    const { refuses } = kind;
    const cable = await Cable.open(port, refuses === undefined ? {} : { refuses });
    const page = await pages.open(kind.path);
    const script = kind.script
      .replaceAll("HOST", `127.0.0.1:${cable.port}`)
      .replaceAll("CHANNELS", JSON.stringify(CHANNELS));
    await page.evaluate(`{ ${LIST} ${script} }`);
    return new PageReader(kind, cable, page);
  }

  async close(): Promise<void> {
    await this.#page.close();
    await this.cable.stop();
  }

  get transport(): Promise<unknown> {
    return this.#page.evaluate("globalThis.client?.transport");
  }

  setOffline(isOffline: boolean): Promise<void> {
    return this.#page.context().setOffline(isOffline);
  }

  /** What the page lists, from top to bottom. */
  async items(): Promise<string[]> {
    return (await this.#page.evaluate(
      `[...document.querySelectorAll("li")].map((item) => item.textContent)`,
    )) as string[];
  }

  /** Resolves once so many items begin with this word. */
  async shows(count: number, word: string): Promise<void> {
    await this.#until(`counts[${JSON.stringify(word)}] >= ${count}`, `${count} times ${word}`);
  }

  /** Resolves once a message of this number or a later one is listed. */
  async reaches(n: number): Promise<void> {
    await this.#until(`newest >= ${n}`, `a message from ${n} on`);
  }

  async #until(condition: string, what: string): Promise<void> {
    const options = { polling: 50, timeout: 0 };
    const reached = this.#page.waitForFunction(condition, undefined, options);
    // A page that is closed meanwhile has been given up on.
    reached.catch(() => undefined);
    await within(reached, `${what} in the page with ${this.kind.name}`, BACK_MS);
  }
}
