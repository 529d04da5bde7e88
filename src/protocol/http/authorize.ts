import {
  type AuthPolicy,
  authorizeOperate,
  type Headers,
  type MaybePromise,
  type OperatorRight,
  type PushAuthRequest,
} from "../../domain/auth-policy.js";
import type { PushInput } from "../../domain/push.js";
import { type ApiAnswer, type ApiRequest, denialAnswer } from "./api.js";

/** A request as the push policy sees it. */
export class HttpAuthRequest implements PushAuthRequest {
  readonly #request: ApiRequest;

  /** @param input the push of the request, or one of a batch */
  constructor(
    request: ApiRequest,
    readonly input: PushInput,
  ) {
    this.#request = request;
  }

  get method(): string {
    return this.#request.method;
  }

  get path(): string {
    return this.#request.path;
  }

  get headers(): Headers {
    return this.#request.headers;
  }

  /** Looked up on demand: most policies never ask. */
  get remoteAddress(): string | undefined {
    return this.#request.remoteAddress;
  }
}

/**
 * Asks the policy whether the caller has a right of an operator.
 *
 * @param channels the channels that the request is about; undefined stands for the whole server
 * @param answer called if the policy allows each of them
 */
export async function ifMayOperate(
  policy: AuthPolicy,
  request: ApiRequest,
  right: OperatorRight,
  channels: readonly (string | undefined)[],
  answer: () => MaybePromise<ApiAnswer>,
): Promise<ApiAnswer> {
  const { method, path, headers } = request;
  for (const channel of channels) {
    const { remoteAddress } = request;
    const asked = { right, channel, method, path, headers, remoteAddress };
    const decision = await authorizeOperate(policy, asked);
    if (decision.allow !== true) return denialAnswer(decision.answer);
  }
  return answer();
}
