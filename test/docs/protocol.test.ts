import { describe, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import {
  type AuthPolicy,
  createHexpush,
  type Hexpush,
  type HexpushOptions,
  Json,
  TOKENS,
} from "../../src/index.js";
import { type Block, blocksOf, readPage } from "./markdown.js";

// Each ```text frames VSN block of docs/protocol.md is played on a socket of its own against a
// server of its own, as it ships; with HEXPUSH_HISTORY_SIZE=N behind VSN, where channels keep N
// messages. The page's ids are of one epoch, which stands for the server's:
// - `→ TEXT` the client sends a text frame, `→ hex XX XX …` a binary one, `→ bytes N` a text frame
//   of N characters, `→ close CODE` a close frame;
// - `← TEXT` the server sends exactly this text frame;
// - `← close CODE [REASON]` the server's close code, `← lost` a connection that ends without one;
//   a number behind `retry in` stands for any;
// - `push JSON` somebody posts this to /api/push;
// - `disconnect ID` the program closes the sockets of this id, `drain` it stops.
// Nothing else may arrive: a heartbeat behind each step must be answered next.

const PAGE = "docs/protocol.md";
const blocks = blocksOf(readPage(PAGE)).filter(
  ({ language, info }) => language === "text" && info.startsWith("frames"),
);

const policy: AuthPolicy = {
  authorizePush: () => ({ allow: true }),
  authorizeConnect: () => ({ allow: true, identity: { socketId: "ann" } }),
  authorizeJoin: ({ channel }) => {
    if (channel === "secret") return { allow: false };
    if (channel === "vip") return { allow: false, reason: "members only" };
    if (channel === "greeting") return { allow: true, response: Json.of({ hello: "you" }) };
    return { allow: true };
  },
};

/** The one in the page's ids that stands for the server's. */
const EPOCH = "3f9a1c2b7d40";

let hexpush: Hexpush;
let origin: string;
let epoch: string;

async function start(settings: HexpushOptions): Promise<void> {
  hexpush = createHexpush({ port: 0, logLevel: "silent", policy, ...settings });
  ({ url: origin } = await hexpush.start());
  const { position } = await hexpush.history("any");
  epoch = position?.replace(/-\d+$/, "") ?? EPOCH;
}

/** A raw client: what has come is there to be taken, in order. */
class Client {
  readonly #ws: WebSocket;
  readonly #events: string[] = [];
  #wake: (() => void) | undefined;

  constructor(vsn: string) {
    const query = vsn === "none" ? "" : `?vsn=${vsn}`;
    this.#ws = new WebSocket(`${origin.replace("http", "ws")}/push_socket/websocket${query}`);
    this.#ws.on("open", () => this.#arrived("open"));
    this.#ws.on("message", (data) => this.#arrived(String(data)));
    this.#ws.on("error", () => {});
    this.#ws.on("close", (code, reason) => {
      this.#arrived(code === 1006 ? "lost" : `close ${code} ${reason.toString()}`.trim());
    });
  }

  send(frame: string | Buffer): void {
    this.#ws.send(frame);
  }

  close(code?: number): void {
    this.#ws.close(code);
  }

  async take(): Promise<string> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) return event;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #arrived(event: string): void {
    this.#events.push(event);
    this.#wake?.();
  }
}

/** @returns the frame that answers it. */
function heartbeat(client: Client, vsn: string, ref: string): string {
  if (vsn.startsWith("2")) {
    client.send(`[null,"${ref}","phoenix","heartbeat",{}]`);
    return `[null,"${ref}","phoenix","phx_reply",{"response":{},"status":"ok"}]`;
  }
  client.send(`{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"${ref}"}`);
  return `{"event":"phx_reply","payload":{"response":{},"status":"ok"},"ref":"${ref}","topic":"phoenix"}`;
}

async function act(client: Client, written: string): Promise<void> {
  const line = written.replaceAll(EPOCH, epoch);
  const [verb = "", ...rest] = line.split(" ");
  const text = rest.join(" ");
  if (verb === "push") {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${origin}/api/push`, { method: "POST", headers, body: text });
    expect(answer.status).toBe(200);
  } else if (verb === "disconnect") {
    hexpush.container.get(TOKENS.subscriptions).closeSockets(text);
  } else if (verb === "drain") {
    await hexpush.stop(0.2);
  } else if (verb === "→") {
    const [kind, ...values] = rest;
    if (kind === "hex") client.send(Buffer.from(values.join(""), "hex"));
    else if (kind === "bytes") client.send("x".repeat(Number(values[0])));
    else if (kind === "close") client.close(Number(values[0]));
    else client.send(text);
  } else {
    throw new Error(`what is "${line}"?`);
  }
}

function anyRetry(event: string): string {
  return event.replace(/^(close 1012 retry in )\d+$/, "$1…");
}

async function play({ info, text }: Block): Promise<void> {
  const [, vsn = "", setting] = info.split(" ");
  const size = /^HEXPUSH_HISTORY_SIZE=(\d+)$/.exec(setting ?? "")?.[1];
  if (setting !== undefined && size === undefined) throw new Error(`what is "${setting}"?`);
  await start(size === undefined ? {} : { historySize: Number(size) });
  onTestFinished(() => hexpush.stop(0));
  const client = new Client(vsn);
  expect(await client.take()).toBe("open");
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  let ended = false;
  for (const [index, line] of lines.entries()) {
    if (line.startsWith("← ")) {
      const expected = line.slice("← ".length);
      const got = (await client.take()).replaceAll(epoch, EPOCH);
      expect(anyRetry(got)).toBe(anyRetry(expected));
      ended ||= /^(?:close \d|lost$)/.test(expected);
    } else {
      await act(client, line);
      // A frame that is not answered at all is only seen by what is answered behind it.
      if (lines[index + 1]?.startsWith("← ") === true) continue;
    }
    const isLastOfStep = lines[index + 1]?.startsWith("← ") !== true;
    if (!isLastOfStep || ended) continue;
    const reply = heartbeat(client, vsn, `barrier-${index}`);
    expect(await client.take()).toBe(reply);
  }
  if (!ended) client.close();
}

describe("the frames of docs/protocol.md", () => {
  it.each(blocks.map((block) => [`${block.heading}, line ${block.line}`, block] as const))(
    "%s",
    async (_where, block) => {
      await play(block);
    },
  );

  it("are shown", () => {
    expect(blocks.length).toBeGreaterThan(10);
  });
});
