import type Router from "@koa/router";
import type Koa from "koa";
import type { Headers } from "../../domain/auth-policy.js";
import { isPromise } from "../../domain/maybe-promise.js";
import {
  type ApiAnswer,
  type ApiRequest,
  type ApiRoute,
  eachHeader,
} from "../../protocol/http/api.js";
import { answerJson } from "./errors.js";
import { readBody } from "./read-body.js";

const VERBS = { GET: "get", POST: "post", DELETE: "delete" } as const;

/** Mounts a route of the API. */
export function mountRoute(router: Router, { method, path, body, handle }: ApiRoute): void {
  const before = body === undefined ? [] : readBody(body.bytesMax);
  router[VERBS[method]](path, ...before, async (ctx) => {
    const answer = handle(new KoaRequest(ctx));
    writeAnswer(ctx, isPromise(answer) ? await answer : answer);
  });
}

/** Koa's context as a plain request. */
class KoaRequest implements ApiRequest {
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly params: Readonly<Record<string, string>>;
  readonly headers: Headers;
  readonly #ctx: Koa.Context;

  /** Copies what the policy may ask for: Koa's getters would run once per push of a batch. */
  constructor(ctx: Koa.Context) {
    this.requestId = ctx.state.requestId as string;
    this.method = ctx.method;
    this.path = ctx.path;
    this.query = ctx.querystring;
    this.params = paramsOf(ctx);
    // Node joins repeated fields itself, except for set-cookie, which requests do not have.
    this.headers = ctx.headers as Headers;
    this.#ctx = ctx;
  }

  get acceptsJson(): boolean {
    const { accept } = this.headers;
    // Nearly every client sends one of these, which need no negotiation.
    if (accept === undefined || accept === "*/*" || accept === "application/json") return true;
    return this.#ctx.accepts("application/json") !== false;
  }

  get body(): Uint8Array | undefined {
    const body: unknown = this.#ctx.request.body;
    return Buffer.isBuffer(body) ? body : undefined;
  }

  /** Looked up on demand: most policies never ask. */
  get remoteAddress(): string | undefined {
    return this.#ctx.req.socket.remoteAddress;
  }
}

const NO_PARAMS = {};

/** 404 for a path that is not percent-encoded UTF-8: the router leaves it as it is. */
function paramsOf(ctx: Koa.Context): Readonly<Record<string, string>> {
  const params = ctx.params as Record<string, string>;
  if (Object.keys(params).length === 0) return NO_PARAMS;
  try {
    decodeURIComponent(ctx.path);
  } catch {
    ctx.throw(404);
  }
  return params;
}

function writeAnswer(ctx: Koa.Context, answer: ApiAnswer): void {
  ctx.status = answer.status;
  eachHeader(answer, (name, value) => ctx.res.setHeader(name, value));
  answerJson(ctx, answer.body);
}
