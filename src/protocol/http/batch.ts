import { IdempotencyStore } from "../../application/idempotency.js";
import type { AuthPolicy, MaybePromise } from "../../domain/auth-policy.js";
import { quoted } from "../../domain/json.js";
import { andThen, isPromise } from "../../domain/maybe-promise.js";
import type { ReadyPush, RefusedPush } from "../../domain/push-service.js";
import {
  type ApiAnswer,
  type ApiRequest,
  type ApiRoute,
  denialAnswer,
  failure,
  notAcceptable,
} from "./api.js";
import { HttpAuthRequest } from "./authorize.js";
import { type Batch, type BatchItem, readBatch } from "./batch-body.js";
import { InvalidOption } from "./errors.js";
import { keyOf, type PushRouteLimits, type PushServices, settlePush, tooManyKeys } from "./push.js";
import { readJsonText } from "./push-body.js";
import { isOn, type PushOptions, pushOptions } from "./push-options.js";

export interface BatchLimits extends PushRouteLimits {
  /** Most pushes in one batch. @defaultValue 100 */
  readonly pushesMax: number;
  /** Most Idempotency-Keys of batches that are remembered at a time. @defaultValue 100000 */
  readonly idempotencyKeysMax: number;
}

export interface BatchServices extends PushServices {
  readonly policy: AuthPolicy;
  /** Milliseconds since 1970, for the window of the Idempotency-Keys. */
  readonly nowMs: () => number;
}

type Prepared = ReadyPush | RefusedPush;
type ReadableBatch = Extract<Batch, { ok: true }>;

/** 100 pushes of 2.6 kB each. A larger body is better read and answered in pieces. */
const SMALL_BODY_BYTES = 262_144;

/**
 * `POST /api/push/batch`: takes `{"pushes":[…]}`, each as `POST /api/push` takes it, and answers
 * `{"results":[{"status","body","id"}…]}` in the same order.
 *
 * Each push is authorised, checked and answered on its own. They are delivered in their order, once
 * all are authorised. If the policy denies every one of them, the answer is that of the first.
 */
export function batchRoute(services: BatchServices, limits: BatchLimits): ApiRoute {
  const handler = new BatchHandler(services, limits);
  return {
    method: "POST",
    path: "/api/push/batch",
    body: { bytesMax: limits.bodyBytesMax, smallBytesMax: SMALL_BODY_BYTES },
    handle: (request) => handler.answer(request),
  };
}

class BatchHandler {
  readonly #services: BatchServices;
  readonly #pushesMax: number;
  /** Remembers which body a key was used with. */
  readonly #bodies: IdempotencyStore<true>;

  constructor(services: BatchServices, { pushesMax, idempotencyKeysMax }: BatchLimits) {
    this.#services = services;
    this.#pushesMax = pushesMax;
    this.#bodies = new IdempotencyStore({ keysMax: idempotencyKeysMax, now: services.nowMs });
  }

  /** Synchronous if policy and broker are. */
  answer(request: ApiRequest): MaybePromise<ApiAnswer> {
    const text = readJsonText(request, this.#services.platform);
    const batch = readBatch(text, this.#pushesMax);
    if (!request.acceptsJson) return notAcceptable();
    if (batch.ok) {
      return andThen(this.#prepareEach(batch.items, request), (prepared) =>
        this.#answerPrepared(request, text, batch, prepared),
      );
    }
    // The policy is asked about an empty push, so that a caller without a key learns nothing.
    const asked = this.#services.policy.authorizePush(new HttpAuthRequest(request, {}));
    return andThen(asked, (decision) =>
      decision.allow === true ? failure(422, batch.message) : denialAnswer(decision.answer),
    );
  }

  /** A promise only if the policy answers with one. */
  #prepareEach(
    items: readonly BatchItem[],
    request: ApiRequest,
  ): MaybePromise<readonly Prepared[]> {
    const { pushes } = this.#services;
    const asked: MaybePromise<Prepared>[] = [];
    let isLate = false;
    for (const { input } of items) {
      const prepared = pushes.prepare(new HttpAuthRequest(request, input));
      if (isPromise(prepared)) isLate = true;
      asked.push(prepared);
    }
    return isLate ? Promise.all(asked) : (asked as Prepared[]);
  }

  #answerPrepared(
    { headers, query }: ApiRequest,
    text: string,
    { items, dryRun }: ReadableBatch,
    prepared: readonly Prepared[],
  ): MaybePromise<ApiAnswer> {
    const [first] = prepared;
    if (first?.kind === "denied" && prepared.every(({ kind }) => kind === "denied")) {
      return denialAnswer(first.answer);
    }
    const options = pushOptions(headers["idempotency-key"], query, dryRun);
    return andThen(this.#bindKey(prepared, options, text), (misuse) =>
      misuse === undefined ? new BatchRun(this.#services, prepared, items, options).run() : misuse,
    );
  }

  /**
   * Binds the key to the whole text of the batch. A batch that can deliver nothing does not use its
   * key.
   *
   * @returns the answer if the key was used with another text, or no further key can be remembered.
   */
  #bindKey(
    prepared: readonly Prepared[],
    { dryRun, idempotencyKey }: PushOptions,
    text: string,
  ): MaybePromise<ApiAnswer | undefined> {
    if (idempotencyKey === undefined || dryRun) return undefined;
    const ready = prepared.find((each) => each.kind === "ready");
    if (ready === undefined) return undefined;
    const key = keyOf(ready.by, idempotencyKey);
    return andThen(
      this.#bodies.claim(key, this.#services.platform.fingerprint(text), () => true),
      (claim) => {
        if (claim.kind === "mismatch") {
          return failure(422, "The Idempotency-Key was used for another batch.");
        }
        return claim.kind === "full" ? tooManyKeys(claim.retryAfterMs) : undefined;
      },
    );
  }
}

/** Delivers the pushes of one batch, one after the other. */
class BatchRun {
  readonly #services: BatchServices;
  readonly #prepared: readonly Prepared[];
  readonly #items: readonly BatchItem[];
  readonly #options: PushOptions;
  /** How many have been settled. */
  #count = 0;
  #results = "";
  #retryAfterSeconds: number | undefined;

  constructor(
    services: BatchServices,
    prepared: readonly Prepared[],
    items: readonly BatchItem[],
    options: PushOptions,
  ) {
    this.#services = services;
    this.#prepared = prepared;
    this.#items = items;
    this.#options = options;
  }

  /** Does not wait for pushes that are settled synchronously, so that nothing comes in between. */
  run(): MaybePromise<ApiAnswer> {
    while (this.#count < this.#prepared.length) {
      const settled = this.#settleNext();
      if (isPromise(settled)) return this.#runAfter(settled);
      this.#add(settled);
    }
    return this.#answer();
  }

  async #runAfter(late: Promise<ApiAnswer>): Promise<ApiAnswer> {
    this.#add(await late);
    return this.run();
  }

  #settleNext(): MaybePromise<ApiAnswer> {
    const prepared = this.#prepared[this.#count] as Prepared;
    try {
      return settlePush(this.#services, prepared, this.#optionsOfNext(prepared));
    } catch (error) {
      if (error instanceof InvalidOption) return failure(error.status, error.message);
      throw error;
    }
  }

  /**
   * Each push has a key of its own: one that was refused the first time may be delivered by a repeat.
   * No caller's key has a line break, so these cannot collide with keys of single pushes.
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

  #add({ status, body, pushId, retryAfterSeconds }: ApiAnswer): void {
    const comma = this.#count++ === 0 ? "" : ",";
    const id = pushId === undefined ? "" : `,"id":${quoted(pushId)}`;
    this.#results += `${comma}{"status":${status},"body":${body}${id}}`;
    if (retryAfterSeconds !== undefined) this.#retryAfterSeconds = retryAfterSeconds;
  }

  #answer(): ApiAnswer {
    const body = `{"results":[${this.#results}]}`;
    const retryAfterSeconds = this.#retryAfterSeconds;
    return retryAfterSeconds === undefined
      ? { status: 200, body }
      : { status: 200, body, retryAfterSeconds };
  }
}
