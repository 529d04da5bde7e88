import type { IncomingMessage } from "node:http";
import type Koa from "koa";
import bodyParser from "koa-bodyparser";
import type { Headers } from "../../domain/auth-policy.js";
import { MalformedRequest } from "../../protocol/http/errors.js";
import { BODY_TYPES, bodyKindOf } from "../../protocol/http/push-body.js";

/**
 * Puts the body into `ctx.request.body` as the bytes that were sent, decompressed: decoding it is
 * for the handlers.
 *
 * @param bytesMax larger bodies are refused with 413, also after decompression
 */
export function readBody(bytesMax: number): Koa.Middleware[] {
  const parser = bodyParser({
    enableTypes: ["text"],
    extendTypes: { text: [BODY_TYPES.json, "application/*+json", BODY_TYPES.form] },
    textLimit: bytesMax as unknown as string,
    // Without an encoding, the body is a Buffer.
    encoding: null as unknown as string,
  } as bodyParser.Options);
  const read: Koa.Middleware = async (ctx, next) => {
    const length = plainJsonLength(ctx.req.headers);
    if (length > 0 && length <= bytesMax && isUnread(ctx)) {
      ctx.request.body = await readWhole(ctx.req, length);
      return next();
    }
    try {
      const parsed = parser(ctx, nothingNext);
      const isCompressed = ctx.headers["content-encoding"] !== undefined;
      await (isCompressed ? Promise.race([parsed, brokenOff(ctx.req)]) : parsed);
    } catch (error) {
      throw isDecompressionFault(error)
        ? new MalformedRequest("The request body cannot be decompressed.")
        : error;
    }
    await next();
  };
  return [refuseOtherTypes, read];
}

/** Before the body is read: a body that no route takes is not worth reading. */
const refuseOtherTypes: Koa.Middleware = (ctx, next) => {
  bodyKindOf(ctx.req.headers as Headers);
  return next();
};

/**
 * The length of a JSON body that is declared and needs no decompression; 0 for any other. Most
 * pushes have one, and reading it without the general reader saves a tenth of the time of a push.
 */
function plainJsonLength(headers: IncomingMessage["headers"]): number {
  if (headers["content-type"] !== BODY_TYPES.json) return 0;
  if (headers["content-encoding"] !== undefined) return 0;
  return Number(headers["content-length"] ?? 0);
}

/** False if a host's middleware has read the body: the general reader knows what that means. */
function isUnread(ctx: Koa.Context): boolean {
  return ctx.request.body === undefined && !ctx.disableBodyParser && ctx.req.readable;
}

/** Node and the bridge both make sure that no more than the declared length arrives. */
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
 * Rejects if the client goes away in the middle of a compressed body: the decompressor is not told,
 * and would wait for the rest forever.
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
