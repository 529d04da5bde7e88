import type { MaybePromise } from "../../domain/auth-policy.js";
import { answerBatch, type BatchDesk, type BatchLimits } from "./batch-answer.js";
import { readBatch } from "./batch-body.js";
import type { ErrorLog } from "./errors.js";
import { PlainAuthRequest, PlainLane, type PlainRequest } from "./plain-lane.js";
import type { PushAnswer } from "./push-answer.js";
import { jsonText } from "./push-body.js";

/** Of 100 pushes 2.6 kB each; a larger body is better read and answered in pieces. */
const BODY_BYTES_MAX = 262_144;

/** `POST /api/push/batch` as nearly every backend sends it. */
export class BatchLane extends PlainLane {
  readonly path = "/api/push/batch";
  readonly #desk: BatchDesk;
  readonly #pushesMax: number;

  constructor(desk: BatchDesk, { bodyBytesMax, pushesMax }: BatchLimits, log: ErrorLog) {
    super(Math.min(bodyBytesMax, BODY_BYTES_MAX), log);
    this.#desk = desk;
    this.#pushesMax = pushesMax;
  }

  protected override settle(request: PlainRequest): MaybePromise<PushAnswer> {
    const text = jsonText(request.body);
    return answerBatch(this.#desk, readBatch(text, this.#pushesMax), {
      text,
      idempotencyKey: request.headers["idempotency-key"],
      querystring: "",
      toAuthorize: (input) => new PlainAuthRequest(request, this.path, input),
    });
  }
}
