import { backoffMs } from "./backoff.js";
import type { Channel } from "./channel.js";
import { Credentials, type Grant } from "./credentials.js";
import { Cursor } from "./event-stream.js";
import { isOffline, watchPage } from "./page.js";
import { isTokenOver, Retries } from "./retries.js";
import type { Close, Transport, TransportEvents } from "./transport.js";
import { Transports } from "./transports.js";
import { type Disconnect, HexpushError, type HexpushOptions, type TransportKind } from "./types.js";

/** Time to collect subscribed channels, so that they share one stream. */
const REGROUP_MS = 10;
/** Delays before a denied or dropped join is tried again. */
const REJOIN_BOUNDS = { minMs: 2_000, maxMs: 60_000 };
/** Maximum delay of a timer (a signed 32-bit integer); longer ones would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

type Timer = ReturnType<typeof setTimeout>;

export interface ConnectionEvents {
  connected(): void;
  disconnected(disconnect: Disconnect): void;
  failed(error: HexpushError): void;
}

/**
 * Keeps one connection up: attempts and their delays, changes between transports, new tokens, and the
 * joins of each connection. At most one connection is live; another may be opening to replace it.
 */
export class Connection {
  readonly #options: HexpushOptions;
  readonly #events: ConnectionEvents;
  readonly #random: () => number;
  readonly #credentials: Credentials;
  readonly #transports: Transports;
  readonly #retries: Retries;
  readonly #channels = new Map<string, Channel>();
  readonly #cursor = new Cursor();
  /** The channels of the latest event stream. */
  #streamed: ReadonlySet<Channel> = new Set();
  #isWanted = false;
  /** The page is frozen. */
  #isAsleep = false;
  /** The network has changed since the event stream was opened. */
  #isDoubtful = false;
  #isConnected = false;
  #live: Transport | undefined;
  #grant: Grant | undefined;
  #opening: Transport | undefined;
  /** Number of the latest attempt; earlier ones that still wait for a token are dropped. */
  #attempt = 0;
  #isStarting = false;
  #retryTimer: Timer | undefined;
  #refreshTimer: Timer | undefined;
  #upgradeTimer: Timer | undefined;
  #regroupTimer: Timer | undefined;
  #unwatch: (() => void) | undefined;

  constructor(url: string, options: HexpushOptions, events: ConnectionEvents) {
    this.#options = options;
    this.#events = events;
    this.#random = options.random ?? Math.random;
    this.#credentials = new Credentials(options, this.#random);
    this.#transports = new Transports(url, options);
    this.#retries = new Retries(options, this.#random);
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  get kind(): TransportKind | undefined {
    return this.#live?.kind;
  }

  /** Resolves once the first attempt has begun. */
  async connect(): Promise<void> {
    if (this.#isWanted) return;
    this.#isWanted = true;
    this.#retries.forget();
    this.#unwatch = watchPage({
      wake: () => this.#wake(),
      sleep: () => this.#sleep(),
      networkChanged: () => this.#networkChanged(),
    });
    await this.#start();
  }

  async disconnect(): Promise<void> {
    this.#isWanted = false;
    this.#isAsleep = false;
    await this.#stop({ code: 1000, reason: "" });
  }

  add(channel: Channel): void {
    this.#channels.set(channel.name, channel);
    if (this.#live?.kind === "websocket") this.#join(channel);
    else this.#regroup();
  }

  async remove(channel: Channel): Promise<void> {
    channel.close();
    if (this.#channels.get(channel.name) !== channel) return;
    this.#channels.delete(channel.name);
    if (this.#live?.kind !== "websocket") this.#regroup();
    await this.#live?.leave(channel.name);
  }

  /** @param isRefresh the live connection stays until the next one has opened with a new token */
  async #start(
    kind = this.#transports.next(this.#channels.size),
    isRefresh = false,
  ): Promise<void> {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    void this.#opening?.close();
    this.#opening = undefined;
    const attempt = ++this.#attempt;
    this.#isStarting = kind !== undefined;
    if (kind === undefined) return;
    const grant = await this.#credentials.get().catch((error: unknown) => {
      const cause = error instanceof Error ? error : undefined;
      return new HexpushError("credentials", "cannot get the token or the parameters", cause);
    });
    if (attempt !== this.#attempt) return;
    this.#isStarting = false;
    if (grant instanceof HexpushError) {
      this.#events.failed(grant);
      if (attempt === this.#attempt) this.#retry({ code: 1006, reason: "" }, isRefresh);
    } else if (isRefresh && this.#live !== undefined && sameToken(grant, this.#grant)) {
      this.#refreshLater(grant);
    } else {
      this.#open(kind, grant, isRefresh);
    }
  }

  #open(kind: TransportKind, grant: Grant, isRefresh: boolean): void {
    if (kind === "sse") {
      // Two streams of one channel would deliver its messages twice.
      void this.#live?.close();
      this.#live = undefined;
      this.#streamed = new Set(this.#channels.values());
    }
    const events: TransportEvents = {
      open: () => this.#opened(transport, grant),
      closed: (close) => this.#closed(transport, close, isRefresh),
      joined: (name, response) => this.#channels.get(name)?.joined(response),
      denied: (name, response) => this.#rejoin(name, (channel) => channel.denied(response)),
      dropped: (name, why) => this.#rejoin(name, (channel) => channel.dropped(why)),
      message: (name, message) => this.#channels.get(name)?.receive(message),
    };
    const view = { channels: new Set(this.#channels.keys()), cursor: this.#cursor };
    const transport = this.#transports.build(kind, grant, view, events);
    this.#opening = transport;
  }

  #opened(transport: Transport, grant: Grant): void {
    // The new connection resumes from the current position, so it gets the messages that the old one
    // has not delivered yet.
    void this.#live?.close();
    this.#opening = undefined;
    this.#live = transport;
    this.#grant = grant;
    this.#isDoubtful = false;
    this.#retries.opened();
    this.#transports.opened(transport.kind);
    clearTimeout(this.#upgradeTimer);
    if (transport.kind === "sse") this.#upgradeLater();
    this.#refreshLater(grant);
    for (const channel of this.#channels.values()) {
      channel.pause();
      if (transport.kind === "websocket") this.#join(channel);
    }
    if (this.#isConnected) return;
    this.#isConnected = true;
    this.#events.connected();
  }

  #closed(transport: Transport, close: Close, isRefresh: boolean): void {
    const wasLive = transport === this.#live;
    if (wasLive) this.#live = undefined;
    else this.#opening = undefined;
    if (!wasLive && !isOffline()) this.#transports.failed(transport.kind);
    if (this.#live !== undefined) {
      // The live connection stays: a new token did not open another, or WebSockets are still blocked.
      if (this.#live.kind === transport.kind) this.#retry(close, isRefresh);
      else if (this.#isDoubtful) void this.#start("sse");
      else this.#upgradeLater();
      return;
    }
    clearTimeout(this.#refreshTimer);
    clearTimeout(this.#upgradeTimer);
    for (const channel of this.#channels.values()) channel.pause();
    const attempt = this.#attempt;
    const isLast = isTokenOver(close) && !this.#credentials.renewable;
    this.#lost(close, !isLast);
    if (isLast) this.#giveUp(close);
    else if (close.code !== 1000 && close.code !== 1001 && close.code !== 1012) {
      const what = wasLive ? "closed" : "connect";
      this.#events.failed(
        new HexpushError(
          what,
          `connection ${wasLive ? "lost" : "failed"}: ${describeClose(close)}`,
        ),
      );
    }
    // The application's callbacks may have called `connect` or `disconnect`.
    const isSettled = !this.#isWanted || attempt !== this.#attempt;
    if (!isSettled && !this.#isStarting && this.#opening === undefined) this.#retry(close, false);
  }

  #giveUp(close: Close): void {
    this.#isWanted = false;
    void this.#stop(close);
    const error = new HexpushError("token", `${close.reason}, and the client cannot get a new one`);
    for (const channel of this.#channels.values()) channel.failed(error);
    this.#events.failed(error);
  }

  #retry(close: Close, isRefresh: boolean): void {
    if (this.#live === undefined) this.#retries.lost();
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => {
      void (isRefresh ? this.#start(this.#live?.kind, true) : this.#start());
    }, this.#retries.delayMs(close));
  }

  #refreshLater({ refreshMs }: Grant): void {
    clearTimeout(this.#refreshTimer);
    if (refreshMs === undefined) return;
    const delay = Math.min(Math.max(refreshMs, 1_000), TIMER_MS_MAX);
    this.#refreshTimer = setTimeout(() => void this.#start(this.#live?.kind, true), delay);
  }

  #upgradeLater(): void {
    clearTimeout(this.#upgradeTimer);
    if (!this.#transports.hasWebSocket) return;
    const delay = this.#options.webSocketRetryMs ?? 600_000;
    this.#upgradeTimer = setTimeout(() => this.#upgrade(), delay);
  }

  #upgrade(): void {
    if (this.#opening === undefined && !this.#isStarting) void this.#start("websocket");
    else this.#upgradeLater();
  }

  #join(channel: Channel): void {
    channel.cancelRetry();
    this.#live?.join(channel.name, channel.joinParams);
  }

  /** With server-sent events, what was denied is asked for again with the next stream. */
  #rejoin(name: string, tell: (channel: Channel) => void): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) return;
    tell(channel);
    if (this.#channels.get(name) !== channel || this.#live?.kind !== "websocket") return;
    channel.retryLater(
      (failures) => backoffMs(failures, REJOIN_BOUNDS, this.#random),
      () => this.#join(channel),
    );
  }

  /** Another set of channels needs another event stream. */
  #regroup(): void {
    clearTimeout(this.#regroupTimer);
    this.#regroupTimer = setTimeout(() => {
      if (!this.#isWanted || this.#isAsleep || this.#isStarting) return;
      const current = this.#live ?? this.#opening;
      if (current === undefined) {
        if (this.#retryTimer === undefined) void this.#start();
      } else if (current.kind === "sse" && this.#channels.size === 0) {
        void current.close();
        this.#live = undefined;
        this.#opening = undefined;
      } else if (current.kind === "sse" && this.#needsAnotherStream()) {
        void this.#start("sse");
      }
    }, REGROUP_MS);
  }

  #needsAnotherStream(): boolean {
    const channels = [...this.#channels.values()];
    if (channels.some((channel) => !this.#streamed.has(channel))) return true;
    // Messages of a channel that was left are ignored. A new stream without it is opened only if no
    // other channel loses its position.
    const isSmaller = channels.length < this.#streamed.size;
    return isSmaller && channels.every(({ name }) => this.#cursor.covers.has(name));
  }

  #wake(): void {
    if (!this.#isWanted) return;
    if (this.#isAsleep || this.#retryTimer !== undefined) {
      this.#isAsleep = false;
      void this.#start(this.#live?.kind, this.#live !== undefined);
    } else {
      this.#live?.probe();
    }
  }

  #networkChanged(): void {
    if (!this.#isWanted || this.#isAsleep) return;
    if (this.#live?.kind === "sse") {
      // The stream would not notice for a long time that its network is gone.
      this.#isDoubtful = true;
      void this.#start(this.#transports.hasWebSocket ? "websocket" : "sse");
    } else if (this.#live !== undefined) this.#live.probe();
    else void this.#start();
  }

  #sleep(): void {
    if (!this.#isWanted || this.#isAsleep) return;
    this.#isAsleep = true;
    void this.#stop({ code: 1000, reason: "the page sleeps" });
  }

  #lost(close: Close, willReconnect: boolean): void {
    if (!this.#isConnected) return;
    this.#isConnected = false;
    this.#events.disconnected({ code: close.code, reason: close.reason, willReconnect });
  }

  async #stop(close: Close): Promise<void> {
    this.#attempt += 1;
    this.#isStarting = false;
    for (const timer of [this.#retryTimer, this.#refreshTimer, this.#upgradeTimer]) {
      clearTimeout(timer);
    }
    clearTimeout(this.#regroupTimer);
    this.#retryTimer = undefined;
    if (!this.#isWanted) this.#unwatch?.();
    const closing = [this.#opening?.close(), this.#live?.close()];
    this.#opening = undefined;
    this.#live = undefined;
    for (const channel of this.#channels.values()) channel.pause();
    this.#lost(close, this.#isWanted);
    await Promise.all(closing);
  }
}

function sameToken(a: Grant, b: Grant | undefined): boolean {
  return a.token === b?.token && a.params.token === b?.params.token;
}

function describeClose({ code, reason }: Close): string {
  return reason === "" ? `code ${code}` : `code ${code}, ${reason}`;
}
