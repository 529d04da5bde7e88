import { allowAll } from "../../src/adapters/auth/allow-all.js";
import { MemoryBroker, type MemoryBrokerOptions } from "../../src/adapters/memory/broker.js";
import { SseTransport, type SseTransportOptions } from "../../src/adapters/sse/transport.js";
import { anyOrigin } from "../../src/application/origins.js";
import type { AuthPolicy } from "../../src/domain/auth-policy.js";
import { Json } from "../../src/domain/json.js";
import { Push } from "../../src/domain/push.js";
import { type HandlerServer, type Serve, serveOnNode } from "../adapters/uws/http-servers.js";
import { SseClient } from "./sse-client.js";

export const LIMITS = {
  channelNameBytesMax: 1024,
  channelsPerSocketMax: 1000,
  sendBufferBytesMax: 1_048_576,
};

export interface SseServer {
  readonly transport: SseTransport;
  readonly server: HandlerServer;
  readonly port: number;
  /** The lines that the transport logged. */
  readonly logged: string[];
  connect(path: string, headers?: Record<string, string>): Promise<SseClient>;
  stop(): Promise<void>;
}

export interface SseSettings extends Partial<Omit<SseTransportOptions, "policy" | "limits">> {
  readonly policy?: Partial<AuthPolicy>;
  readonly limits?: Partial<typeof LIMITS>;
  readonly serve?: Serve;
}

/** The SSE transport and a server alone: no HTTP API, no container. */
export async function startSse(given: SseSettings = {}): Promise<SseServer> {
  const { policy, limits, serve = serveOnNode, ...options } = given;
  const logged: string[] = [];
  const log = (_fields: object, text: string) => void logged.push(text);
  const transport = new SseTransport({
    policy: { ...allowAll, ...policy },
    origins: anyOrigin,
    limits: { ...LIMITS, ...limits },
    now: () => Date.now() / 1000,
    log: { info: log, warn: log },
    ...options,
  });
  const server = await serve((request, response) => transport.open(request, response));
  return {
    transport,
    server,
    port: server.port,
    logged,
    connect: (path, headers = {}) => SseClient.connect(server.port, path, { headers }),
    stop: async () => {
      transport.stop();
      await server.stop();
    },
  };
}

/** A broker of one node whose messages go to the transport once there is one. */
export function brokerFor(
  transport: () => SseTransport | undefined,
  given: Partial<MemoryBrokerOptions> = {},
): MemoryBroker {
  const broker = new MemoryBroker({
    historyLimits: () => ({ size: 100, ttl: 60 }),
    memoryBytesMax: 64_000_000,
    idempotencyKeysMax: 0,
    now: () => performance.now(),
    ...given,
  });
  broker.start((message) => transport()?.deliver(message) ?? 0);
  return broker;
}

/** A server over a broker of its own. */
export async function startWithBroker(
  given: SseSettings & { brokerOptions?: Partial<MemoryBrokerOptions> } = {},
): Promise<SseServer & { broker: MemoryBroker }> {
  const { brokerOptions, ...settings } = given;
  let transport: SseTransport | undefined;
  const broker = brokerFor(() => transport, brokerOptions);
  const server = await startSse({ broker, ...settings });
  transport = server.transport;
  const stop = async () => {
    await server.stop();
    broker.stop();
  };
  return { ...server, broker, stop };
}

let pushes = 0;

/** @param data a value, pushed as its JSON */
export function publish(
  broker: MemoryBroker,
  channel: string | readonly string[],
  data: unknown,
): void {
  const made = Push.of({ channel, event: "e", data: Json.of(data) });
  if (!made.ok) throw new Error(made.error.message);
  void broker.publish({ pushId: `${++pushes}`, push: made.push });
}
