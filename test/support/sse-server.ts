import { allowAll } from "../../src/adapters/auth/allow-all.js";
import { MemoryBroker, type MemoryBrokerOptions } from "../../src/adapters/memory/broker.js";
import { openStream } from "../../src/adapters/sse/node-exchange.js";
import { anyOrigin, type OriginRule } from "../../src/application/origins.js";
import type { ConnectThrottle } from "../../src/application/subscriptions/connect-throttle.js";
import { Connects } from "../../src/application/subscriptions/connects.js";
import { Drain } from "../../src/application/subscriptions/drain.js";
import {
  Subscriptions,
  type SubscriptionsOptions,
} from "../../src/application/subscriptions/subscriptions.js";
import type { AuthPolicy } from "../../src/domain/auth-policy.js";
import { Json } from "../../src/domain/json.js";
import { Push } from "../../src/domain/push.js";
import type { PushListener } from "../../src/domain/push-listener.js";
import { EventStreams } from "../../src/protocol/sse/event-streams.js";
import { type HandlerServer, type Serve, serveOnNode } from "../adapters/uws/http-servers.js";
import { SseClient } from "./sse-client.js";

export const LIMITS = {
  channelNameBytesMax: 1024,
  channelsPerSocketMax: 1000,
  sendBufferBytesMax: 1_048_576,
  idleTimeoutMs: 45_000,
};

export interface SseServer {
  readonly transport: Subscriptions;
  readonly connects: Connects;
  readonly drain: Drain;
  readonly server: HandlerServer;
  readonly port: number;
  /** The lines that were logged. */
  readonly logged: string[];
  connect(path: string, headers?: Record<string, string>): Promise<SseClient>;
  stop(): Promise<void>;
}

export interface SseSettings {
  readonly policy?: Partial<AuthPolicy>;
  readonly limits?: Partial<typeof LIMITS>;
  readonly origins?: OriginRule;
  readonly broker?: SubscriptionsOptions["broker"];
  readonly rejection?: SubscriptionsOptions["rejection"];
  readonly listener?: PushListener;
  readonly throttle?: ConnectThrottle;
  readonly heartbeatMs?: number;
  readonly random?: () => number;
  readonly now?: () => number;
  readonly serve?: Serve;
}

/** Streams and a server alone: no HTTP API, no container. */
export async function startSse(given: SseSettings = {}): Promise<SseServer> {
  const { serve = serveOnNode, now = () => Date.now() / 1000 } = given;
  const { broker, rejection, listener, throttle, heartbeatMs, random } = given;
  const logged: string[] = [];
  const write = (_fields: object, text: string) => void logged.push(text);
  const log = { info: write, warn: write };
  const policy = { ...allowAll, ...given.policy };
  const limits = { ...LIMITS, ...given.limits };
  const transport = new Subscriptions({ policy, broker, limits, rejection, listener, now, log });
  const connects = new Connects({ policy, origins: given.origins ?? anyOrigin, throttle, log });
  const streams = new EventStreams({
    subscriptions: transport,
    connects,
    ...(heartbeatMs !== undefined && { heartbeatMs }),
    ...(random !== undefined && { random }),
  });
  const handler: Parameters<Serve>[0] = (request, response) =>
    openStream(streams, request, response);
  const server = await serve(Object.assign(handler, { streams }));
  transport.start();
  connects.start();
  return {
    transport,
    connects,
    drain: new Drain(connects, transport, random),
    server,
    port: server.port,
    logged,
    connect: (path, headers = {}) => SseClient.connect(server.port, path, { headers }),
    stop: async () => {
      transport.stop();
      streams.stop();
      await server.stop();
    },
  };
}

/** A broker of one node whose messages go to the transport once there is one. */
export function brokerFor(
  transport: () => Subscriptions | undefined,
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
  let transport: Subscriptions | undefined;
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
