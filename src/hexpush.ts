import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Middleware } from "koa";
import type { Logger } from "pino";
import type { ChannelDetail, ChannelSummary, Page, Stats } from "./application/control.js";
import { describeError } from "./application/describe-error.js";
import { isOpenToEveryone } from "./application/open-policy.js";
import type { PushTrace } from "./application/push-traces.js";
import type { RevocationInput } from "./application/revocation.js";
import type { RevokerResult } from "./application/revoker.js";
import { type Config, ConfigError } from "./config/config.js";
import { didYouMean } from "./config/did-you-mean.js";
import { createConfig } from "./config/load.js";
import { SETTINGS } from "./config/settings.js";
import { pushLimits } from "./container/core.js";
import { isLoopback, openToOthers } from "./container/open-doors.js";
import {
  type AttachedSockets,
  mutableState,
  type ServerListener,
  TOKENS,
} from "./container/tokens.js";
import { type Container, type ContainerModule, createContainer, hostModule } from "./container.js";
import type { AuthPolicy, MaybePromise } from "./domain/auth-policy.js";
import type { History, HistoryQuery } from "./domain/broker.js";
import { Json } from "./domain/json.js";
import { isPromise } from "./domain/maybe-promise.js";
import { Push } from "./domain/push.js";
import type { AcceptedPush, UnacceptedPush } from "./domain/push-service.js";
import type { Transport } from "./domain/transport.js";

export interface HexpushOptions extends Partial<Config> {
  /** Takes the place of what the settings give. */
  readonly policy?: AuthPolicy;
  /** Deliver each push too, beside the WebSocket transport. */
  readonly transports?: readonly Transport[];
  /**
   * Koa middleware that runs before the routes, for every HTTP request. With any, no push takes the
   * fast path: each costs about twice the CPU time.
   */
  readonly middleware?: readonly Middleware[];
  /** Hear what happens, in their order. */
  readonly listeners?: readonly ServerListener[];
  /** Takes the place of a pino logger on standard output. */
  readonly logger?: Logger;
  /**
   * The time in seconds since 1970, in place of the system's: when tokens expire, what was revoked
   * and how long an idempotency key counts. For tests; timers run by the system's time all the same.
   */
  readonly now?: () => number;
  /** Inversify modules, loaded last: they may rebind any of `TOKENS`. */
  readonly modules?: readonly ContainerModule[];
}

export interface Address {
  readonly host: string;
  readonly port: number;
  /** For instance `http://127.0.0.1:4004`. */
  readonly url: string;
}

export interface Hexpush {
  readonly container: Container;
  /**
   * Opens the broker without listening. `start`, `push`, `history` and `callback` open it too, if it
   * is not open yet; a host that serves `callback` itself learns here when it is ready to be asked.
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
   * Drains: no new connection, requests in flight are answered, sockets closed with a code that
   * makes clients come back elsewhere.
   *
   * @param timeoutSeconds after it everything still open is ended. @defaultValue `drainTimeout`
   */
  stop(timeoutSeconds?: number): Promise<void>;
  /**
   * Pushes from within the host, which has decided itself that it may. On the memory broker it is
   * delivered when this returns.
   *
   * @returns the channels pushed to and the number of sockets that it was handed to.
   * @throws {TypeError} that names what is wrong, {BrokerError} if the broker cannot be opened,
   * {BrokerUnavailable} if it cannot accept the push now, or the server was stopped.
   */
  push(channel: string | readonly string[], event: string, data: unknown): Promise<PushReceipt>;
  /** Sockets, subscriptions, channels, pushes and deliveries of this node. */
  stats(): Stats;
  /** The channels with subscribers, sorted by name. @defaultValue all of them */
  channels(page?: Partial<Page>): ChannelSummary[];
  /** Who is joined to a channel. @defaultValue all of them */
  channel(channel: string, page?: Partial<Page>): ChannelDetail;
  /** Closes all sockets of this id; their clients come back and the policy decides. @returns how many. */
  closeSockets(socketId: string): number;
  /** What a channel keeps, behind a message's id or from the oldest on. */
  history(channel: string, query?: HistoryQuery): Promise<History>;
  /** What became of a push; undefined where it is not known, or no longer. */
  trace(pushId: string): PushTrace | undefined;
  /**
   * Ends what is open for the tokens concerned and refuses them from now on.
   *
   * @returns what holds now and how many sockets were closed, or why it could not be done.
   */
  revoke(input: RevocationInput): Promise<RevokerResult>;
  /**
   * Reads the file of API keys again, where the settings name one.
   *
   * @throws {TypeError} where the file is wrong; the message names the place and holds no key. The
   * present keys stay.
   */
  reload(): void;
  /**
   * Serves WebSockets at `/push_socket/websocket` of a server of the host's own; upgrades to other
   * paths are left to the host. HTTP requests do not come here: give them to `callback`. `stop`
   * drains these sockets too, and a server may be attached again afterwards. Idempotent.
   *
   * These sockets are always served by `ws`.
   *
   * @param server of `node:http` or `node:https`.
   */
  attach(server: Server): void;
  /** The HTTP API and streams of events as a handler for `node:http`. */
  callback(): (request: IncomingMessage, response: ServerResponse) => void;
}

export interface PushReceipt {
  /** Of its trace. */
  readonly id: string;
  readonly channels: readonly string[];
  readonly deliveries: number;
}

/**
 * A server inside a program. Settings that are not given have their defaults; the environment is
 * not read.
 *
 * @throws {ConfigError} where a setting is wrong, or the push endpoint would be open to others.
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
 * Resolves the whole graph at once, so that what is wrong shows before anything listens.
 *
 * @throws {ConfigError} where a setting is wrong, or the push endpoint would be open to others.
 */
export function fromContainer(container: Container): Hexpush {
  const config = container.get(TOKENS.config);
  const policy = container.get(TOKENS.authPolicy);
  const configured = container.get(TOKENS.configuredPolicy);
  const isOpen = isOpenToEveryone(policy);
  if (isOpen && !isLoopback(config.host)) throw openToOthers(config.host);
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

  /** Sockets and streams on servers of the host's own. */
  const stopAttached = async (timeoutMs: number): Promise<void> => {
    drain.begin();
    if (subscriptions.size > 0 && timeoutMs > 0) {
      const timeout = AbortSignal.timeout(timeoutMs);
      await (config.drainSockets ? drain.run(timeoutMs, timeout) : drain.wait(timeout));
      await drain.finish(timeoutMs);
    } else {
      await drain.finish(0);
    }
    attached?.terminate();
  };
  const stop = async (timeoutSeconds: number): Promise<void> => {
    listening = undefined;
    state.draining = true;
    isServing = false;
    log.info({ timeoutSeconds }, "draining");
    await server.stop(timeoutSeconds * 1000);
    await stopAttached(timeoutSeconds * 1000);
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
      // Nothing is awaited if the broker is open: a push is delivered when its caller made it.
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

/** Opens the broker when it is first needed, once for all who need it; again after a failure. */
class LazyBroker {
  readonly #start: () => MaybePromise<void>;
  #opening: { readonly done: MaybePromise<void> } | undefined;
  #isClosed = false;

  constructor(start: () => MaybePromise<void>) {
    this.#start = start;
  }

  /** Also after `close`. At once if the broker can. */
  open(): MaybePromise<void> {
    this.#isClosed = false;
    if (this.#opening !== undefined) return this.#opening.done;
    const started = this.#start();
    const done = isPromise(started) ? this.#forgetFailure(started) : started;
    this.#opening = { done };
    return done;
  }

  /** For what must not reopen the broker of a server that was stopped. */
  openUnlessClosed(): MaybePromise<void> {
    return this.#isClosed ? undefined : this.open();
  }

  /** Resolves once the broker may be stopped. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const opening = this.#opening;
    this.#opening = undefined;
    // Whoever opened it is told that it failed.
    await Promise.resolve(opening?.done).catch(() => {});
  }

  async #forgetFailure(started: Promise<void>): Promise<void> {
    try {
      await started;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }
}

function receiptOf(outcome: AcceptedPush | UnacceptedPush): PushReceipt {
  if (outcome.kind === "unavailable") throw outcome.cause;
  // Without an idempotency key there is no third way.
  const { id, push, deliveries } = outcome as AcceptedPush;
  return { id, channels: push.channels, deliveries };
}

const ALL: Page = { limit: Number.POSITIVE_INFINITY };

/** @throws {TypeError} that names the argument where it has no JSON form. */
function jsonOf(data: unknown): Json {
  try {
    return Json.of(data);
  } catch (error) {
    throw new TypeError(`data has no JSON form: ${(error as Error).message}`);
  }
}
