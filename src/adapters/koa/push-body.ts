import { isAscii, isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
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
  // qs's own leaves what it cannot decode as it is, and so would deliver another text than was meant.
  decoder: (text: string) => decodeURIComponent(text.replaceAll("+", " ")),
} as const;

/** Reads the body as the bytes it came in: JSON numbers must stay exact, and all of it be UTF-8. */
export function pushBody(limits: PushRouteLimits): Koa.Middleware[] {
  const parser = bodyParser({
    enableTypes: ["text"],
    extendTypes: { text: [...JSON_TYPES, FORM_TYPE] },
    textLimit: limits.bodyBytesMax as unknown as string,
    // No encoding: the bytes themselves, of which `readPushInput` demands UTF-8.
    encoding: null as unknown as string,
  } as bodyParser.Options);
  const readBody: Koa.Middleware = async (ctx, next) => {
    const length = plainJsonLength(ctx.req.headers);
    if (length > 0 && length <= limits.bodyBytesMax && isUnread(ctx)) {
      ctx.request.body = await readWhole(ctx.req, length);
      return next();
    }
    try {
      const read = parser(ctx, nothingNext);
      const isCompressed = ctx.headers["content-encoding"] !== undefined;
      await (isCompressed ? Promise.race([read, brokenOff(ctx.req)]) : read);
    } catch (error) {
      throw isDecompressionFault(error)
        ? new MalformedRequest("The request body cannot be decompressed.")
        : error;
    }
    await next();
  };
  return [refuseOtherTypes, readBody];
}

/**
 * The length of a JSON body that is told and needs no decoding; 0 for any other. Most pushes have
 * one, and reading it without the general reader saves a tenth of what a push costs.
 */
function plainJsonLength(headers: IncomingMessage["headers"]): number {
  if (headers["content-type"] !== "application/json") return 0;
  if (headers["content-encoding"] !== undefined) return 0;
  return Number(headers["content-length"] ?? 0);
}

/** False where a host's middleware has read the body: the general reader knows what that means. */
function isUnread(ctx: Koa.Context): boolean {
  return ctx.request.body === undefined && !ctx.disableBodyParser && ctx.req.readable;
}

/** Node and the bridge both see to it that not more than the told length comes. */
function readWhole(request: IncomingMessage, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes < length) return;
      resolve(chunks.length === 1 ? chunk : Buffer.concat(chunks));
    });
    request.once("close", () => {
      if (bytes < length) reject(new MalformedRequest("The request body broke off."));
    });
    request.once("error", () => reject(new MalformedRequest("The request body broke off.")));
  });
}

const nothingNext = async (): Promise<void> => {};

/**
 * Rejects where the client goes away in the middle of a compressed body: the decompressor is not
 * told, and would wait for the rest for ever.
 */
function brokenOff(request: IncomingMessage): Promise<never> {
  return new Promise((_resolve, reject) => {
    request.once("close", () => {
      if (!request.complete) reject(new MalformedRequest("The request body broke off."));
    });
  });
}

/** zlib's codes start with `Z_`, Brotli's with `ERR_` and its own `_ERROR_FORMAT_…`. */
function isDecompressionFault(error: unknown): boolean {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  return typeof code === "string" && /^(?:Z_|ERR_(?:BROTLI)?_)/.test(code);
}

const refuseOtherTypes: Koa.Middleware = (ctx, next) => {
  if (bodyKind(ctx) !== undefined) return next();
  if (ctx.request.type !== "" || hasBody(ctx)) {
    ctx.throw(415, `The request body must be application/json or ${FORM_TYPE}.`);
  }
  return next();
};

export interface ReadPush {
  readonly input: PushInput;
  /** The body's member `dry_run`; the query string's is read with the other options. */
  readonly dryRun?: unknown;
}

/** The body's members over the query string's, as PushEx merges them. */
export function readPushInput(ctx: Koa.Context): ReadPush {
  const body = bodyInput(ctx);
  if (ctx.querystring === "") return body;
  const { input } = body;
  const query = parseForm(ctx.querystring, "query string").input;
  return {
    ...body,
    input: {
      channel: input.channel === undefined ? query.channel : input.channel,
      event: input.event === undefined ? query.event : input.event,
      data: input.data ?? query.data,
    },
  };
}

function bodyInput(ctx: Koa.Context): ReadPush {
  const body: unknown = ctx.request.body;
  if (!Buffer.isBuffer(body)) return { input: {} };
  return bodyKind(ctx) === "form" ? parseForm(utf8Text(body), "request body") : readJsonPush(body);
}

/** @throws {MalformedRequest} where the bytes are no JSON in UTF-8. */
export function readJsonPush(body: Buffer): ReadPush {
  const result = parsePushInput(jsonText(body));
  if (!result.ok) throw new MalformedRequest(result.message);
  return result;
}

/** A body that must be JSON, as text; empty where there is none. */
export function readJsonText(ctx: Koa.Context): string {
  if (bodyKind(ctx) === "form") ctx.throw(415, "The request body must be application/json.");
  const body: unknown = ctx.request.body;
  return Buffer.isBuffer(body) ? jsonText(body) : "";
}

/** @throws {MalformedRequest} where the bytes are not UTF-8. */
export function jsonText(body: Buffer): string {
  return isAscii(body) ? body.toString("latin1") : utf8Text(body);
}

/** @throws {MalformedRequest} where the bytes are not UTF-8. */
function utf8Text(body: Buffer): string {
  if (!isUtf8(body)) throw new MalformedRequest("The request body is not valid UTF-8.");
  return body.toString("utf8");
}

function parseForm(text: string, where: "query string" | "request body"): ReadPush {
  try {
    const { channel, event, data, dry_run: dryRun } = qs.parse(text, FORM_OPTIONS);
    const input = { channel, event, data: data === undefined ? undefined : Json.of(data) };
    return { input, dryRun };
  } catch (error) {
    if (error instanceof URIError) {
      throw new MalformedRequest(`The ${where} is not percent-encoded UTF-8.`);
    }
    if (error instanceof RangeError) {
      throw new MalformedRequest(`The ${where} has too many parameters or too deep ones.`);
    }
    throw error;
  }
}

function bodyKind(ctx: Koa.Context): "json" | "form" | undefined {
  // What most pushes say needs no taking apart.
  if (ctx.req.headers["content-type"] === "application/json") return "json";
  const type = ctx.request.type.toLowerCase();
  if (type === FORM_TYPE) return "form";
  const isJson = type === "application/json" || /^application\/[^+]+\+json$/.test(type);
  return isJson ? "json" : undefined;
}

function hasBody(ctx: Koa.Context): boolean {
  const { headers } = ctx;
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}
