import { refusal, send } from "../push.js";
import { CommandError } from "../usage-error.js";
import { Figures, Load } from "./load.js";
import { checkOpenFiles } from "./open-files.js";
import { type BenchPlan, EVENT } from "./plan.js";
import { Poster } from "./poster.js";
import { Subscribers } from "./subscribers.js";

/** The warm-up before the measurement, so that neither side is cold. */
const WARM_UP_PUSHES = 200;
const WARM_UP_SECONDS = 1;
/** The warm-up makes at most one in this many of the requested pushes. */
const WARM_UP_PART = 10;
/** Maximum time for the answer to the trial push, in seconds. */
const TRIAL_SECONDS = 10;

export interface Result {
  readonly plan: BenchPlan;
  readonly joined: { readonly count: number; readonly seconds: number; readonly busy: number };
  readonly figures: Figures;
  readonly lost: number;
  readonly doubled: number;
  readonly outOfOrder: number;
  /** Whether `stopped` ended it early. */
  readonly isInterrupted: boolean;
  /** The failures; empty if everything arrived. */
  readonly faults: readonly string[];
}

/**
 * Loads a server according to the plan. Each wait is bounded: 10 s for the first answer, 60 s for the
 * sockets, `seconds` for the pushes, and `patienceMs` without any progress.
 *
 * @param stopped ends it early; the result then has the measurements so far
 * @throws {CommandError} if the run cannot start: the server refuses the first push or cannot be
 *   reached, or the open-file limit is too low.
 */
export async function runBench(plan: BenchPlan, stopped: AbortSignal): Promise<Result> {
  checkOpenFiles(plan);
  await tryPush(plan);
  const poster = new Poster(plan);
  let gone = 0;
  const subscribers = new Subscribers(plan, {
    arrived: (subscriber, channel, sequence) => load.arrived(subscriber, channel, sequence),
    gone: (why) => load.gone(why, ++gone === subscribers.joined),
  });
  const load = new Load(plan, poster, subscribers);
  stopped.addEventListener("abort", () => load.stop());
  try {
    let refused: string | undefined;
    let figures = new Figures();
    try {
      await subscribers.open(stopped);
      if (!stopped.aborted) figures = await loadWarm(load, plan);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      refused = `${subscribers.joined} of ${plan.subscribers} sockets joined: ${error.message}`;
    }
    const { joined: count, seconds, busy } = subscribers;
    const { missing: lost, doubled, outOfOrder } = load.inFlight;
    return {
      plan,
      joined: { count, seconds, busy },
      figures,
      lost,
      doubled,
      outOfOrder,
      isInterrupted: stopped.aborted,
      faults: [...(refused === undefined ? [] : [refused]), ...faultsOf(load, gone)],
    };
  } finally {
    subscribers.close();
    poster.close();
  }
}

async function loadWarm(load: Load, { pushes, seconds, rate }: BenchPlan): Promise<Figures> {
  const few = Math.min(WARM_UP_PUSHES, Math.floor(pushes / WARM_UP_PART));
  const warmUp = { pushes: few, seconds: Math.min(WARM_UP_SECONDS, seconds), rate: undefined };
  if (few > 0) await load.run(warmUp);
  return load.run({ pushes, seconds, rate });
}

/** A dry run of a push, so that no sockets are opened if pushes are refused. */
async function tryPush({ url, headers, channels }: BenchPlan): Promise<void> {
  const target = new URL(`${url}/api/push?dry_run=true`);
  const body = JSON.stringify({ channel: channels[0], event: EVENT, data: null });
  const answer = await send(target, { method: "POST", headers, body }, TRIAL_SECONDS);
  if (!answer.ok) {
    const hint =
      answer.status === 401 || answer.status === 403
        ? `; a push to ${channels[0]} needs an API key of the server: --key or HEXPUSH_KEY`
        : "";
    throw new CommandError(`${refusal(answer)}${hint}`);
  }
  if (answer.json === undefined) throw new CommandError("the answer is not from hexpush");
}

function faultsOf({ fault, inFlight }: Load, gone: number): string[] {
  const { unanswered, missing, doubled, outOfOrder, foreign } = inFlight;
  const faults: [count: number, text: string][] = [
    [gone, "sockets were closed"],
    [unanswered, "pushes were not answered"],
    [missing, "messages were lost"],
    [doubled, "messages arrived twice"],
    [outOfOrder, "messages arrived out of order"],
    [foreign, "messages arrived that this run did not push"],
  ];
  return [
    ...(fault === undefined ? [] : [fault]),
    ...faults.filter(([count]) => count > 0).map(([count, text]) => `${text}: ${count}`),
  ];
}
