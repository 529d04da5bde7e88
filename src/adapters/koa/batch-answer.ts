import type { IdempotencyStore } from "../../application/idempotency.js";
import type { AuthPolicy, MaybePromise, PushAuthRequest } from "../../domain/auth-policy.js";
import { quoted } from "../../domain/json.js";
import { andThen, isPromise } from "../../domain/maybe-promise.js";
import type { PushInput } from "../../domain/push.js";
import type { ReadyPush, RefusedPush } from "../../domain/push-service.js";
import { denialAnswer } from "./authorized.js";
import type { Batch, BatchItem } from "./batch-body.js";
import { InvalidOption } from "./malformed-request.js";
import {
  failure,
  fingerprintOf,
  keyOf,
  type PushAnswer,
  type PushDesk,
  settlePush,
  tooManyKeys,
} from "./push-answer.js";
import type { PushRouteLimits } from "./push-body.js";
import { isOn, type PushOptions, pushOptions } from "./push-options.js";

export interface BatchLimits extends PushRouteLimits {
  /** Most pushes in one batch. @defaultValue 100 */
  readonly pushesMax: number;
}

export interface BatchDesk extends PushDesk {
  readonly policy: AuthPolicy;
  /** Remembers which body a key was used with. */
  readonly batches: IdempotencyStore<true>;
}

/** What a batch came with. */
export interface BatchRequest {
  /** The whole body. */
  readonly text: string;
  /** The field `idempotency-key`. */
  readonly idempotencyKey: unknown;
  readonly querystring: string;
  /** The request as the policy sees it, with one of the pushes for its input. */
  toAuthorize(input: PushInput): PushAuthRequest;
}

type Prepared = ReadyPush | RefusedPush;
type ReadableBatch = Extract<Batch, { ok: true }>;

/**
 * `{"pushes":[…]}`, each as `POST /api/push` takes it, answered with
 * `{"results":[{"status","body","id"}…]}` in their order.
 *
 * Each push is authorised, checked and answered on its own. They are delivered in their order, once
 * all are authorised. Where the policy denies every one of them, the answer is that of the first.
 *
 * At once where policy and broker are.
 *
 * @throws {MalformedRequest}, {InvalidOption}, what a broken transport throws, or rejects with it.
 */
export function answerBatch(
  desk: BatchDesk,
  batch: Batch,
  request: BatchRequest,
): MaybePromise<PushAnswer> {
  if (batch.ok) {
    return andThen(prepareEach(desk, batch.items, request), (prepared) =>
      answerPrepared(desk, batch, prepared, request),
    );
  }
  // Asked about no push at all, so that a caller without a key learns nothing.
  return andThen(desk.policy.authorizePush(request.toAuthorize({})), (decision) =>
    decision.allow === true ? failure(422, batch.message) : denialAnswer(decision.answer),
  );
}

/** A promise only where the policy takes its time. */
function prepareEach(
  { pushes }: BatchDesk,
  items: readonly BatchItem[],
  request: BatchRequest,
): MaybePromise<readonly Prepared[]> {
  const asked: MaybePromise<Prepared>[] = [];
  let isLate = false;
  for (const { input } of items) {
    const prepared = pushes.prepare(request.toAuthorize(input));
    if (isPromise(prepared)) isLate = true;
    asked.push(prepared);
  }
  return isLate ? Promise.all(asked) : (asked as Prepared[]);
}

function answerPrepared(
  desk: BatchDesk,
  { items, dryRun }: ReadableBatch,
  prepared: readonly Prepared[],
  { text, idempotencyKey, querystring }: BatchRequest,
): MaybePromise<PushAnswer> {
  const [first] = prepared;
  if (first?.kind === "denied" && prepared.every(({ kind }) => kind === "denied")) {
    return denialAnswer(first.answer);
  }
  const options = pushOptions(idempotencyKey, querystring, dryRun);
  return andThen(bindKey(desk, prepared, options, text), (misuse) =>
    misuse === undefined ? new Settling(desk, prepared, items, options).goOn() : misuse,
  );
}

/**
 * A key belongs to the whole text of a batch. One of which nothing can be delivered has not used
 * its key.
 *
 * @returns what is wrong where it was used with another text, or no further one can be remembered.
 */
function bindKey(
  { batches }: BatchDesk,
  prepared: readonly Prepared[],
  { dryRun, idempotencyKey }: PushOptions,
  text: string,
): MaybePromise<PushAnswer | undefined> {
  if (idempotencyKey === undefined || dryRun) return undefined;
  const ready = prepared.find((each) => each.kind === "ready");
  if (ready === undefined) return undefined;
  const key = keyOf(ready.by, idempotencyKey);
  return andThen(
    batches.claim(key, fingerprintOf(text), () => true),
    (claim) => {
      if (claim.kind === "mismatch") {
        return failure(422, "The Idempotency-Key was used for another batch.");
      }
      return claim.kind === "full" ? tooManyKeys(claim.retryAfterMs) : undefined;
    },
  );
}

/** One batch on its way: its pushes are delivered one behind the other. */
class Settling {
  readonly #desk: BatchDesk;
  readonly #prepared: readonly Prepared[];
  readonly #items: readonly BatchItem[];
  readonly #options: PushOptions;
  /** How many have been settled. */
  #count = 0;
  #results = "";
  #retryAfterSeconds: number | undefined;

  constructor(
    desk: BatchDesk,
    prepared: readonly Prepared[],
    items: readonly BatchItem[],
    options: PushOptions,
  ) {
    this.#desk = desk;
    this.#prepared = prepared;
    this.#items = items;
    this.#options = options;
  }

  /** Waits only where there is something to wait for: nothing comes in between otherwise. */
  goOn(): MaybePromise<PushAnswer> {
    while (this.#count < this.#prepared.length) {
      const settled = this.#settleNext();
      if (isPromise(settled)) return this.#goOnBehind(settled);
      this.#add(settled);
    }
    return this.#answer();
  }

  async #goOnBehind(late: Promise<PushAnswer>): Promise<PushAnswer> {
    this.#add(await late);
    return this.goOn();
  }

  #settleNext(): MaybePromise<PushAnswer> {
    const prepared = this.#prepared[this.#count] as Prepared;
    try {
      return settlePush(this.#desk, prepared, this.#optionsOfNext(prepared));
    } catch (error) {
      if (error instanceof InvalidOption) return failure(error.status, error.message);
      throw error;
    }
  }

  /**
   * Each push has a key of its own: what was refused the first time may be delivered by a repeat. The
   * line break keeps these keys from those that callers choose.
   */
  #optionsOfNext({ kind }: Prepared): PushOptions {
    const index = this.#count;
    const options = this.#options;
    const { dryRun } = this.#items[index] as BatchItem;
    const { idempotencyKey } = options;
    if (idempotencyKey === undefined && dryRun === undefined) return options;
    return {
      ...options,
      dryRun: options.dryRun || (kind !== "denied" && isOn("dry_run", dryRun)),
      ...(idempotencyKey !== undefined && { idempotencyKey: `${idempotencyKey}\n${index}` }),
    };
  }

  #add({ status, body, pushId, retryAfterSeconds }: PushAnswer): void {
    const comma = this.#count++ === 0 ? "" : ",";
    const id = pushId === undefined ? "" : `,"id":${quoted(pushId)}`;
    this.#results += `${comma}{"status":${status},"body":${body}${id}}`;
    if (retryAfterSeconds !== undefined) this.#retryAfterSeconds = retryAfterSeconds;
  }

  #answer(): PushAnswer {
    const body = `{"results":[${this.#results}]}`;
    const retryAfterSeconds = this.#retryAfterSeconds;
    return retryAfterSeconds === undefined
      ? { status: 200, body }
      : { status: 200, body, retryAfterSeconds };
  }
}
