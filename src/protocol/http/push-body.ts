import type { Headers } from "../../domain/auth-policy.js";
import { Json } from "../../domain/json.js";
import type { PushInput } from "../../domain/push.js";
import type { ApiRequest, HttpPlatform } from "./api.js";
import { HttpError, MalformedRequest } from "./errors.js";
import { parsePushInput } from "./push-input.js";

/** The media types of bodies, besides `application/*+json`. */
export const BODY_TYPES = {
  json: "application/json",
  form: "application/x-www-form-urlencoded",
} as const;

export type BodyKind = keyof typeof BODY_TYPES;

export interface ReadPush {
  readonly input: PushInput;
  /** The body's member `dry_run`. The one of the query string is read with the other options. */
  readonly dryRun?: unknown;
}

/**
 * What the body's media type says; undefined if there is no body.
 *
 * @throws {HttpError} 415 for a media type that no route takes.
 */
export function bodyKindOf(headers: Headers): BodyKind | undefined {
  const given = headers["content-type"];
  // Nearly every push says exactly this.
  if (given === BODY_TYPES.json) return "json";
  const type = (given ?? "").split(";", 1)[0]?.toLowerCase() ?? "";
  if (type === BODY_TYPES.form) return "form";
  if (type === BODY_TYPES.json || /^application\/[^+]+\+json$/.test(type)) return "json";
  if (type === "" && !hasBody(headers)) return undefined;
  throw new HttpError(415, `The request body must be ${BODY_TYPES.json} or ${BODY_TYPES.form}.`);
}

/**
 * The members of a push: the body's, and those that it lacks from the query string, as PushEx merges
 * them.
 *
 * @throws {HttpError} 415; {MalformedRequest} if the body or the query string cannot be read.
 */
export function readPush(request: ApiRequest, platform: HttpPlatform): ReadPush {
  const body = readBody(request, platform);
  if (request.query === "") return body;
  const { input } = body;
  const query = readForm(request.query, "query string", platform).input;
  return {
    ...body,
    input: {
      channel: input.channel === undefined ? query.channel : input.channel,
      event: input.event === undefined ? query.event : input.event,
      data: input.data ?? query.data,
    },
  };
}

/**
 * A body that must be JSON, as text; empty if there is none.
 *
 * @throws {HttpError} 415; {MalformedRequest} if the bytes are not UTF-8.
 */
export function readJsonText({ headers, body }: ApiRequest, platform: HttpPlatform): string {
  if (bodyKindOf(headers) === "form") {
    throw new HttpError(415, `The request body must be ${BODY_TYPES.json}.`);
  }
  return body === undefined ? "" : utf8Text(body, platform);
}

function readBody({ headers, body }: ApiRequest, platform: HttpPlatform): ReadPush {
  if (body === undefined) return { input: {} };
  const text = utf8Text(body, platform);
  if (bodyKindOf(headers) === "form") return readForm(text, "request body", platform);
  const result = parsePushInput(text);
  if (!result.ok) throw new MalformedRequest(result.message);
  return result;
}

function utf8Text(body: Uint8Array, platform: HttpPlatform): string {
  const text = platform.decodeUtf8(body);
  if (text === undefined) throw new MalformedRequest("The request body is not valid UTF-8.");
  return text;
}

function readForm(
  text: string,
  source: "query string" | "request body",
  platform: HttpPlatform,
): ReadPush {
  try {
    const { channel, event, data, dry_run: dryRun } = platform.parseForm(text);
    const input = { channel, event, data: data === undefined ? undefined : Json.of(data) };
    return { input, dryRun };
  } catch (error) {
    if (error instanceof URIError) {
      throw new MalformedRequest(`The ${source} is not percent-encoded UTF-8.`);
    }
    if (error instanceof RangeError) {
      throw new MalformedRequest(`The ${source} has too many parameters or too deep ones.`);
    }
    throw error;
  }
}

function hasBody(headers: Headers): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}
