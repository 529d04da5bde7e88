import { ContainerModule } from "inversify";
import type { Logger } from "pino";
import { FileBroker } from "../adapters/file-broker/file-broker.js";
import { RevocationFile } from "../adapters/files/revocation-file.js";
import { createKoaApp } from "../adapters/koa/app.js";
import { createLog } from "../adapters/log/log.js";
import { MemoryBroker } from "../adapters/memory/broker.js";
import { randomIds } from "../adapters/node/random-ids.js";
import { decodeUtf8, fingerprint } from "../adapters/node/text.js";
import { parseForm } from "../adapters/qs/form.js";
import { openStream } from "../adapters/sse/node-exchange.js";
import type { FastPath } from "../adapters/uws/fast-path.js";
import { PhoenixSockets as UwsPhoenixSockets } from "../adapters/uws/phoenix-sockets.js";
import { UwsServer } from "../adapters/uws/server.js";
import type { StreamRoute } from "../adapters/uws/uws-exchange.js";
import { NodeServer } from "../adapters/ws/node-server.js";
import { PhoenixSockets as WsPhoenixSockets } from "../adapters/ws/phoenix-sockets.js";
import type { ChannelRules } from "../application/channel-rules.js";
import { anyOrigin, listedOrigins, type OriginRule, sameHost } from "../application/origins.js";
import { Revocations } from "../application/revocations.js";
import { ConnectThrottle } from "../application/subscriptions/connect-throttle.js";
import { Connects } from "../application/subscriptions/connects.js";
import { Drain } from "../application/subscriptions/drain.js";
import { Subscriptions } from "../application/subscriptions/subscriptions.js";
import { type Config, ConfigError } from "../config/config.js";
import type { Broker, HistoryLimits } from "../domain/broker.js";
import { apiObserver, bothObservers, requestLogger } from "../protocol/http/observe-requests.js";
import { apiRoutes } from "../protocol/http/routes.js";
import { EventStreams } from "../protocol/sse/event-streams.js";
import { configuredPolicy } from "./configured-policy.js";
import { isLoopback } from "./public-exposure.js";
import {
  all,
  apiServices,
  type Clock,
  type HttpApi,
  httpApi,
  httpServing,
  type RevocationStore,
  revocationLog,
  TOKENS,
} from "./tokens.js";
import { webSocketLibrary } from "./websocket-library.js";

/** As in PushEx. Phoenix clients send a heartbeat every 30 s. */
const IDLE_TIMEOUT_MS = 45_000;

/** Bindings of everything that does input and output. */
export const adapters = new ContainerModule(({ bind }) => {
  bind(TOKENS.log).toResolvedValue((config) => createLog(config.logLevel), [TOKENS.config]);
  bind(TOKENS.configuredPolicy).toResolvedValue(
    (config, rules, log, now) =>
      configuredPolicy({
        config,
        hasPublicRules: rules.hasPublic,
        log,
        now,
      }),
    [TOKENS.config, TOKENS.channelRules, TOKENS.log, TOKENS.clock],
  );
  bind(TOKENS.authPolicy).toResolvedValue(({ policy }) => policy, [TOKENS.configuredPolicy]);
  bind(revocationLog).toResolvedValue(
    ({ revocationsFile: path }, now) => ({
      file: path === undefined ? undefined : new RevocationFile(path, { now }),
    }),
    [TOKENS.config, TOKENS.clock],
  );
  bind(TOKENS.revocations).toResolvedValue(revocationsFrom, [revocationLog, TOKENS.clock]);
  bind(TOKENS.origins).toResolvedValue(originsFor, [TOKENS.config]);
  bind(TOKENS.subscriptions).toResolvedValue(
    (policy, broker, rules, config, listener, log, now) =>
      new Subscriptions({
        policy,
        broker,
        limits: {
          channelNameBytesMax: config.channelNameLimit,
          channelsPerSocketMax: config.channelsPerSocket,
          sendBufferBytesMax: config.sendBufferLimit,
          idleTimeoutMs: IDLE_TIMEOUT_MS,
        },
        rejection: rules.limitsSubscribers
          ? (channel, subscribers) => rules.fullness(channel, subscribers)
          : undefined,
        listener,
        log,
        now,
      }),
    [
      TOKENS.guardedPolicy,
      TOKENS.broker,
      TOKENS.channelRules,
      TOKENS.config,
      TOKENS.listeners,
      TOKENS.log,
      TOKENS.clock,
    ],
  );
  bind(TOKENS.connects).toResolvedValue(
    (policy, origins, throttle, log) => new Connects({ policy, origins, throttle, log }),
    [TOKENS.guardedPolicy, TOKENS.origins, TOKENS.connectThrottle, TOKENS.log],
  );
  bind(TOKENS.connectThrottle).toResolvedValue(
    ({ connectRate: rate }, log) => new ConnectThrottle({ rate, log }),
    [TOKENS.config, TOKENS.log],
  );
  bind(TOKENS.drain).toResolvedValue(
    (connects, subscriptions) => new Drain(connects, subscriptions),
    [TOKENS.connects, TOKENS.subscriptions],
  );
  bind(TOKENS.streams).toResolvedValue(
    (subscriptions, connects) => new EventStreams({ subscriptions, connects }),
    [TOKENS.subscriptions, TOKENS.connects],
  );
  bind(TOKENS.broker).toResolvedValue(brokerFor, [
    TOKENS.config,
    TOKENS.channelRules,
    TOKENS.clock,
    TOKENS.log,
  ]);
  bind(TOKENS.transport).toService(TOKENS.subscriptions);
  bind(TOKENS.newPushId).toConstantValue(randomIds());
  bind(TOKENS.koaApp).toResolvedValue(({ app }) => app, [httpServing]);
  bind(httpServing).toResolvedValue(
    (api, streams, origins, log, middleware) => ({
      app: createKoaApp({
        ...api,
        openStream: (request, response) => openStream(streams, request, response),
        origins,
        log,
        middleware,
      }),
      // A host's middleware must see every request.
      ...(middleware.length === 0
        ? { fastPath: fastPathOf(api, log), streams: streamRouteOf(api, streams) }
        : { fastPath: undefined, streams: undefined }),
    }),
    [httpApi, TOKENS.streams, TOKENS.origins, TOKENS.log, all(TOKENS.middleware)],
  );
  bind(httpApi).toResolvedValue(
    (services, listener, state, log, config, clock) => ({
      routes: apiRoutes({
        ...services,
        log,
        readiness: () => (state.draining ? "The server is shutting down." : undefined),
        limits: {
          bodyBytesMax: config.bodyLimit,
          pushesMax: config.pushesPerBatch,
          idempotencyKeysMax: config.idempotencyKeys,
        },
        nowMs: () => clock() * 1000,
      }),
      requestLog: config.requestLog ? requestLogger(log, monotonicMs) : undefined,
      observer: apiObserver(listener, monotonicMs),
      newRequestId: randomIds(),
    }),
    [apiServices, TOKENS.listeners, TOKENS.state, TOKENS.log, TOKENS.config, TOKENS.clock],
  );
  bind(apiServices).toResolvedValue(
    (pushes, policy, control, traces, revoker) => ({
      pushes,
      policy,
      control,
      traces,
      revoker,
      platform: { decodeUtf8, fingerprint, parseForm },
    }),
    [TOKENS.pushes, TOKENS.guardedPolicy, TOKENS.control, TOKENS.traces, TOKENS.revoker],
  );
  bind(TOKENS.sockets).toResolvedValue(
    (subscriptions, connects, drain, streams) => ({ subscriptions, connects, drain, streams }),
    [TOKENS.subscriptions, TOKENS.connects, TOKENS.drain, TOKENS.streams],
  );
  bind(TOKENS.webSockets).toResolvedValue(
    ({ websockets }) => webSocketLibrary(websockets),
    [TOKENS.config],
  );
  bind(TOKENS.attachedSockets).toResolvedValue(
    (subscriptions, connects, { frameLimit: frameBytesMax }) =>
      new WsPhoenixSockets({ subscriptions, connects, frameBytesMax }),
    [TOKENS.subscriptions, TOKENS.connects, TOKENS.config],
  );
  bind(TOKENS.server).toResolvedValue(
    (app, serving, sockets, config, { name }) => {
      const { host, port, drainSockets, frameLimit: frameBytesMax } = config;
      const { streams: _, ...others } = sockets;
      const shared = { ...others, host, port, drainSockets, handler: app.callback() };
      if (name === "ws") {
        const phoenix = new WsPhoenixSockets({ ...sockets, frameBytesMax });
        return new NodeServer({ ...shared, phoenix });
      }
      // If a host has rebound the app, it must see every request.
      const isOurs = app === serving.app;
      return new UwsServer({
        ...shared,
        phoenix: new UwsPhoenixSockets({ ...sockets, frameBytesMax }),
        fastPath: isOurs ? serving.fastPath : undefined,
        streams: isOurs ? serving.streams : undefined,
      });
    },
    [TOKENS.koaApp, httpServing, TOKENS.sockets, TOKENS.config, TOKENS.webSockets],
  );
});

const monotonicMs = () => performance.now();

function fastPathOf(
  { routes, requestLog, observer, newRequestId }: HttpApi,
  log: Logger,
): FastPath {
  return {
    routes: routes.filter(({ body }) => body?.smallBytesMax !== undefined),
    observer: bothObservers(requestLog, observer),
    newRequestId,
    log,
  };
}

function streamRouteOf(
  { requestLog, observer, newRequestId }: HttpApi,
  streams: EventStreams,
): StreamRoute {
  return { streams, observer: bothObservers(requestLog, observer), newRequestId };
}

function brokerFor(config: Config, rules: ChannelRules, clock: Clock, log: Logger): Broker {
  const every: HistoryLimits = { size: config.historySize, ttl: config.historyTtl };
  const shared = {
    historyLimits: (channel: string) => rules.ruleFor(channel)?.history ?? every,
    idempotencyKeysMax: config.idempotencyKeys,
    now: () => clock() * 1000,
  };
  const [, directory] = /^file:(.+)$/s.exec(config.broker) ?? [];
  if (directory !== undefined) return new FileBroker({ ...shared, directory, log });
  return new MemoryBroker({ ...shared, memoryBytesMax: config.historyMemory });
}

/** @throws {ConfigError} if the file exists and cannot be read. */
function revocationsFrom({ file }: RevocationStore, now: Clock): Revocations {
  const revocations = new Revocations({ now });
  if (file === undefined) return revocations;
  try {
    revocations.load(file.read());
  } catch (error) {
    throw new ConfigError(`HEXPUSH_REVOCATIONS_FILE: ${(error as Error).message}`);
  }
  return revocations;
}

function originsFor(config: Config): OriginRule {
  if (config.allowedOrigins !== undefined) {
    try {
      return listedOrigins(config.allowedOrigins);
    } catch (error) {
      throw new ConfigError(`HEXPUSH_ALLOWED_ORIGINS: ${(error as Error).message}`);
    }
  }
  return isLoopback(config.host) ? anyOrigin : sameHost;
}
