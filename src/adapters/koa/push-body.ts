import { isUtf8 } from "node:buffer";
import type Koa from "koa";
import bodyParser from "koa-bodyparser";
import qs from "qs";
import { Json } from "../../domain/json.js";
import type { PushInput } from "../../domain/push.js";
import { parsePushInput } from "../../domain/push-input.js";
import { MalformedRequest } from "./malformed-request.js";

export interface PushRouteLimits {
  /** Largest request body, in bytes, also when decompressed. @defaultValue 8000000 */
  readonly bodyBytesMax: number;
}

const JSON_TYPES = ["application/json", "application/*+json"];
const FORM_TYPE = "application/x-www-form-urlencoded";

/** As Phoenix reads forms: `a[]=`, `a[b]=`, and of a repeated name the last one. */
const FORM_OPTIONS = {
  allowDots: false,
  plainObjects: true,
  duplicates: "last",
  depth: 32,
  strictDepth: true,
  arrayLimit: 10_000,
  parameterLimit: 10_000,
  throwOnLimitExceeded: true,
} as const;

/** Reads the body: JSON as the bytes it came in (its numbers must stay exact), a form as its values. */
export function pushBody(limits: PushRouteLimits): Koa.Middleware[] {
  const parser = bodyParser({
    enableTypes: ["text", "form"],
    extendTypes: { text: JSON_TYPES },
    textLimit: limits.bodyBytesMax as unknown as string,
    formLimit: limits.bodyBytesMax as unknown as string,
    // No encoding: the bytes themselves, of which `readPushInput` demands UTF-8.
    encoding: null as unknown as string,
    queryString: { ...FORM_OPTIONS },
  } as bodyParser.Options);
  return [refuseOtherTypes, parser];
}

const refuseOtherTypes: Koa.Middleware = (ctx, next) => {
  const type = ctx.request.type.toLowerCase();
  if (type === "" ? hasBody(ctx) : bodyKind(type) === undefined) {
    ctx.throw(415, `The request body must be application/json or ${FORM_TYPE}.`);
  }
  return next();
};

/** The body's members over the query string's, as PushEx merges them. */
export function readPushInput(ctx: Koa.Context): PushInput {
  const body = bodyInput(ctx);
  if (ctx.querystring === "") return body;
  const query = formInput(parseQuery(ctx.querystring));
  return {
    channel: body.channel === undefined ? query.channel : body.channel,
    event: body.event === undefined ? query.event : body.event,
    data: body.data ?? query.data,
  };
}

function bodyInput(ctx: Koa.Context): PushInput {
  const body: unknown = ctx.request.body;
  if (!Buffer.isBuffer(body)) return formInput((body ?? {}) as Record<string, unknown>);
  if (!isUtf8(body)) throw new MalformedRequest("The request body is not valid UTF-8.");
  const result = parsePushInput(body.toString("utf8"));
  if (!result.ok) throw new MalformedRequest(result.message);
  return result.input;
}

function parseQuery(query: string): Record<string, unknown> {
  try {
    return qs.parse(query, FORM_OPTIONS);
  } catch {
    throw new MalformedRequest("The query string has too many parameters or too deep ones.");
  }
}

function formInput({ channel, event, data }: Record<string, unknown>): PushInput {
  return { channel, event, data: data === undefined ? undefined : Json.of(data) };
}

function bodyKind(type: string): "json" | "form" | undefined {
  if (type === FORM_TYPE) return "form";
  const isJson = type === "application/json" || /^application\/[^+]+\+json$/.test(type);
  return isJson ? "json" : undefined;
}

function hasBody(ctx: Koa.Context): boolean {
  const { headers } = ctx;
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}
