import { onTestFinished } from "vitest";
import { allowAll } from "../../src/adapters/auth/allow-all.js";
import { UwsServer } from "../../src/adapters/uws/server.js";
import {
  type PhoenixLimits,
  PhoenixTransport,
  type PhoenixTransportOptions,
} from "../../src/adapters/uws/socket.js";
import { ConnectGate } from "../../src/application/connect-gate.js";
import { anyOrigin, type OriginRule } from "../../src/application/origins.js";
import type { AuthPolicy } from "../../src/domain/auth-policy.js";
import type { PushListener } from "../../src/domain/push-listener.js";

export const LIMITS: PhoenixLimits = {
  channelNameBytesMax: 1024,
  channelsPerSocketMax: 1000,
  frameBytesMax: 65_536,
  sendBufferBytesMax: 1_048_576,
  idleTimeoutMs: 45_000,
};

export interface PhoenixServer {
  readonly transport: PhoenixTransport;
  readonly server: UwsServer;
  readonly gate: ConnectGate;
  readonly port: number;
  /** Without the path that a Phoenix client adds. */
  readonly wsUrl: string;
  /** The lines that the transport logged. */
  readonly logged: string[];
}

type PhoenixOptions = Parameters<typeof startPhoenix>[0];

/** As `startPhoenix`, for the test that is running: stopped at its end. */
export async function startPhoenixForTest(given: PhoenixOptions = {}): Promise<PhoenixServer> {
  const phoenix = await startPhoenix(given);
  onTestFinished(() => phoenix.server.stop(0));
  return phoenix;
}

/** The Phoenix transport and its server alone: no HTTP API, no container. */
export async function startPhoenix(
  given: {
    policy?: Partial<AuthPolicy>;
    limits?: Partial<PhoenixLimits>;
    origins?: OriginRule;
    listener?: PushListener;
    now?: () => number;
    fullness?: (channel: string, subscribers: number) => string | undefined;
    drainSockets?: boolean;
    history?: PhoenixTransportOptions["history"];
    /** @defaultValue no bound */
    connectRate?: number;
  } = {},
): Promise<PhoenixServer> {
  const logged: string[] = [];
  const log = (_fields: object, text: string) => void logged.push(text);
  const gate = new ConnectGate({ rate: given.connectRate ?? 0 });
  const { fullness } = given;
  const transport: PhoenixTransport = new PhoenixTransport({
    gate,
    policy: { ...allowAll, ...given.policy },
    origins: given.origins ?? anyOrigin,
    limits: { ...LIMITS, ...given.limits },
    log: { info: log, warn: log },
    ...(given.listener && { listener: given.listener }),
    ...(given.now && { now: given.now }),
    ...(given.history && { history: given.history }),
    ...(fullness && {
      fullness: (channel) => fullness(channel, transport.subscribers(channel)),
    }),
  });
  const handler = (_request: unknown, response: { end(body: string): unknown }) =>
    void response.end("http");
  const server = new UwsServer({
    host: "127.0.0.1",
    port: 0,
    handler,
    sockets: transport,
    drainSockets: given.drainSockets ?? true,
    gate,
  });
  const port = await server.start();
  return { transport, server, gate, port, wsUrl: `ws://127.0.0.1:${port}/push_socket`, logged };
}
