import type { Server as HttpServer } from "node:http";
import type { AbstractNewable } from "inversify";
import type Koa from "koa";
import type { Middleware } from "koa";
import type { Logger } from "pino";
import type { RevocationFile } from "../adapters/files/revocation-file.js";
import type { FastPath } from "../adapters/uws/fast-path.js";
import type { StreamRoute } from "../adapters/uws/uws-exchange.js";
import type { ChannelRules } from "../application/channel-rules.js";
import type { Control } from "../application/control.js";
import type { OriginRule } from "../application/origins.js";
import type { PushTraces } from "../application/push-traces.js";
import type { Revocations } from "../application/revocations.js";
import type { Revoker } from "../application/revoker.js";
import type { ConnectThrottle } from "../application/subscriptions/connect-throttle.js";
import type { Connects } from "../application/subscriptions/connects.js";
import type { Drain } from "../application/subscriptions/drain.js";
import type { Subscriptions } from "../application/subscriptions/subscriptions.js";
import type { Config } from "../config/config.js";
import type { AuthPolicy } from "../domain/auth-policy.js";
import type { Broker } from "../domain/broker.js";
import type { PushListener } from "../domain/push-listener.js";
import type { PushService } from "../domain/push-service.js";
import type { Transport } from "../domain/transport.js";
import type { ApiRoute } from "../protocol/http/api.js";
import type { ApiListener } from "../protocol/http/api-listener.js";
import type { RequestObserver } from "../protocol/http/observe-requests.js";
import type { ApiServices } from "../protocol/http/routes.js";
import type { EventStreams } from "../protocol/sse/event-streams.js";
import type { ConfiguredPolicy } from "./configured-policy.js";
import type { WebSocketLibrary } from "./websocket-library.js";

/** A symbol that carries the type of its binding. */
export type Token<T> = AbstractNewable<T>;

function token<T>(name: string): Token<T> {
  return Symbol(name) as unknown as Token<T>;
}

/** All bindings of a token, as an array; Inversify's typings miss the array. */
export function all<T>(of: Token<T>): { serviceIdentifier: Token<T[]>; isMultiple: true } {
  return { serviceIdentifier: of as unknown as Token<T[]>, isMultiple: true };
}

/** Current Unix time in seconds; all expiries use it. */
export type Clock = () => number;

/** Whether the server drains: a stop sets it first, a start resets it. */
export interface ServerState {
  readonly draining: boolean;
}

/** `TOKENS.state` for the server itself, which alone may change it. */
export interface MutableServerState {
  draining: boolean;
}

export const mutableState = token<MutableServerState>("MutableServerState");

/** Everything that serves sockets. */
export interface NodeSockets {
  readonly subscriptions: Subscriptions;
  readonly connects: Connects;
  readonly drain: Drain;
  readonly streams: EventStreams;
}

/** HTTP and WebSocket on one port. */
export interface Server {
  /** @returns the port that it listens on. @throws {ListenError} if it cannot listen. */
  start(): Promise<number>;
  /** Drains, and ends what is still open after `timeoutMs`. Idempotent. */
  stop(timeoutMs: number): Promise<void>;
}

/** Phoenix sockets on servers of the host's own. */
export interface AttachedSockets {
  /** Idempotent. */
  attach(server: HttpServer): void;
  /** Ends all connections at once. */
  terminate(): void;
}

/** The events of a server: pushes, sockets, and requests to its API. */
export type ServerListener = PushListener & ApiListener;

/** All bindings. A module can rebind each of them. */
export const TOKENS = {
  config: token<Config>("Config"),
  log: token<Logger>("Log"),
  state: token<ServerState>("ServerState"),
  clock: token<Clock>("Clock"),
  /** Who may push, connect and join. Rebind this one, not `guardedPolicy`. */
  authPolicy: token<AuthPolicy>("AuthPolicy"),
  /** `authPolicy` with its contract enforced; the server uses this one. */
  guardedPolicy: token<AuthPolicy>("GuardedPolicy"),
  origins: token<OriginRule>("OriginRule"),
  /** Each binding delivers every push; a host adds a transport with another binding. */
  transport: token<Transport>("Transport"),
  /** The sockets of this node and what they are subscribed to. */
  subscriptions: token<Subscriptions>("Subscriptions"),
  /** Who may connect, and when. */
  connects: token<Connects>("Connects"),
  connectThrottle: token<ConnectThrottle>("ConnectThrottle"),
  drain: token<Drain>("Drain"),
  /** Everything that serves sockets. */
  sockets: token<NodeSockets>("NodeSockets"),
  /** Server-sent events. */
  streams: token<EventStreams>("EventStreams"),
  /** Stores messages and publishes them to the nodes. Rebind it for another broker. */
  broker: token<Broker>("Broker"),
  pushes: token<PushService>("PushService"),
  /** Makes the id of each push. */
  newPushId: token<() => string>("NewPushId"),
  /** Each binding gets every event; a host adds a listener with another binding. */
  listener: token<ServerListener>("PushListener"),
  /** All listeners as one that never throws. */
  listeners: token<ServerListener>("PushListeners"),
  traces: token<PushTraces>("PushTraces"),
  /** The policy that the settings describe, its warnings, and a function that reloads its keys. */
  configuredPolicy: token<ConfiguredPolicy>("ConfiguredPolicy"),
  revocations: token<Revocations>("Revocations"),
  revoker: token<Revoker>("Revoker"),
  control: token<Control>("Control"),
  channelRules: token<ChannelRules>("ChannelRules"),
  /** Koa middleware before the routes, in the order of the bindings. */
  middleware: token<Middleware>("Middleware"),
  koaApp: token<Koa>("KoaApp"),
  /** The library that serves WebSockets. */
  webSockets: token<WebSocketLibrary>("WebSocketLibrary"),
  server: token<Server>("Server"),
  /** Phoenix sockets on servers of the host's own. */
  attachedSockets: token<AttachedSockets>("AttachedSockets"),
} as const;

/** Services of the HTTP API, grouped because Inversify's typings allow at most ten dependencies. */
export const apiServices =
  token<Omit<ApiServices, "readiness" | "limits" | "nowMs" | "log">>("ApiServices");

/** The routes of the API, and what every server needs to serve them. */
export interface HttpApi {
  readonly routes: readonly ApiRoute[];
  /** Logs each request; undefined if `requestLog` is off. */
  readonly requestLog: RequestObserver | undefined;
  /** Notifies the listeners; undefined if none listens to API events. */
  readonly observer: RequestObserver | undefined;
  readonly newRequestId: () => string;
}

export const httpApi = token<HttpApi>("HttpApi");

/**
 * The default Koa app, and the handlers that bypass it; these are undefined if the app has to see
 * every request.
 */
export interface HttpServing {
  readonly app: Koa;
  readonly fastPath: FastPath | undefined;
  readonly streams: StreamRoute | undefined;
}

export const httpServing = token<HttpServing>("HttpServing");

/** Wraps the file, because Inversify does not accept undefined as a value. */
export interface RevocationStore {
  readonly file: RevocationFile | undefined;
}

export const revocationLog = token<RevocationStore>("RevocationStore");
