import type { IncomingMessage } from "node:http";
import type Koa from "koa";
import type { Headers, PushAuthRequest, PushDenial } from "../../domain/auth-policy.js";
import { Json } from "../../domain/json.js";
import type { PushInput } from "../../domain/push.js";
import type { PushService } from "../../domain/push-service.js";
import { answer, answerJson } from "./errors.js";
import { type PushRouteLimits, pushBody, readPushInput } from "./push-body.js";

/** `POST /api/push`: body, then acceptable answer, then the policy, then the arguments. */
export function pushRoute(pushes: PushService, limits: PushRouteLimits): Koa.Middleware[] {
  return [
    ...pushBody(limits),
    async (ctx) => {
      const input = readPushInput(ctx);
      if (!acceptsJson(ctx)) {
        answer(ctx, 406, "The answer is application/json, which the request does not accept.");
        return;
      }
      const outcome = await pushes.push(new HttpPushRequest(ctx, input));
      if (outcome.kind === "accepted") {
        ctx.status = 200;
        answerJson(ctx, outcome.push.toAnswer());
      } else if (outcome.kind === "invalid") {
        answer(ctx, 422, outcome.error.message);
      } else if (isDenial(outcome.answer)) {
        ctx.status = outcome.answer.status;
        answerJson(ctx, outcome.answer.body.text);
      } else {
        answer(ctx, 403, "Access Forbidden");
      }
    },
  ];
}

/** A denial must not look like a success to the caller, whatever the policy has made of its answer. */
function isDenial(answer: PushDenial | undefined): answer is PushDenial {
  const status = answer?.status;
  const isError = Number.isInteger(status) && Number(status) >= 400 && Number(status) < 600;
  return isError && answer?.body instanceof Json;
}

function acceptsJson(ctx: Koa.Context): boolean {
  const { accept } = ctx.headers;
  // What nearly every client sends needs no negotiation.
  if (accept === undefined || accept === "*/*" || accept === "application/json") return true;
  return ctx.accepts("application/json") !== false;
}

class HttpPushRequest implements PushAuthRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly #request: IncomingMessage;

  constructor(
    ctx: Koa.Context,
    readonly input: PushInput,
  ) {
    this.method = ctx.method;
    this.path = ctx.path;
    // Node joins repeated fields itself, but for set-cookie, which no request has.
    this.headers = ctx.headers as Headers;
    this.#request = ctx.req;
  }

  /** Looked up on demand: most policies never ask. */
  get remoteAddress(): string | undefined {
    return this.#request.socket.remoteAddress;
  }
}
