import type { IncomingMessage } from "node:http";
import type Koa from "koa";
import {
  type AuthPolicy,
  authorizeOperate,
  type Headers,
  type OperatorRight,
  type PushAuthRequest,
  type PushDenial,
} from "../../domain/auth-policy.js";
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
 * Asks the policy whether the caller has a right of an operator, and answers the request if not.
 *
 * @param channel the channel that the request is about; undefined if it is about the whole server
 * @returns whether the request may go on.
 */
export async function mayOperate(
  ctx: Koa.Context,
  policy: AuthPolicy,
  right: OperatorRight,
  channel?: string,
): Promise<boolean> {
  const decision = await authorizeOperate(policy, {
    right,
    channel,
    method: ctx.method,
    path: ctx.path,
    headers: ctx.headers as Headers,
    remoteAddress: ctx.req.socket.remoteAddress,
  });
  if (decision.allow === true) return true;
  const { status, body } = denialAnswer(decision.answer);
  ctx.status = status;
  answerJson(ctx, body);
  return false;
}

/** The policy's own answer, or 403 `{"error":"Access Forbidden"}`. */
export function denialAnswer(denial: PushDenial | undefined): { status: number; body: string } {
  if (isDenial(denial)) return { status: denial.status, body: denial.body.text };
  return { status: 403, body: '{"error":"Access Forbidden"}' };
}

/** A denial must not look like a success to the caller, whatever answer the policy gives. */
function isDenial(denial: PushDenial | undefined): denial is PushDenial {
  const status = denial?.status;
  const isError = Number.isInteger(status) && Number(status) >= 400 && Number(status) < 600;
  return isError && denial?.body instanceof Json;
}
