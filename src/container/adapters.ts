import { ContainerModule } from "inversify";
import type { Logger } from "pino";
import { FileBroker } from "../adapters/file-broker/file-broker.js";
import { RevocationFile } from "../adapters/files/revocation-file.js";
import { createHttpApi, type KoaAppOptions } from "../adapters/koa/app.js";
import { createLog } from "../adapters/log/log.js";
import { MemoryBroker } from "../adapters/memory/broker.js";
import { openStream } from "../adapters/sse/node-exchange.js";
import { PhoenixSockets } from "../adapters/uws/phoenix-sockets.js";
import { UwsServer } from "../adapters/uws/server.js";
import type { ChannelRules } from "../application/channel-rules.js";
import { anyOrigin, listedOrigins, type OriginRule, sameHost } from "../application/origins.js";
import { Revocations } from "../application/revocations.js";
import { ConnectThrottle } from "../application/subscriptions/connect-throttle.js";
import { Connects } from "../application/subscriptions/connects.js";
import { Drain } from "../application/subscriptions/drain.js";
import { Subscriptions } from "../application/subscriptions/subscriptions.js";
import { type Config, ConfigError } from "../config/config.js";
import type { Broker, HistoryLimits } from "../domain/broker.js";
import { EventStreams } from "../protocol/sse/event-streams.js";
import { configuredPolicy } from "./configured-policy.js";
import { isLoopback } from "./open-doors.js";
import {
  all,
  apiDesk,
  type Clock,
  httpApi,
  type RevocationStore,
  revocationLog,
  TOKENS,
} from "./tokens.js";

/** PushEx's: Phoenix clients send a heartbeat every 30 s. */
const IDLE_TIMEOUT_MS = 45_000;

/** What touches the outside world. */
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
  bind(TOKENS.koaApp).toResolvedValue(({ app }) => app, [httpApi]);
  bind(httpApi).toResolvedValue(
    (desk, streams, state, origins, log, config, clock, middleware) => {
      const options: KoaAppOptions = {
        ...desk,
        openStream: (request, response) => openStream(streams, request, response),
        origins,
        log,
        middleware,
        logRequests: config.requestLog,
        readiness: () => (state.draining ? "The server is shutting down." : undefined),
        limits: {
          bodyBytesMax: config.bodyLimit,
          pushesMax: config.pushesPerBatch,
          idempotencyKeysMax: config.idempotencyKeys,
        },
        now: () => clock() * 1000,
      };
      return createHttpApi(options);
    },
    [
      apiDesk,
      TOKENS.streams,
      TOKENS.state,
      TOKENS.origins,
      TOKENS.log,
      TOKENS.config,
      TOKENS.clock,
      all(TOKENS.middleware),
    ],
  );
  bind(apiDesk).toResolvedValue(
    (pushes, policy, control, traces, revoker, listener) => ({
      pushes,
      policy,
      control,
      traces,
      revoker,
      listener,
    }),
    [
      TOKENS.pushes,
      TOKENS.guardedPolicy,
      TOKENS.control,
      TOKENS.traces,
      TOKENS.revoker,
      TOKENS.listeners,
    ],
  );
  bind(TOKENS.sockets).toResolvedValue(
    (subscriptions, connects, drain, streams, { frameLimit: frameBytesMax }) => {
      const phoenix = new PhoenixSockets({ subscriptions, connects, frameBytesMax });
      return { subscriptions, connects, drain, streams, phoenix };
    },
    [TOKENS.subscriptions, TOKENS.connects, TOKENS.drain, TOKENS.streams, TOKENS.config],
  );
  bind(TOKENS.server).toResolvedValue(
    (app, api, sockets, { host, port, drainSockets }) => {
      // An app that a host has put in its place is to see everything.
      const isOurs = app === api.app;
      return new UwsServer({
        host,
        port,
        handler: app.callback(),
        lanes: isOurs ? api.lanes : [],
        ...sockets,
        streams: isOurs ? api.streamRoute(sockets.streams) : undefined,
        drainSockets,
      });
    },
    [TOKENS.koaApp, httpApi, TOKENS.sockets, TOKENS.config],
  );
});

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

/** @throws {ConfigError} where the file is there and cannot be read. */
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
