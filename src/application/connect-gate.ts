/** A connect whose turn has not come yet. */
export interface WaitingConnect {
  /** Its turn has come; called in a turn of the event loop of its own. */
  admit(): void;
  /** The node shuts down first. */
  turnAway(): void;
}

export interface ConnectGateOptions {
  /** Connects per second that a starting node admits; 0 admits all at once. */
  readonly rate: number;
  /** For how long after its start a node counts as starting, in milliseconds. @defaultValue 30000 */
  readonly startMs?: number;
  readonly log?: GateLog;
}

export interface GateLog {
  warn(fields: object, text: string): void;
}

const START_MS = 30_000;
/** What is admitted at once where nobody came before, as a time at the rate, in milliseconds. */
const BURST_MS = 100;
/** Longest that anybody waits, in milliseconds: more would wait than that is turned away. */
const WAIT_MS_MAX = 3_000;
/** Those who wait are admitted this often at most, in milliseconds. */
const STEP_MS = 10;
/** Few clients need no more spreading than this, in milliseconds. */
const SPREAD_MS_MIN = 1_000;

/**
 * Admits the connects of a starting node at a bounded rate: all clients of the node before it come
 * at once, and each costs a policy's decision and what it has missed. In any `t` seconds at most
 * `rate * t` are admitted, and a tenth of `rate`, at least one, besides. Who comes faster waits, in
 * order; who would wait for more than 3 seconds is turned away.
 *
 * It bounds nothing before `start`, after `stop`, and once the start is over and nobody waits.
 */
export class ConnectGate {
  readonly #rate: number;
  readonly #startMs: number;
  readonly #burst: number;
  readonly #log: GateLog | undefined;
  /** In the order in which they came. */
  readonly #waiting = new Set<WaitingConnect>();
  #isStarting = false;
  #startEndsAt = 0;
  /** How many may be admitted now: grows with the time up to the burst. */
  #room = 0;
  #roomAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hasRefused = false;

  constructor({ rate, startMs = START_MS, log }: ConnectGateOptions) {
    this.#rate = rate;
    this.#startMs = startMs;
    this.#burst = Math.max(1, (rate * BURST_MS) / 1000);
    this.#log = log;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** The seconds after which all who wait now are through. */
  get waitSeconds(): number {
    return Math.ceil(this.#waiting.size / this.#rate);
  }

  /** The node starts to listen. */
  start(): void {
    if (this.#rate === 0) return;
    this.#isStarting = true;
    this.#hasRefused = false;
    this.#roomAt = performance.now();
    this.#startEndsAt = this.#roomAt + this.#startMs;
    this.#room = this.#burst;
  }

  /** The node drains: those who wait are turned away. */
  stop(): void {
    this.#isStarting = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const connect of waiting) connect.turnAway();
  }

  /** @returns whether a connect is admitted now; it counts then. */
  pass(): boolean {
    if (!this.#isStarting) return true;
    // Nobody overtakes those who wait.
    if (this.#waiting.size > 0) return false;
    const now = performance.now();
    if (now >= this.#startEndsAt) {
      this.#isStarting = false;
      return true;
    }
    return this.#take(now);
  }

  /** For what may not pass. @returns false where too many wait: it is to be turned away. */
  wait(connect: WaitingConnect): boolean {
    if (this.#waiting.size >= Math.max(1, (this.#rate * WAIT_MS_MAX) / 1000)) {
      if (!this.#hasRefused) {
        const waiting = this.#waiting.size;
        this.#log?.warn(
          { rate: this.#rate, waiting },
          "too many connects at once: some are refused",
        );
      }
      this.#hasRefused = true;
      return false;
    }
    this.#waiting.add(connect);
    this.#timer ??= this.#later(performance.now());
    return true;
  }

  /** Its client has gone. */
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
    const grown = this.#room + ((now - this.#roomAt) * this.#rate) / 1000;
    this.#room = Math.min(this.#burst, grown);
    this.#roomAt = now;
    if (this.#room < 1) return false;
    this.#room -= 1;
    return true;
  }

  #later(now: number): ReturnType<typeof setTimeout> {
    const untilRoomMs = this.#roomAt - now + ((1 - this.#room) * 1000) / this.#rate;
    return setTimeout(() => this.#admit(), Math.ceil(Math.max(STEP_MS, untilRoomMs)));
  }

  #admit(): void {
    const now = performance.now();
    const admitted: WaitingConnect[] = [];
    for (const connect of this.#waiting) {
      if (!this.#take(now)) break;
      this.#waiting.delete(connect);
      admitted.push(connect);
    }
    this.#timer = this.#waiting.size > 0 ? this.#later(now) : undefined;
    for (const connect of admitted) connect.admit();
  }
}
