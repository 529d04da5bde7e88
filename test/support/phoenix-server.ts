import { onTestFinished } from "vitest";
import { allowAll } from "../../src/adapters/auth/allow-all.js";
import { loadUws } from "../../src/adapters/uws/library.js";
import { PhoenixSockets as UwsPhoenixSockets } from "../../src/adapters/uws/phoenix-sockets.js";
import { UwsServer } from "../../src/adapters/uws/server.js";
import { NodeServer } from "../../src/adapters/ws/node-server.js";
import { PhoenixSockets as WsPhoenixSockets } from "../../src/adapters/ws/phoenix-sockets.js";
import { anyOrigin, type OriginRule } from "../../src/application/origins.js";
import { ConnectThrottle } from "../../src/application/subscriptions/connect-throttle.js";
import { Connects } from "../../src/application/subscriptions/connects.js";
import { Drain } from "../../src/application/subscriptions/drain.js";
import {
  Subscriptions,
  type SubscriptionsOptions,
} from "../../src/application/subscriptions/subscriptions.js";
import type { AuthPolicy } from "../../src/domain/auth-policy.js";
import type { PushListener } from "../../src/domain/push-listener.js";

export const LIMITS = {
  channelNameBytesMax: 1024,
  channelsPerSocketMax: 1000,
  frameBytesMax: 65_536,
  sendBufferBytesMax: 1_048_576,
  idleTimeoutMs: 45_000,
};

/** A WebSocket library, and the server that is built on it. */
export type Library = "uws" | "ws";

/** Those that load here. */
export const LIBRARIES: readonly Library[] = uwsLoads() ? ["uws", "ws"] : ["ws"];

function uwsLoads(): boolean {
  try {
    loadUws();
    return true;
  } catch {
    return false;
  }
}

export interface PhoenixServer {
  readonly transport: Subscriptions;
  readonly server: UwsServer | NodeServer;
  readonly throttle: ConnectThrottle;
  readonly port: number;
  /** Without the path that a Phoenix client adds. */
  readonly wsUrl: string;
  /** The lines that were logged. */
  readonly logged: string[];
}

export interface PhoenixOptions {
  /** @defaultValue the first that loads */
  library?: Library | undefined;
  policy?: Partial<AuthPolicy>;
  limits?: Partial<typeof LIMITS>;
  origins?: OriginRule;
  listener?: PushListener;
  now?: () => number;
  rejection?: (channel: string, subscribers: number) => string | undefined;
  drainSockets?: boolean;
  /** @defaultValue any free one */
  port?: number;
  broker?: SubscriptionsOptions["broker"];
  /** @defaultValue no bound */
  connectRate?: number;
}

/** As `startPhoenix`, for the test that is running: stopped at its end. */
export async function startPhoenixForTest(given: PhoenixOptions = {}): Promise<PhoenixServer> {
  const phoenix = await startPhoenix(given);
  onTestFinished(() => phoenix.server.stop(0));
  return phoenix;
}

/** Phoenix sockets and their server alone: no HTTP API, no container. */
export async function startPhoenix(given: PhoenixOptions = {}): Promise<PhoenixServer> {
  const logged: string[] = [];
  const write = (_fields: object, text: string) => void logged.push(text);
  const log = { info: write, warn: write };
  const throttle = new ConnectThrottle({ rate: given.connectRate ?? 0 });
  const policy = { ...allowAll, ...given.policy };
  const limits = { ...LIMITS, ...given.limits };
  const { broker, rejection, listener, now = () => Date.now() / 1000 } = given;
  const transport = new Subscriptions({ policy, broker, limits, rejection, listener, now, log });
  const connects = new Connects({
    policy,
    origins: given.origins ?? anyOrigin,
    throttle,
    log,
  });
  const handler = (_request: unknown, response: { end(body: string): unknown }) =>
    void response.end("http");
  const sockets = { subscriptions: transport, connects, frameBytesMax: limits.frameBytesMax };
  const options = {
    ...sockets,
    host: "127.0.0.1",
    port: given.port ?? 0,
    handler,
    drain: new Drain(connects, transport),
    drainSockets: given.drainSockets ?? true,
  };
  const server =
    (given.library ?? LIBRARIES[0]) === "uws"
      ? new UwsServer({ ...options, phoenix: new UwsPhoenixSockets(sockets) })
      : new NodeServer({ ...options, phoenix: new WsPhoenixSockets(sockets) });
  const port = await server.start();
  const wsUrl = `ws://127.0.0.1:${port}/push_socket`;
  return { transport, server, throttle, port, wsUrl, logged };
}
