import { InvalidOption, MalformedRequest } from "./errors.js";

/** What a caller may ask for besides the push itself. */
export interface PushOptions {
  /** Authorise and check only. */
  readonly dryRun: boolean;
  /** Put the push's trace into the answer. */
  readonly explain: boolean;
  readonly idempotencyKey: string | undefined;
}

export const NO_OPTIONS: PushOptions = { dryRun: false, explain: false, idempotencyKey: undefined };

/** Printable ASCII: header fields carry nothing else reliably. */
const KEY = /^[\x20-\x7e]{1,255}$/;

/**
 * @param key the field `idempotency-key`
 * @param dryRun the body's member; those of the query string count too
 * @throws {MalformedRequest} if the key is malformed, {InvalidOption} if an option is not a boolean.
 */
export function pushOptions(key: string | undefined, query: string, dryRun: unknown): PushOptions {
  if (key === undefined && query === "" && dryRun === undefined) return NO_OPTIONS;
  if (key !== undefined && !KEY.test(key)) {
    throw new MalformedRequest("Idempotency-Key must be 1 to 255 printable ASCII characters.");
  }
  const parameters = new URLSearchParams(query);
  return {
    dryRun: [dryRun, ...parameters.getAll("dry_run")]
      .map((value) => isOn("dry_run", value))
      .some(Boolean),
    explain: isOn("explain", parameters.get("explain")),
    idempotencyKey: key,
  };
}

/**
 * Refuses a value that is neither yes nor no: a dry run that is not understood would be delivered.
 *
 * @throws {InvalidOption}
 */
export function isOn(name: string, value: unknown): boolean {
  if (value === undefined || value === null) return false;
  if (value === true || value === "true" || value === "1" || value === 1) return true;
  if (value === false || value === "false" || value === "0" || value === 0) return false;
  throw new InvalidOption(`${name} must be true or false.`);
}
