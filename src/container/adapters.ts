import { ContainerModule } from "inversify";
import type { Logger } from "pino";
import { FileBroker } from "../adapters/file-broker/file-broker.js";
import { RevocationFile } from "../adapters/files/revocation-file.js";
import { createHttpApi, type KoaAppOptions } from "../adapters/koa/app.js";
import { createLog } from "../adapters/log/log.js";
import { MemoryBroker } from "../adapters/memory/broker.js";
import { SseTransport } from "../adapters/sse/transport.js";
import { UwsServer } from "../adapters/uws/server.js";
import { PhoenixTransport } from "../adapters/uws/socket.js";
import { ChannelRoom } from "../application/channel-room.js";
import type { ChannelRules } from "../application/channel-rules.js";
import { ConnectGate } from "../application/connect-gate.js";
import { anyOrigin, listedOrigins, type OriginRule, sameHost } from "../application/origins.js";
import { Revocations } from "../application/revocations.js";
import { type Config, ConfigError } from "../config/config.js";
import type { Broker, HistoryLimits } from "../domain/broker.js";
import { configuredPolicy } from "./configured-policy.js";
import { isLoopback } from "./open-doors.js";
import {
  all,
  apiDesk,
  type Clock,
  channelRoom,
  httpApi,
  type RevocationStore,
  revocationLog,
  socketDesk,
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
  bind(channelRoom).toResolvedValue((rules) => new ChannelRoom(rules), [TOKENS.channelRules]);
  bind(TOKENS.phoenix).toResolvedValue(
    ({ broker, ...desk }, room, config, log) =>
      room.add(
        new PhoenixTransport({
          ...desk,
          history: broker,
          log,
          fullness: (channel) => room.fullness(channel),
          limits: { ...socketLimits(config), idleTimeoutMs: IDLE_TIMEOUT_MS },
        }),
      ),
    [socketDesk, channelRoom, TOKENS.config, TOKENS.log],
  );
  bind(TOKENS.sse).toResolvedValue(
    (desk, room, config, log) =>
      room.add(
        new SseTransport({
          ...desk,
          log,
          fullness: (channel) => room.fullness(channel),
          limits: socketLimits(config),
        }),
      ),
    [socketDesk, channelRoom, TOKENS.config, TOKENS.log],
  );
  bind(socketDesk).toResolvedValue(
    (policy, origins, listener, broker, now, gate) => ({
      policy,
      origins,
      listener,
      broker,
      now,
      gate,
    }),
    [
      TOKENS.guardedPolicy,
      TOKENS.origins,
      TOKENS.listeners,
      TOKENS.broker,
      TOKENS.clock,
      TOKENS.gate,
    ],
  );
  bind(TOKENS.gate).toResolvedValue(
    ({ connectRate: rate }, log) => new ConnectGate({ rate, log }),
    [TOKENS.config, TOKENS.log],
  );
  bind(TOKENS.broker).toResolvedValue(brokerFor, [
    TOKENS.config,
    TOKENS.channelRules,
    TOKENS.clock,
    TOKENS.log,
  ]);
  bind(TOKENS.transport).toService(TOKENS.phoenix);
  bind(TOKENS.transport).toService(TOKENS.sse);
  bind(TOKENS.koaApp).toResolvedValue(({ app }) => app, [httpApi]);
  bind(httpApi).toResolvedValue(
    (desk, streams, state, origins, log, config, clock, middleware) => {
      const options: KoaAppOptions = {
        ...desk,
        streams,
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
      TOKENS.sse,
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
  bind(TOKENS.server).toResolvedValue(
    (app, api, sockets, streams, gate, { host, port, drainSockets }) =>
      new UwsServer({
        host,
        port,
        handler: app.callback(),
        // An app that a host has put in its place is to see everything.
        lanes: app === api.app ? api.lanes : [],
        sockets,
        streams,
        gate,
        drainSockets,
      }),
    [TOKENS.koaApp, httpApi, TOKENS.phoenix, TOKENS.sse, TOKENS.gate, TOKENS.config],
  );
});

function socketLimits(config: Config) {
  return {
    channelNameBytesMax: config.channelNameLimit,
    channelsPerSocketMax: config.channelsPerSocket,
    frameBytesMax: config.frameLimit,
    sendBufferBytesMax: config.sendBufferLimit,
  };
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
