/** A connect that waits until it is admitted. */
export interface WaitingConnect {
  /** It is admitted; called in a turn of the event loop of its own. */
  admit(): void;
  /** The node shuts down before that. */
  reject(): void;
}

export interface ConnectThrottleOptions {
  /** Connects per second that a starting node admits; 0 admits all at once. */
  readonly rate: number;
  /** How long after its start a node counts as starting, in milliseconds. @defaultValue 30000 */
  readonly startMs?: number;
  readonly log?: { warn(fields: object, text: string): void };
}

const START_MS = 30_000;
/** What is admitted at once if nobody came before, as a time at the rate, in milliseconds. */
const BURST_MS = 100;
/** The longest wait, in milliseconds: a connect that would wait longer is rejected. */
const WAIT_MS_MAX = 3_000;
/** The shortest time between two admissions of waiting connects, in milliseconds. */
const STEP_MS = 10;
/** Few clients need no more spreading than this, in milliseconds. */
const SPREAD_MS_MIN = 1_000;

/**
 * Admits the connects of a starting node at a bounded rate: after a restart all clients come at
 * once, and each costs a policy's decision and what it has missed. In any `t` seconds at most
 * `rate * t` connects are admitted, plus a tenth of `rate`, at least one. Faster ones wait, in order;
 * those that would wait for more than 3 seconds are rejected.
 *
 * It limits nothing before `start`, after `stop`, and once the start is over.
 */
export class ConnectThrottle {
  readonly #rate: number;
  readonly #startMs: number;
  readonly #burst: number;
  readonly #log: ConnectThrottleOptions["log"];
  /** In the order in which they came. */
  readonly #waiting = new Set<WaitingConnect>();
  #isStarting = false;
  #startEndsAt = 0;
  /** How many may be admitted now: grows with the time up to the burst. */
  #tokens = 0;
  #tokensAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hasRejected = false;

  constructor({ rate, startMs = START_MS, log }: ConnectThrottleOptions) {
    this.#rate = rate;
    this.#startMs = startMs;
    this.#burst = Math.max(1, (rate * BURST_MS) / 1000);
    this.#log = log;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** The seconds after which all that wait now are admitted. */
  get waitSeconds(): number {
    return Math.ceil(this.#waiting.size / this.#rate);
  }

  /** The node starts to listen. */
  start(): void {
    if (this.#rate === 0) return;
    this.#isStarting = true;
    this.#hasRejected = false;
    this.#tokensAt = performance.now();
    this.#startEndsAt = this.#tokensAt + this.#startMs;
    this.#tokens = this.#burst;
  }

  /** The node drains: those that wait are rejected. */
  stop(): void {
    this.#isStarting = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const connect of waiting) connect.reject();
  }

  /** @returns whether a connect is admitted now; if so, it counts. */
  tryAdmit(): boolean {
    if (!this.#isStarting) return true;
    // Nobody overtakes those that wait.
    if (this.#waiting.size > 0) return false;
    const now = performance.now();
    if (now >= this.#startEndsAt) {
      this.#isStarting = false;
      return true;
    }
    return this.#take(now);
  }

  /** For one that is not admitted yet. @returns false if too many wait: it is rejected. */
  wait(connect: WaitingConnect): boolean {
    if (this.#waiting.size >= Math.max(1, (this.#rate * WAIT_MS_MAX) / 1000)) {
      if (!this.#hasRejected) {
        const waiting = this.#waiting.size;
        this.#log?.warn(
          { rate: this.#rate, waiting },
          "too many connects at once: some are rejected",
        );
      }
      this.#hasRejected = true;
      return false;
    }
    this.#waiting.add(connect);
    this.#timer ??= this.#later(performance.now());
    return true;
  }

  /** It no longer waits: its client has gone. */
  leave(connect: WaitingConnect): void {
    this.#waiting.delete(connect);
  }

  /**
   * Over how long the clients of so many sockets should come back, in milliseconds, for a node that
   * admits them at this rate.
   */
  spreadMs(sockets: number): number {
    return this.#rate === 0
      ? SPREAD_MS_MIN
      : Math.max(SPREAD_MS_MIN, (sockets / this.#rate) * 1000);
  }

  #take(now: number): boolean {
    const grown = this.#tokens + ((now - this.#tokensAt) * this.#rate) / 1000;
    this.#tokens = Math.min(this.#burst, grown);
    this.#tokensAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  #later(now: number): ReturnType<typeof setTimeout> {
    const untilTokenMs = this.#tokensAt - now + ((1 - this.#tokens) * 1000) / this.#rate;
    return setTimeout(() => this.#admit(), Math.ceil(Math.max(STEP_MS, untilTokenMs)));
  }

  #admit(): void {
    const now = performance.now();
    if (now >= this.#startEndsAt) this.#isStarting = false;
    const admitted: WaitingConnect[] = [];
    for (const connect of this.#waiting) {
      if (this.#isStarting && !this.#take(now)) break;
      this.#waiting.delete(connect);
      admitted.push(connect);
    }
    this.#timer = this.#waiting.size > 0 ? this.#later(now) : undefined;
    for (const connect of admitted) connect.admit();
  }
}
