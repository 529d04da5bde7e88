import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import { InFlight, type OpenPush } from "./in-flight.js";
import type { BenchPlan } from "./plan.js";
import type { Poster } from "./poster.js";
import type { Subscribers } from "./subscribers.js";

/** How often a run checks for progress, in milliseconds. */
const WATCH_MS = 50;

export interface Limits {
  readonly pushes: number;
  readonly seconds: number;
  /** Pushes per second; undefined for as many as the window allows. */
  readonly rate: number | undefined;
}

/** The measurements of a run. */
export class Figures {
  sent = 0;
  accepted = 0;
  deliveries = 0;
  /** From the first push to the last answer or message. */
  seconds = 0;
  /** From a push to its message at one subscriber, in microseconds. */
  readonly latency: RecordableHistogram = createHistogram();
  /** From a push to its answer, in microseconds. */
  readonly answers: RecordableHistogram = createHistogram();
  /** CPU time of this process, as a fraction of one CPU. */
  cpu = 0;
  /** Fraction of the time in which the event loop was not idle. */
  busy = 0;
}

/** Pushes and waits for the deliveries. The first failure ends the pushing. */
export class Load {
  /** The failure that ended it; undefined if there was none. */
  fault: string | undefined;
  readonly inFlight: InFlight;
  readonly #plan: BenchPlan;
  readonly #poster: Poster;
  readonly #subscribers: Subscribers;
  #figures = new Figures();
  #limits: Limits = { pushes: 0, seconds: 0, rate: undefined };
  #begin = 0;
  #lastProgress = 0;
  /** No more pushes are sent, in this run or a later one. */
  #isStopped = false;
  /** This run's time is over. */
  #isOver = true;
  /** A push was due when the window was full. */
  #isBehind = false;
  #allGone = false;
  #timer: NodeJS.Timeout | undefined;
  #onEnd: (() => void) | undefined;

  constructor(plan: BenchPlan, poster: Poster, subscribers: Subscribers) {
    this.#plan = plan;
    this.#poster = poster;
    this.#subscribers = subscribers;
    this.inFlight = new InFlight(plan.inFlight, plan.subscribers, plan.channels.length);
  }

  /** Resolves once everything has arrived, or nothing has arrived for the plan's `patienceMs`. */
  async run(limits: Limits): Promise<Figures> {
    const figures = new Figures();
    this.#figures = figures;
    this.#limits = limits;
    this.#isOver = false;
    this.#isBehind = false;
    const cpu = process.cpuUsage();
    const loop = performance.eventLoopUtilization();
    this.#begin = this.#lastProgress = performance.now();
    const timeIsOver = setTimeout(() => {
      this.#isOver = true;
      this.#endWhenSettled();
    }, limits.seconds * 1000);
    const watch = setInterval(() => this.#endInSilence(), WATCH_MS);
    try {
      await new Promise<void>((resolve) => {
        this.#onEnd = resolve;
        this.#pump();
        this.#endWhenSettled();
      });
    } finally {
      clearTimeout(timeIsOver);
      clearInterval(watch);
      clearTimeout(this.#timer);
    }
    const { user, system } = process.cpuUsage(cpu);
    figures.cpu = (user + system) / 1000 / (performance.now() - this.#begin);
    figures.busy = performance.eventLoopUtilization(loop).utilization;
    figures.seconds = (this.#lastProgress - this.#begin) / 1000;
    return figures;
  }

  /** Sends no more pushes; deliveries in flight are still awaited. */
  stop(fault?: string): void {
    this.fault ??= fault;
    this.#isStopped = true;
    this.#endWhenSettled();
  }

  arrived(subscriber: number, channel: number, sequence: number): void {
    const push = this.inFlight.arrived(subscriber, channel, sequence);
    if (push === undefined) return;
    this.#figures.deliveries++;
    this.#progress(this.#figures.latency, push);
  }

  /** A socket was closed. @param areAll whether it was the last one. */
  gone(why: string, areAll: boolean): void {
    this.#allGone = areAll;
    this.stop(`a socket was closed: ${why}`);
  }

  get #isPushing(): boolean {
    return !this.#isStopped && !this.#isOver && this.#figures.sent < this.#limits.pushes;
  }

  #pump(): void {
    const { rate } = this.#limits;
    while (this.#isPushing) {
      const now = performance.now();
      const due = rate === undefined ? now : this.#begin + (this.#figures.sent * 1000) / rate;
      if (due > now) {
        this.#isBehind = false;
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#pump(), due - now);
        return;
      }
      if (!this.inFlight.hasRoom) {
        this.#isBehind = rate !== undefined;
        return;
      }
      // If the window was full, the latency counts from when the push was due.
      this.#push(this.#isBehind ? due : now);
    }
  }

  #push(beganAt: number): void {
    const channel = this.#figures.sent++ % this.#plan.channels.length;
    // The time without progress counts only while something is awaited.
    if (this.inFlight.isSettled) this.#lastProgress = beganAt;
    const sequence = this.inFlight.begin(channel, this.#subscribers.of(channel), beganAt);
    this.#poster.push(channel, sequence, (fault) => {
      const push = this.inFlight.answered(sequence, fault === undefined);
      if (fault !== undefined) {
        this.stop(fault);
      } else if (push !== undefined) {
        this.#figures.accepted++;
        this.#progress(this.#figures.answers, push);
      }
    });
  }

  #progress(histogram: RecordableHistogram, push: OpenPush): void {
    const now = performance.now();
    this.#lastProgress = now;
    // The histogram does not accept 0.
    histogram.record(Math.max(1, Math.round((now - push.beganAt) * 1000)));
    if (push.missing > 0 || push.state === "unanswered") return;
    this.#pump();
    this.#endWhenSettled();
  }

  #endWhenSettled(): void {
    if (this.#isPushing) return;
    const isSettled = this.inFlight.isSettled;
    if (isSettled || (this.#allGone && this.inFlight.unanswered === 0)) this.#onEnd?.();
  }

  /** Also ends the wait for room in the window, because none becomes free. */
  #endInSilence(): void {
    if (performance.now() - this.#lastProgress < this.#plan.patienceMs) return;
    if (this.inFlight.isSettled) return;
    this.stop(`nothing arrived for ${this.#plan.patienceMs / 1000} s`);
    this.#onEnd?.();
  }
}
