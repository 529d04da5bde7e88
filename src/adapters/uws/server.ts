import type { TemplatedApp, us_listen_socket } from "uWebSockets.js";
import { createServer } from "node:net";
import { ListenError, listenError } from "../../application/listen-error.js";
import type { Connects } from "../../application/subscriptions/connects.js";
import type { Drain } from "../../application/subscriptions/drain.js";
import type { Subscriptions } from "../../application/subscriptions/subscriptions.js";
import { NOT_A_WEBSOCKET, SOCKET_PATH } from "../../protocol/phoenix/upgrades.js";
import { EVENTS_PATH } from "../../protocol/sse/event-streams.js";
import type { FastPath } from "./fast-path.js";
import { HttpBridge, type NodeRequestHandler, refuse } from "./http-bridge.js";
import { loadUws } from "./library.js";
import type { PhoenixSockets } from "./phoenix-sockets.js";
import type { StreamRoute } from "./uws-exchange.js";

export interface UwsServerOptions {
  /** An address of this machine, or a name of one. */
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly handler: NodeRequestHandler;
  /** Serves what it can in place of the handler. @defaultValue none */
  readonly fastPath?: FastPath | undefined;
  readonly subscriptions: Subscriptions;
  readonly connects: Connects;
  readonly drain: Drain;
  readonly phoenix: PhoenixSockets;
  /** @defaultValue the handler answers requests for streams */
  readonly streams?: StreamRoute | undefined;
  /** Whether a stop closes the sockets spread over its time, or all of them at its end. */
  readonly drainSockets: boolean;
}

/** LIBUS_LISTEN_EXCLUSIVE_PORT: without it two servers would share a port without a word. */
const EXCLUSIVE_PORT = 1;

/** HTTP and WebSocket on one port: uWebSockets.js owns it and hands plain HTTP to `handler`. */
export class UwsServer {
  readonly #options: UwsServerOptions;
  readonly #bridge: HttpBridge;
  readonly #uws = loadUws();
  #app: TemplatedApp | undefined;
  #listening: us_listen_socket | undefined;
  #isDraining = false;
  #stopped: Promise<void> | undefined;

  constructor(options: UwsServerOptions) {
    this.#options = options;
    this.#bridge = new HttpBridge(options.handler, {
      isDraining: () => this.#isDraining,
    });
  }

  /**
   * @returns the port that it listens on.
   * @throws {ListenError} if it cannot listen on the address.
   */
  async start(): Promise<number> {
    const { host, port, phoenix, subscriptions, connects, streams, fastPath } = this.#options;
    const uws = this.#uws;
    await assertFree(host, port);
    // Its own header field names the library and its version to every stranger.
    (uws as unknown as { _cfg(key: string): void })._cfg("silent");
    const app = uws.App();
    this.#app = app;
    this.#isDraining = false;
    this.#stopped = undefined;
    phoenix.attach(app, uws.DISABLED);
    subscriptions.start();
    connects.start();
    // What comes here is no upgrade: uWebSockets.js's own route takes those.
    app.any(SOCKET_PATH, (response) =>
      refuse(response, NOT_A_WEBSOCKET.status, NOT_A_WEBSOCKET.error),
    );
    // Registered by path, since uWebSockets.js compares method and path anyway.
    for (const route of fastPath?.routes ?? []) {
      app.post(route.path, this.#bridge.fast(route, fastPath as FastPath));
    }
    if (streams !== undefined) app.get(EVENTS_PATH, this.#bridge.streams(streams));
    app.any("/*", (response, request) => this.#bridge.handle(response, request));
    const listening = await new Promise<us_listen_socket | false>((resolve) => {
      // The typings lack this overload; the library takes host, port, options (AppWrapper.h).
      const listen = app.listen.bind(app) as unknown as (
        host: string,
        port: number,
        options: number,
        done: (socket: us_listen_socket | false) => void,
      ) => void;
      listen(host, port, EXCLUSIVE_PORT, resolve);
    });
    if (listening === false) {
      this.#close();
      throw new ListenError(`cannot listen on ${host} port ${port}`);
    }
    this.#listening = listening;
    const actual = uws.us_socket_local_port(listening);
    phoenix.listening(host, actual);
    return actual;
  }

  /**
   * Takes no new connection, answers requests in flight, closes the sockets spread over the time,
   * and ends every connection at the latest when it is over. Idempotent: a stop that is under way
   * is the same one.
   *
   * @param timeoutMs 0 ends everything at once.
   */
  stop(timeoutMs: number): Promise<void> {
    if (this.#app === undefined) return Promise.resolve();
    this.#stopped ??= this.#stop(timeoutMs);
    return this.#stopped;
  }

  async #stop(timeoutMs: number): Promise<void> {
    this.#isDraining = true;
    if (this.#listening !== undefined) this.#uws.us_listen_socket_close(this.#listening);
    this.#listening = undefined;
    const { drain, drainSockets } = this.#options;
    await drain.stop(timeoutMs, drainSockets, this.#bridge.idle());
    this.#close();
  }

  #close(): void {
    const { phoenix, subscriptions, streams } = this.#options;
    this.#app?.close();
    this.#app = undefined;
    phoenix.detach();
    streams?.streams.stop();
    subscriptions.stop();
  }
}

/** uWebSockets.js says only that it could not listen; Node says why. */
async function assertFree(host: string, port: number): Promise<void> {
  const probe = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once("error", reject);
      probe.listen({ host, port, exclusive: true }, resolve);
    });
  } catch (error) {
    throw listenError(host, port, error as NodeJS.ErrnoException);
  }
  await new Promise((resolve) => probe.close(resolve));
}
