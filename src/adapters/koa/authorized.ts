import type { IncomingMessage } from "node:http";
import type Koa from "koa";
import type { AuthPolicy, Headers, PushAuthRequest, PushDenial } from "../../domain/auth-policy.js";
import { Json } from "../../domain/json.js";
import type { PushInput } from "../../domain/push.js";
import { answerJson } from "./errors.js";

/** What the push policy sees of an HTTP request. */
export class HttpAuthRequest implements PushAuthRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly #request: IncomingMessage;

  /** @param of a request with another input: to ask Koa for each push of a batch would cost more than the push. */
  constructor(
    of: Koa.Context | HttpAuthRequest,
    readonly input: PushInput,
  ) {
    this.method = of.method;
    this.path = of.path;
    // Node joins repeated fields itself, but for set-cookie, which no request has.
    this.headers = of.headers as Headers;
    this.#request = of instanceof HttpAuthRequest ? of.#request : of.req;
  }

  /** Looked up on demand: most policies never ask. */
  get remoteAddress(): string | undefined {
    return this.#request.socket.remoteAddress;
  }
}

/**
 * Asks the push policy about a request that is no push, and answers where it says no.
 *
 * @param input names the channel that the request is about, if it is about one
 * @returns whether the request may go on.
 */
export async function isAuthorized(
  ctx: Koa.Context,
  policy: AuthPolicy,
  input: PushInput = {},
): Promise<boolean> {
  return (await authorizedInput(ctx, policy, input)) !== undefined;
}

/** As `isAuthorized`. @returns the input, or what the policy has put in its place; undefined where denied. */
export async function authorizedInput(
  ctx: Koa.Context,
  policy: AuthPolicy,
  input: PushInput,
): Promise<PushInput | undefined> {
  const decision = await policy.authorizePush(new HttpAuthRequest(ctx, input));
  if (decision.allow === true) return decision.input ?? input;
  const { status, body } = denialAnswer(decision.answer);
  ctx.status = status;
  answerJson(ctx, body);
  return undefined;
}

/** The policy's own answer, or 403 `{"error":"Access Forbidden"}`. */
export function denialAnswer(denial: PushDenial | undefined): { status: number; body: string } {
  if (isDenial(denial)) return { status: denial.status, body: denial.body.text };
  return { status: 403, body: '{"error":"Access Forbidden"}' };
}

/** A denial must not look like a success to the caller, whatever the policy has made of its answer. */
function isDenial(denial: PushDenial | undefined): denial is PushDenial {
  const status = denial?.status;
  const isError = Number.isInteger(status) && Number(status) >= 400 && Number(status) < 600;
  return isError && denial?.body instanceof Json;
}
