import type Koa from "koa";
import { InvalidOption, MalformedRequest } from "./malformed-request.js";

/** What a caller may ask for beside the push itself. */
export interface PushOptions {
  /** Authorise and check only. */
  readonly dryRun: boolean;
  /** Put the push's trace into the answer. */
  readonly explain: boolean;
  readonly idempotencyKey: string | undefined;
}

export const NO_OPTIONS: PushOptions = { dryRun: false, explain: false, idempotencyKey: undefined };

/** Printable ASCII, as header fields can be relied on to carry it. */
const KEY = /^[\x20-\x7e]{1,255}$/;

/** @param dryRun the body's member, where it has one; all of the query string's count too */
export function readPushOptions({ req, querystring }: Koa.Context, dryRun: unknown): PushOptions {
  return pushOptions(req.headers["idempotency-key"], querystring, dryRun);
}

/**
 * @param key the field `idempotency-key`
 * @throws {MalformedRequest}, {InvalidOption}
 */
export function pushOptions(key: unknown, querystring: string, dryRun: unknown): PushOptions {
  if (key === undefined && querystring === "" && dryRun === undefined) return NO_OPTIONS;
  if (key !== undefined && (typeof key !== "string" || !KEY.test(key))) {
    throw new MalformedRequest("Idempotency-Key must be 1 to 255 printable ASCII characters.");
  }
  const query = new URLSearchParams(querystring);
  return {
    dryRun: [dryRun, ...query.getAll("dry_run")]
      .map((value) => isOn("dry_run", value))
      .some(Boolean),
    explain: isOn("explain", query.get("explain")),
    idempotencyKey: key as string | undefined,
  };
}

/** What is neither yes nor no is refused: a dry run that is not understood would be delivered. */
export function isOn(name: string, value: unknown): boolean {
  if (value === undefined || value === null) return false;
  if (value === true || value === "true" || value === "1" || value === 1) return true;
  if (value === false || value === "false" || value === "0" || value === 0) return false;
  throw new InvalidOption(`${name} must be true or false.`);
}
