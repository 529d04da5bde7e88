import uws, { type TemplatedApp, type us_listen_socket } from "uWebSockets.js";
import { createServer } from "node:net";
import type { ConnectGate } from "../../application/connect-gate.js";
import { ListenError } from "../../application/listen-error.js";
import { HttpBridge, type NodeRequestHandler, refuse } from "./http-bridge.js";
import type { Lane } from "./plain-request.js";
import { type PhoenixTransport, SOCKET_PATH } from "./socket.js";

export interface UwsServerOptions {
  /** An address of this machine, or a name of one. */
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly handler: NodeRequestHandler;
  /** Each answers what it takes in place of the handler. @defaultValue none */
  readonly lanes?: readonly Lane[];
  readonly sockets: PhoenixTransport;
  /** Answers that the handler keeps open. @defaultValue none */
  readonly streams?: OpenStreams;
  /** Whether a stop closes the sockets spread over its time, or all of them at its end. */
  readonly drainSockets: boolean;
  /** The one that the transports ask. */
  readonly gate: ConnectGate;
}

/** What is drained beside the sockets. */
export interface OpenStreams {
  readonly openSockets: number;
  /** Takes new ones, also after a drain. */
  start(): void;
  /** Takes no new ones. @param spreadMs over how long clients are to come back, in milliseconds. */
  startDrain(spreadMs: number): void;
  /** Ends up to `count` so that their clients come back, in `afterMs` milliseconds at the earliest. */
  closeForDrain(count: number, afterMs: number): void;
  /** Cuts what is left. */
  stop(): void;
}

/** LIBUS_LISTEN_EXCLUSIVE_PORT: without it two servers would share a port without a word. */
const EXCLUSIVE_PORT = 1;

/** Between the last close frame and the end of all connections, in milliseconds: time to arrive. */
const GOODBYE_MS = 150;
/** Sockets are closed in batches, one in each of these intervals, in milliseconds. */
const DRAIN_STEP_MS = 50;
/** Few sockets need no spreading: at least so many go in each batch. */
const DRAIN_BATCH_MIN = 50;
/** The share of the drain time over which sockets are closed; the rest is for what is in flight. */
const DRAIN_SPREAD = 0.8;

/** HTTP and WebSocket on one port: uWebSockets.js owns it and hands plain HTTP to `handler`. */
export class UwsServer {
  readonly #options: UwsServerOptions;
  readonly #bridge: HttpBridge;
  #app: TemplatedApp | undefined;
  #listening: us_listen_socket | undefined;
  readonly #drained: readonly Pick<OpenStreams, "openSockets" | "startDrain" | "closeForDrain">[];
  #draining = false;

  constructor(options: UwsServerOptions) {
    this.#options = options;
    this.#drained =
      options.streams === undefined ? [options.sockets] : [options.sockets, options.streams];
    this.#bridge = new HttpBridge(options.handler, {
      isDraining: () => this.#draining,
    });
  }

  /**
   * @returns the port that it listens on.
   * @throws {ListenError} where the address cannot be had.
   */
  async start(): Promise<number> {
    const { host, port, sockets, streams, gate } = this.#options;
    await assertFree(host, port);
    // Its own header field names the library and its version to every stranger.
    (uws as unknown as { _cfg(key: string): void })._cfg("silent");
    const app = uws.App();
    this.#app = app;
    this.#draining = false;
    sockets.attach(app);
    streams?.start();
    gate.start();
    // What comes here is no upgrade: uWebSockets.js's own route takes those.
    app.any(SOCKET_PATH, (response) =>
      refuse(response, 400, "This path takes WebSocket connections."),
    );
    // Routes of their own: uWebSockets.js has looked at method and path already.
    for (const lane of this.#options.lanes ?? []) app.post(lane.path, this.#bridge.posts(lane));
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
    sockets.listening(host, actual);
    return actual;
  }

  /**
   * Takes no new connection, answers what is in flight, closes the sockets spread over the time,
   * and ends every connection at the latest when it is over.
   *
   * @param timeoutMs 0 ends everything at once.
   */
  async stop(timeoutMs: number): Promise<void> {
    if (this.#app === undefined || this.#draining) return;
    this.#draining = true;
    if (this.#listening !== undefined) uws.us_listen_socket_close(this.#listening);
    this.#listening = undefined;
    const deadline = deferred(timeoutMs);
    await Promise.race([
      Promise.all([this.#drainSockets(timeoutMs), this.#bridge.idle()]),
      deadline.passed,
    ]);
    deadline.cancel();
    const goodbyeMs = Math.min(GOODBYE_MS, timeoutMs);
    // Those that were not to be disturbed, or are too many for the time.
    for (const each of this.#drained) each.closeForDrain(Number.POSITIVE_INFINITY, goodbyeMs);
    await new Promise((resolve) => setTimeout(resolve, goodbyeMs));
    this.#close();
  }

  /** Sockets and streams are spread alike, each over the whole time. */
  async #drainSockets(timeoutMs: number): Promise<void> {
    const steps = Math.max(1, Math.floor((timeoutMs * DRAIN_SPREAD) / DRAIN_STEP_MS));
    const { gate } = this.#options;
    const open = this.#drained.reduce((sum, { openSockets }) => sum + openSockets, 0);
    const spreadMs = gate.spreadMs(open);
    const batches = this.#drained.map((each) => {
      each.startDrain(spreadMs);
      return Math.max(DRAIN_BATCH_MIN, Math.ceil(each.openSockets / steps));
    });
    // Behind that: those who waited are told that they come too late.
    gate.stop();
    const rounds = this.#drained.map(
      ({ openSockets }, at) => openSockets / (batches[at] as number),
    );
    let leftMs = Math.ceil(Math.max(...rounds)) * DRAIN_STEP_MS + GOODBYE_MS;
    while (this.#app !== undefined && this.#hasOpen()) {
      if (this.#options.drainSockets) {
        leftMs = Math.max(GOODBYE_MS, leftMs - DRAIN_STEP_MS);
        for (const [at, each] of this.#drained.entries()) {
          each.closeForDrain(batches[at] as number, leftMs);
        }
      }
      if (this.#hasOpen()) await new Promise((resolve) => setTimeout(resolve, DRAIN_STEP_MS));
    }
  }

  #hasOpen(): boolean {
    return this.#drained.some(({ openSockets }) => openSockets > 0);
  }

  #close(): void {
    this.#app?.close();
    this.#app = undefined;
    this.#options.sockets.detach();
    this.#options.streams?.stop();
    this.#options.gate.stop();
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
    const { code, message } = error as NodeJS.ErrnoException;
    const reasons: Record<string, string> = {
      EADDRINUSE: "the port is in use",
      EACCES: "no permission for this port",
      EADDRNOTAVAIL: "this machine has no such address",
      ENOTFOUND: "no such host",
    };
    const reason = (code === undefined ? undefined : reasons[code]) ?? message;
    throw new ListenError(`cannot listen on ${host} port ${port}: ${reason}`);
  }
  await new Promise((resolve) => probe.close(resolve));
}

function deferred(ms: number): { passed: Promise<void>; cancel: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const passed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  return { passed, cancel: () => clearTimeout(timer) };
}
