import { type AbstractNewable, Container, ContainerModule } from "inversify";
import type Koa from "koa";
import type { Middleware } from "koa";
import type { Logger } from "pino";
import { FileBroker } from "./adapters/file-broker/file-broker.js";
import { RevocationFile } from "./adapters/files/revocation-file.js";
import {
  type ApiDesk,
  createKoaApp,
  createPushLane,
  type KoaAppOptions,
} from "./adapters/koa/app.js";
import type { PushLane } from "./adapters/koa/push-lane.js";
import { newId } from "./adapters/koa/request-id.js";
import { createLog } from "./adapters/log/log.js";
import { MemoryBroker } from "./adapters/memory/broker.js";
import { SseTransport } from "./adapters/sse/transport.js";
import { UwsServer } from "./adapters/uws/server.js";
import { PhoenixTransport } from "./adapters/uws/socket.js";
import { ChannelRoom } from "./application/channel-room.js";
import { applyJoinRules, ChannelRules } from "./application/channel-rules.js";
import { combineListeners } from "./application/combine-listeners.js";
import { ConnectGate } from "./application/connect-gate.js";
import { Control } from "./application/control.js";
import { describeError } from "./application/describe-error.js";
import { guardPolicy } from "./application/guard-policy.js";
import { anyOrigin, listedOrigins, type OriginRule, sameHost } from "./application/origins.js";
import { PushTraces } from "./application/push-traces.js";
import { refuseRevoked } from "./application/refuse-revoked.js";
import { Revocations } from "./application/revocations.js";
import { Revoker } from "./application/revoker.js";
import { type Config, ConfigError } from "./config/config.js";
import {
  type ConfiguredPolicy,
  configuredPolicy,
  policyFaultTo,
} from "./container/configured-policy.js";
import type { AuthPolicy } from "./domain/auth-policy.js";
import type { Broker, HistoryLimits } from "./domain/broker.js";
import type { PushLimits } from "./domain/push.js";
import type { PushListener } from "./domain/push-listener.js";
import { PushService } from "./domain/push-service.js";
import type { Transport } from "./domain/transport.js";

export type { Container, ContainerModule };

/** A symbol at run time that carries the type of what it stands for. */
export type Token<T> = AbstractNewable<T>;

function token<T>(name: string): Token<T> {
  return Symbol(name) as unknown as Token<T>;
}

/** PushEx's: Phoenix clients send a heartbeat every 30 s. */
const IDLE_TIMEOUT_MS = 45_000;

/** Everything that is bound to a token; Inversify's typings forget that this is an array. */
function all<T>(of: Token<T>): { serviceIdentifier: Token<T[]>; isMultiple: true } {
  return { serviceIdentifier: of as unknown as Token<T[]>, isMultiple: true };
}

/** Seconds since 1970, by which all ends that ends at a time. */
export type Clock = () => number;

/** Whether the server takes requests; a stop turns it off first. */
export interface ServerState {
  draining: boolean;
}

/** Everything that is bound; each can be replaced by a module that rebinds it. */
export const TOKENS = {
  config: token<Config>("Config"),
  log: token<Logger>("Log"),
  state: token<ServerState>("ServerState"),
  clock: token<Clock>("Clock"),
  /** Who may push, connect and join: replace this one. */
  authPolicy: token<AuthPolicy>("AuthPolicy"),
  /** `authPolicy` with its contract enforced: what the server asks. */
  guardedPolicy: token<AuthPolicy>("GuardedPolicy"),
  origins: token<OriginRule>("OriginRule"),
  /** All of them deliver; a host adds its own by another binding of this token. */
  transport: token<Transport>("Transport"),
  phoenix: token<PhoenixTransport>("PhoenixTransport"),
  sse: token<SseTransport>("SseTransport"),
  /** Who may connect when. */
  gate: token<ConnectGate>("ConnectGate"),
  /** What keeps and brings the messages: replace this one. */
  broker: token<Broker>("Broker"),
  pushes: token<PushService>("PushService"),
  /** All of them hear what happens; a host adds its own by another binding of this token. */
  listener: token<PushListener>("PushListener"),
  /** All listeners as one that never throws. */
  listeners: token<PushListener>("PushListeners"),
  traces: token<PushTraces>("PushTraces"),
  /** What the settings say of `authPolicy`, and how to read it again. */
  configuredPolicy: token<ConfiguredPolicy>("ConfiguredPolicy"),
  revocations: token<Revocations>("Revocations"),
  revoker: token<Revoker>("Revoker"),
  control: token<Control>("Control"),
  channelRules: token<ChannelRules>("ChannelRules"),
  /** Koa middleware before the routes, in the order of the bindings. */
  middleware: token<Middleware>("Middleware"),
  koaApp: token<Koa>("KoaApp"),
  server: token<UwsServer>("UwsServer"),
} as const;

/** What the HTTP API works on; together, since an app takes more than Inversify's typings count. */
const apiDesk = token<ApiDesk>("ApiDesk");

const httpApi = token<{ readonly app: Koa; readonly lane: PushLane | undefined }>("HttpApi");

/** What every socket's transport works on; together for the same reason. */
const socketDesk = token<SocketDesk>("SocketDesk");

interface SocketDesk {
  readonly policy: AuthPolicy;
  readonly origins: OriginRule;
  readonly listener: PushListener;
  readonly broker: Broker;
  readonly now: Clock;
  readonly gate: ConnectGate;
}

const channelRoom = token<ChannelRoom>("ChannelRoom");

/** Inversify takes no undefined for a value. */
interface RevocationStore {
  readonly file: RevocationFile | undefined;
}

const revocationLog = token<RevocationStore>("RevocationStore");

/** Ports of the domain and the services over them. */
const core = new ContainerModule(({ bind }) => {
  bind(TOKENS.state).toResolvedValue(() => ({ draining: false }));
  bind(TOKENS.clock).toConstantValue(() => Date.now() / 1000);
  bind(TOKENS.guardedPolicy).toResolvedValue(
    (policy, rules, revocations, config, log) =>
      guardPolicy(refuseRevoked(applyJoinRules(policy, rules), revocations), policyFaultTo(log), {
        timeoutMs: policyTimeoutMs(config),
      }),
    [TOKENS.authPolicy, TOKENS.channelRules, TOKENS.revocations, TOKENS.config, TOKENS.log],
  );
  bind(TOKENS.channelRules).toResolvedValue(
    (config) => new ChannelRules(config.channels ?? []),
    [TOKENS.config],
  );
  bind(TOKENS.traces).toResolvedValue(
    (config, clock) => new PushTraces({ max: config.traces, now: () => clock() * 1000 }),
    [TOKENS.config, TOKENS.clock],
  );
  bind(TOKENS.listener).toService(TOKENS.traces);
  bind(TOKENS.listeners).toResolvedValue(
    (listeners, log) =>
      combineListeners(listeners, (event, error) =>
        log.error({ err: describeError(error), event }, "a listener failed"),
      ),
    [all(TOKENS.listener), TOKENS.log],
  );
  bind(TOKENS.pushes).toResolvedValue(
    (policy, transports, config, listener, rules, broker) =>
      new PushService(policy, transports, pushLimits(config), {
        broker,
        listener,
        newId,
        check: (push) => rules.checkPush(push),
      }),
    [
      TOKENS.guardedPolicy,
      all(TOKENS.transport),
      TOKENS.config,
      TOKENS.listeners,
      TOKENS.channelRules,
      TOKENS.broker,
    ],
  );
  bind(TOKENS.revoker).toResolvedValue(
    (revocations, transports, log) => new Revoker(revocations, transports, log.file),
    [TOKENS.revocations, all(TOKENS.transport), revocationLog],
  );
  bind(TOKENS.control).toResolvedValue(
    (pushes, transports, broker) => new Control(pushes, transports, broker),
    [TOKENS.pushes, all(TOKENS.transport), TOKENS.broker],
  );
});

const adapters = new ContainerModule(({ bind }) => {
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
      return { app: createKoaApp(options), lane: createPushLane(options) };
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
        lane: app === api.app ? api.lane : undefined,
        sockets,
        streams,
        gate,
        drainSockets,
      }),
    [TOKENS.koaApp, httpApi, TOKENS.phoenix, TOKENS.sse, TOKENS.gate, TOKENS.config],
  );
});

/** What a host brings of its own, in place of what the settings give or beside it. */
export interface HostParts {
  readonly policy: AuthPolicy | undefined;
  readonly logger: Logger | undefined;
  readonly now: Clock | undefined;
  readonly transports: readonly Transport[];
  readonly middleware: readonly Middleware[];
  readonly listeners: readonly PushListener[];
}

export function hostModule(parts: HostParts): ContainerModule {
  const { policy, logger, now, transports, middleware, listeners } = parts;
  return new ContainerModule(({ bind, rebind }) => {
    if (now !== undefined) rebind(TOKENS.clock).toConstantValue(now);
    for (const listener of listeners) bind(TOKENS.listener).toConstantValue(listener);
    if (policy !== undefined) rebind(TOKENS.authPolicy).toConstantValue(policy);
    if (logger !== undefined) rebind(TOKENS.log).toConstantValue(logger);
    for (const transport of transports) bind(TOKENS.transport).toConstantValue(transport);
    for (const each of middleware) bind(TOKENS.middleware).toConstantValue(each);
  });
}

/** @param overrides loaded last, in their order: what they rebind takes the place of ours. */
export function createContainer(
  config: Config,
  overrides: readonly ContainerModule[] = [],
): Container {
  const container = new Container({ defaultScope: "Singleton" });
  container.bind(TOKENS.config).toConstantValue(config);
  container.load(core, adapters, ...overrides);
  return container;
}

export function pushLimits(config: Config): PushLimits {
  return {
    channelNameBytesMax: config.channelNameLimit,
    eventNameBytesMax: config.eventNameLimit,
    channelsMax: config.channelsPerPush,
  };
}

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

/** A call-out may try twice, and is to say itself what went wrong. */
function policyTimeoutMs({ policyTimeout, authUrl, authTimeout }: Config): number {
  const least = authUrl === undefined ? 0 : authTimeout * 2 + 1;
  return Math.max(policyTimeout, least) * 1000;
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

/** No door is left open by accident: everyone may push only where nobody but this machine can. */
export function openToOthers(host: string): ConfigError {
  return new ConfigError(
    `refusing to listen on ${host} with a push endpoint that is open to everyone: ` +
      "set HEXPUSH_API_KEYS, or HEXPUSH_HOST=127.0.0.1 for development",
  );
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

/** Whether only this machine reaches the address. Of names only localhost is known to be so. */
export function isLoopback(host: string): boolean {
  return /^(?:127(?:\.\d{1,3}){3}|::1|::ffff:127(?:\.\d{1,3}){3}|localhost)$/i.test(host);
}
