import type { ServerJob } from "../servers.mjs";
import type { EventCounter } from "./event-counter.mjs";
import type { FrameCounter } from "./frames.mjs";

export interface Subscriber {
  readonly counter: FrameCounter | EventCounter;
  close(): void;
}

export interface Pusher {
  /** Rejects if the answer is not what was pushed. */
  ask(channels: readonly string[], sequence: number): Promise<void>;
}

export class Run {
  constructor(job: ServerJob & { readonly channels: number });
  sequence: number;
}

export function openSubscribers(
  run: Run,
  count: number,
): Promise<{ readonly subscribers: readonly Subscriber[] }>;

export function withPushers(
  run: Run,
  count: number,
  work: (pushers: readonly Pusher[]) => Promise<void>,
): Promise<void>;

/** Rejects if a delivery is missing or is not what was pushed. */
export function prove(run: Run, subscribers: readonly Subscriber[], pusher: Pusher): Promise<void>;
