import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Middleware } from "koa";
import type { Logger } from "pino";
import type { ChannelDetail, ChannelSummary, Page, Stats } from "./application/control.js";
import { describeError } from "./application/describe-error.js";
import { LazyBroker } from "./application/lazy-broker.js";
import { isOpenToEveryone } from "./application/open-policy.js";
import type { PushTrace } from "./application/push-traces.js";
import type { RevocationInput } from "./application/revocation.js";
import type { RevokerResult } from "./application/revoker.js";
import { type Config, ConfigError } from "./config/config.js";
import { didYouMean } from "./config/did-you-mean.js";
import { createConfig } from "./config/load.js";
import { SETTINGS } from "./config/settings.js";
import { pushLimits } from "./container/core.js";
import { isLoopback, publiclyOpenError } from "./container/public-exposure.js";
import {
  type AttachedSockets,
  mutableState,
  type ServerListener,
  TOKENS,
} from "./container/tokens.js";
import { type Container, type ContainerModule, createContainer, hostModule } from "./container.js";
import type { AuthPolicy } from "./domain/auth-policy.js";
import type { History, HistoryQuery } from "./domain/broker.js";
import { Json } from "./domain/json.js";
import { isPromise } from "./domain/maybe-promise.js";
import { Push } from "./domain/push.js";
import type { AcceptedPush, UnacceptedPush } from "./domain/push-service.js";
import type { Transport } from "./domain/transport.js";

export interface HexpushOptions extends Partial<Config> {
  /** Replaces the policy that the settings describe. */
  readonly policy?: AuthPolicy;
  /** Further transports; each gets every push, like the built-in one. */
  readonly transports?: readonly Transport[];
  /**
   * Koa middleware that runs before the routes, for every HTTP request. Any middleware disables the
   * fast path: a push then costs about twice the CPU time.
   */
  readonly middleware?: readonly Middleware[];
  /** Called on each event, in this order. */
  readonly listeners?: readonly ServerListener[];
  /** Replaces the pino logger on standard output. */
  readonly logger?: Logger;
  /**
   * Current Unix time in seconds; all expiries use it: of tokens, revocations and idempotency keys.
   * For tests. Timers still use the system's time. @defaultValue the system's time
   */
  readonly now?: () => number;
  /** Inversify modules, loaded last: they may rebind any of `TOKENS`. */
  readonly modules?: readonly ContainerModule[];
}

export interface Address {
  readonly host: string;
  readonly port: number;
  /** For example `http://127.0.0.1:4004`. */
  readonly url: string;
}

export interface Hexpush {
  readonly container: Container;
  /**
   * Opens the broker without listening. `start`, `push`, `history` and `callback` open it too, if it
   * is not open yet. A host that serves `callback` itself can await this before it listens.
   *
   * @throws {BrokerError} if the broker cannot be opened. The next call tries again.
   */
  open(): Promise<void>;
  /**
   * Idempotent: once started, it resolves to the same address until `stop`.
   *
   * @throws {ListenError} if the server cannot listen on the address, {BrokerError} if the broker
   * cannot be opened. It may be called again.
   */
  start(): Promise<Address>;
  /**
   * Drains: accepts no new connections, answers the requests in flight, and closes the sockets with
   * a code that makes clients reconnect to another node.
   *
   * @param timeoutSeconds after which everything still open is ended. @defaultValue `drainTimeout`
   */
  stop(timeoutSeconds?: number): Promise<void>;
  /**
   * Pushes from within the host; the policy is not asked. On the memory broker, the push is delivered
   * when this returns.
   *
   * @returns the push's id, its channels, and the number of sockets that it was written to.
   * @throws {TypeError} if an argument is invalid; the message names it. {BrokerError} if the broker
   * cannot be opened, {BrokerUnavailable} if it cannot accept the push now, or the server was stopped.
   */
  push(channel: string | readonly string[], event: string, data: unknown): Promise<PushReceipt>;
  /** Sockets, subscriptions, channels, pushes and deliveries of this node. */
  stats(): Stats;
  /** The channels with subscribers, sorted by name. @defaultValue all of them */
  channels(page?: Partial<Page>): ChannelSummary[];
  /** Who is joined to a channel. @defaultValue all of them */
  channel(channel: string, page?: Partial<Page>): ChannelDetail;
  /** Closes all sockets of this id; a client that reconnects asks the policy again. @returns how many. */
  closeSockets(socketId: string): number;
  /** The messages that a channel keeps: those after a message id, or all. */
  history(channel: string, query?: HistoryQuery): Promise<History>;
  /** The outcome of a push; undefined if it is not known, or no longer kept. */
  trace(pushId: string): PushTrace | undefined;
  /**
   * Revokes tokens: closes their sockets and refuses them from now on.
   *
   * @returns the revocation in force and how many sockets were closed, or why it failed.
   */
  revoke(input: RevocationInput): Promise<RevokerResult>;
  /**
   * Reads the file of API keys again, if the settings name one.
   *
   * @throws {TypeError} if the file is invalid; the message names the place and contains no key. The
   * present keys stay valid.
   */
  reload(): void;
  /**
   * Serves WebSockets at `/push_socket/websocket` of the host's own server; upgrades to other paths
   * are left to the host. It does not serve HTTP requests: use `callback` for them. `stop` drains
   * these sockets too, and a server may be attached again afterwards. Idempotent.
   *
   * These sockets are always served by `ws`.
   *
   * @param server a server of `node:http` or `node:https`
   */
  attach(server: Server): void;
  /** The HTTP API and streams of events as a handler for `node:http`. */
  callback(): (request: IncomingMessage, response: ServerResponse) => void;
}

export interface PushReceipt {
  /** The push's id, for `trace`. */
  readonly id: string;
  readonly channels: readonly string[];
  readonly deliveries: number;
}

/**
 * Creates a server inside a program. Settings that are not given have their defaults; the environment
 * is not read.
 *
 * @throws {ConfigError} if a setting is invalid, or everyone could push from another machine.
 */
export function createHexpush(options: HexpushOptions = {}): Hexpush {
  const { policy, transports = [], middleware = [], listeners = [], ...others } = options;
  const { logger, now, modules = [], ...settings } = others;
  const own = hostModule({ policy, transports, middleware, listeners, logger, now });
  refuseUnknownOptions(settings);
  return fromContainer(createContainer(createConfig(settings), [own, ...modules]));
}

const HOST_OPTIONS = [
  "policy",
  "transports",
  "middleware",
  "listeners",
  "logger",
  "now",
  "modules",
] as const satisfies readonly Exclude<keyof HexpushOptions, keyof Config>[];

/** A misspelt `apiKeys` from JavaScript must not leave the server open. */
function refuseUnknownOptions(settings: object): void {
  const names = Object.keys(SETTINGS);
  for (const name of Object.keys(settings)) {
    if (names.includes(name)) continue;
    const meant = didYouMean(name, [...names, ...HOST_OPTIONS]);
    throw new ConfigError(`"${name}" is not an option${meant}`);
  }
}

/**
 * Resolves the whole graph at once, so that errors show before the server listens.
 *
 * @throws {ConfigError} if a setting is invalid, or everyone could push from another machine.
 */
export function fromContainer(container: Container): Hexpush {
  const config = container.get(TOKENS.config);
  const policy = container.get(TOKENS.authPolicy);
  const configured = container.get(TOKENS.configuredPolicy);
  const isOpen = isOpenToEveryone(policy);
  if (isOpen && !isLoopback(config.host)) throw publiclyOpenError(config.host);
  const log = container.get(TOKENS.log);
  const state = container.get(mutableState);
  const pushes = container.get(TOKENS.pushes);
  const control = container.get(TOKENS.control);
  const traces = container.get(TOKENS.traces);
  const revoker = container.get(TOKENS.revoker);
  const app = container.get(TOKENS.koaApp);
  const server = container.get(TOKENS.server);
  const subscriptions = container.get(TOKENS.subscriptions);
  const connects = container.get(TOKENS.connects);
  const drain = container.get(TOKENS.drain);
  const webSockets = container.get(TOKENS.webSockets);
  const limits = pushLimits(config);
  let attached: AttachedSockets | undefined;
  let isServing = false;
  const broker = new LazyBroker(() => {
    subscriptions.start();
    return pushes.start();
  });

  const listen = async (): Promise<Address> => {
    await broker.open();
    if (webSockets.reason !== undefined) {
      const { reason } = webSockets;
      log.warn({ reason }, "uWebSockets.js does not load; ws serves WebSockets");
    }
    const port = await server.start();
    isServing = true;
    state.draining = false;
    const url = `http://${config.host.includes(":") ? `[${config.host}]` : config.host}:${port}`;
    if (isOpen) {
      log.warn(
        "DEVELOPMENT MODE: everyone who reaches this port may push, connect and join; set HEXPUSH_API_KEYS",
      );
    }
    if (policy === configured.policy) for (const notice of configured.notices) log.warn(notice);
    log.info({ url, webSockets: webSockets.package }, "listening");
    return { host: config.host, port, url };
  };
  let listening: Promise<Address> | undefined;
  let stopping: Promise<void> | undefined;

  const stop = async (timeoutSeconds: number): Promise<void> => {
    listening = undefined;
    state.draining = true;
    isServing = false;
    log.info({ timeoutSeconds }, "draining");
    await server.stop(timeoutSeconds * 1000);
    // The sockets and streams on the host's own servers.
    await drain.stop(subscriptions.size > 0 ? timeoutSeconds * 1000 : 0, config.drainSockets);
    attached?.terminate();
    subscriptions.stop();
    await broker.close();
    await pushes.stop();
    log.info("stopped");
  };
  const openInBackground = (): void => {
    const report = (error: unknown) =>
      log.error({ err: describeError(error) }, "cannot open the broker");
    try {
      const opening = broker.openUnlessClosed();
      if (isPromise(opening)) opening.then(undefined, report);
    } catch (error) {
      report(error);
    }
  };

  return {
    container,
    open: async () => broker.open(),
    start() {
      listening ??= listen().catch((error: unknown) => {
        listening = undefined;
        throw error;
      });
      return listening;
    },
    stop(timeoutSeconds = config.drainTimeout) {
      stopping ??= stop(timeoutSeconds).finally(() => {
        stopping = undefined;
      });
      return stopping;
    },
    async push(channel, event, data) {
      const result = Push.of({ channel, event, data: jsonOf(data) }, limits);
      if (!result.ok) throw new TypeError(result.error.message);
      // Awaits nothing if the broker is open, so that the push is delivered during the call.
      const opening = broker.openUnlessClosed();
      if (isPromise(opening)) await opening;
      return receiptOf(await pushes.deliver(result.push));
    },
    stats: () => control.stats(),
    channels: (page) => control.channels({ ...ALL, ...page }),
    channel: (channel, page) => control.channel(channel, { ...ALL, ...page }),
    async history(channel, query = {}) {
      await broker.openUnlessClosed();
      return control.history(channel, query);
    },
    closeSockets: (socketId) => control.closeSockets(socketId),
    trace: (pushId) => traces.get(pushId),
    revoke: (input) => revoker.revoke(input),
    reload: () => configured.reload?.(),
    attach(server) {
      attached ??= container.get(TOKENS.attachedSockets);
      attached.attach(server);
      if (isServing) return;
      isServing = true;
      state.draining = false;
      connects.start();
      openInBackground();
    },
    callback() {
      openInBackground();
      return app.callback();
    },
  };
}

function receiptOf(outcome: AcceptedPush | UnacceptedPush): PushReceipt {
  if (outcome.kind === "unavailable") throw outcome.cause;
  // Without an idempotency key there is no other outcome.
  const { id, push, deliveries } = outcome as AcceptedPush;
  return { id, channels: push.channels, deliveries };
}

const ALL: Page = { limit: Number.POSITIVE_INFINITY };

/** @throws {TypeError} if the argument has no JSON form; the message names it. */
function jsonOf(data: unknown): Json {
  try {
    return Json.of(data);
  } catch (error) {
    throw new TypeError(`data has no JSON form: ${(error as Error).message}`);
  }
}
