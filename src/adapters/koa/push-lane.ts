import type { MaybePromise } from "../../domain/auth-policy.js";
import type { ReadyPush, RefusedPush } from "../../domain/push-service.js";
import type { ErrorLog } from "./errors.js";
import { PlainAuthRequest, PlainLane, type PlainRequest } from "./plain-lane.js";
import { type PushAnswer, type PushDesk, settlePush } from "./push-answer.js";
import { type PushRouteLimits, readJsonPush } from "./push-body.js";
import { NO_OPTIONS, pushOptions } from "./push-options.js";

/** A larger body, and the answer with what was in it, is better read and written in pieces. */
const BODY_BYTES_MAX = 65_536;

/** `POST /api/push` as nearly every backend sends it. */
export class PushLane extends PlainLane {
  readonly path = "/api/push";
  readonly #desk: PushDesk;

  constructor(desk: PushDesk, { bodyBytesMax }: PushRouteLimits, log: ErrorLog) {
    super(Math.min(bodyBytesMax, BODY_BYTES_MAX), log);
    this.#desk = desk;
  }

  protected override settle(request: PlainRequest): MaybePromise<PushAnswer> {
    const { input, dryRun } = readJsonPush(request.body);
    const prepared = this.#desk.pushes.prepare(new PlainAuthRequest(request, this.path, input));
    return prepared instanceof Promise
      ? prepared.then((each) => this.#deliver(request, each, dryRun))
      : this.#deliver(request, prepared, dryRun);
  }

  #deliver(
    { headers }: PlainRequest,
    prepared: ReadyPush | RefusedPush,
    dryRun: unknown,
  ): MaybePromise<PushAnswer> {
    // A caller who may not push learns nothing of what is wrong with the rest.
    const options =
      prepared.kind === "denied" ? NO_OPTIONS : pushOptions(headers["idempotency-key"], "", dryRun);
    return settlePush(this.#desk, prepared, options);
  }
}
