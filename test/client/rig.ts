import { afterEach, beforeEach } from "vitest";
import { WebSocket } from "ws";
import { Hexpush, type HexpushOptions } from "../../client/src/index.js";
import { Inbox } from "../support/inbox.js";
import { FakeServer } from "./fake-server.js";

/** Delays that a test does not have to wait for. */
export const QUICK = { minMs: 5, maxMs: 40 };

export type Options = HexpushOptions<Hexpush>;

/** What a client has told the application. */
export type Told =
  | { readonly kind: "message"; readonly event: string; readonly data: unknown }
  | { readonly kind: "joined" }
  | { readonly kind: "recovered"; readonly recovered: boolean }
  | { readonly kind: "denied"; readonly reason: string }
  | { readonly kind: "error"; readonly code: string };

export interface Rig {
  readonly server: FakeServer;
  /** Of the client, in its order: "connect", "disconnect 1012", "error connect". */
  readonly log: Inbox<string>;
  /** Connects quickly and over `ws`; disconnected after the test. */
  client(options?: Partial<Options>): Hexpush;
}

/** A fake server and clients for each test of a file. */
export function useRig(): Rig {
  const clients: Hexpush[] = [];
  const rig = {
    server: undefined as unknown as FakeServer,
    log: new Inbox<string>("the client's callbacks"),
    client(options: Partial<Options> = {}): Hexpush {
      const { log } = rig;
      const client = new Hexpush(rig.server.url, {
        WebSocket,
        reconnect: QUICK,
        onConnect: () => log.push("connect"),
        onDisconnect: ({ code }) => log.push(`disconnect ${code}`),
        onError: ({ code }) => log.push(`error ${code}`),
        ...options,
      });
      clients.push(client);
      return client;
    },
  };
  beforeEach(async () => {
    rig.server = await FakeServer.start();
    rig.log = new Inbox("the client's callbacks");
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.disconnect()));
    await rig.server.stop();
  });
  return rig;
}

/** Everything that a channel tells, in order. */
export function listen(client: Hexpush, channel: string, options = {}): Inbox<Told> {
  const told = new Inbox<Told>(`what ${channel} tells`);
  const subscription = client.subscribe(channel, options);
  subscription.bind("*", (data, event) => told.push({ kind: "message", event, data }));
  subscription.on("joined", () => told.push({ kind: "joined" }));
  subscription.on("recovered", ({ recovered }) => told.push({ kind: "recovered", recovered }));
  subscription.on("denied", ({ reason }) => told.push({ kind: "denied", reason }));
  subscription.on("error", ({ code }) => told.push({ kind: "error", code }));
  return told;
}

export const joined: Told = { kind: "joined" };
export const recovered = (whole: boolean): Told => ({ kind: "recovered", recovered: whole });
export const message = (data: unknown, event = "e"): Told => ({ kind: "message", event, data });
