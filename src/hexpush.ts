import type { IncomingMessage, ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { Middleware } from "koa";
import type { Logger } from "pino";
import type { ChannelDetail, ChannelSummary, Page, Stats } from "./application/control.js";
import { isOpenToEveryone } from "./application/open-policy.js";
import type { PushTrace } from "./application/push-traces.js";
import type { RevocationInput } from "./application/revocation.js";
import type { RevokerResult } from "./application/revoker.js";
import type { Config } from "./config/config.js";
import { createConfig } from "./config/load.js";
import { pushLimits } from "./container/core.js";
import { isLoopback, openToOthers } from "./container/open-doors.js";
import { TOKENS } from "./container/tokens.js";
import { type Container, type ContainerModule, createContainer, hostModule } from "./container.js";
import type { AuthPolicy } from "./domain/auth-policy.js";
import type { History, HistoryQuery } from "./domain/broker.js";
import { Json } from "./domain/json.js";
import { Push } from "./domain/push.js";
import type { PushListener } from "./domain/push-listener.js";
import type { AcceptedPush, UnacceptedPush } from "./domain/push-service.js";
import type { Transport } from "./domain/transport.js";

export interface HexpushOptions extends Partial<Config> {
  /** Takes the place of what the settings give. */
  readonly policy?: AuthPolicy;
  /** Deliver each push too, beside the WebSocket transport. */
  readonly transports?: readonly Transport[];
  /** Koa middleware that runs before the routes, for every HTTP request. */
  readonly middleware?: readonly Middleware[];
  /** Hear what happens, in their order. */
  readonly listeners?: readonly PushListener[];
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
   * Opens the broker without listening, for a host that serves `callback` itself; `start` does it
   * too. The memory broker is open from the beginning.
   *
   * @throws {BrokerError} where the broker cannot be had.
   */
  open(): Promise<void>;
  /** @throws {ListenError} where the address cannot be had, {BrokerError} where the broker cannot. */
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
   * @returns the channels pushed to and the number of sockets that it was handed to; rejects with a
   * `TypeError` that names what is wrong, or with `BrokerUnavailable`.
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
  /** The HTTP API as a handler for `node:http`; it has no sockets of its own. */
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
  return fromContainer(createContainer(createConfig(settings), [own, ...modules]));
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
  const state = container.get(TOKENS.state);
  const pushes = container.get(TOKENS.pushes);
  const control = container.get(TOKENS.control);
  const traces = container.get(TOKENS.traces);
  const revoker = container.get(TOKENS.revoker);
  const app = container.get(TOKENS.koaApp);
  const server = container.get(TOKENS.server);
  const subscriptions = container.get(TOKENS.subscriptions);
  const drain = container.get(TOKENS.drain);
  const limits = pushLimits(config);
  let opened: Promise<void> | undefined;
  const open = (): Promise<void> => {
    opened ??= Promise.resolve(pushes.start());
    subscriptions.start();
    return opened;
  };
  // It is there at once, also for a host that takes the callback and never starts.
  if (config.broker === "memory:") void open();

  return {
    container,
    open,
    async start() {
      await open();
      const port = await server.start();
      state.draining = false;
      const url = `http://${config.host.includes(":") ? `[${config.host}]` : config.host}:${port}`;
      if (isOpen) {
        log.warn(
          "DEVELOPMENT MODE: everyone who reaches this port may push, connect and join; set HEXPUSH_API_KEYS",
        );
      }
      if (policy === configured.policy) for (const notice of configured.notices) log.warn(notice);
      log.info({ url, uWebSockets: installedUws() }, "listening");
      return { host: config.host, port, url };
    },
    async stop(timeoutSeconds = config.drainTimeout) {
      state.draining = true;
      log.info({ timeoutSeconds }, "draining");
      await server.stop(timeoutSeconds * 1000);
      // Those of a host that serves the callback itself.
      drain.begin();
      await drain.finish(0);
      subscriptions.stop();
      opened = undefined;
      await pushes.stop();
      log.info("stopped");
    },
    async push(channel, event, data) {
      const result = Push.of({ channel, event, data: jsonOf(data) }, limits);
      if (!result.ok) throw new TypeError(result.error.message);
      // Nothing is waited for before this, so that a push is where its caller has called for it.
      return receiptOf(await pushes.deliver(result.push));
    },
    stats: () => control.stats(),
    channels: (page) => control.channels({ ...ALL, ...page }),
    channel: (channel, page) => control.channel(channel, { ...ALL, ...page }),
    history: async (channel, query = {}) => control.history(channel, query),
    closeSockets: (socketId) => control.closeSockets(socketId),
    trace: (pushId) => traces.get(pushId),
    revoke: (input) => revoker.revoke(input),
    reload: () => configured.reload?.(),
    callback: () => app.callback(),
  };
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

/** uWebSockets.js comes from a package that others publish, or the host's own: the log says which. */
function installedUws(): string {
  const { name, version } = createRequire(import.meta.url)("uWebSockets.js/package.json") as {
    name: string;
    version: string;
  };
  return `${name}@${version}`;
}
