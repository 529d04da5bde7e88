import { type ParseArgsConfig, parseArgs } from "node:util";
import { fromEnvironment } from "./environment.js";
import { UsageError } from "./usage-error.js";

const DEFAULT_URL = "http://127.0.0.1:4004";

type Options = NonNullable<ParseArgsConfig["options"]>;

type Parsed<T extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; allowPositionals: true; options: T }>
>;

/** @throws {UsageError} for an unknown option, or an option without its value. */
export function parseOptions<const T extends Options>(
  args: readonly string[],
  options: T,
): Parsed<T> {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/**
 * The server's address: from the option, else from `HEXPUSH_URL`, else the default.
 *
 * @param scheme the scheme of the result; an "s" is added if the address is secure
 * @param optionName the option's name in error messages
 * @returns the URL without a slash at its end, so that a path can follow.
 */
export function serverUrl(
  option: string | undefined,
  scheme: "http" | "ws",
  optionName = "--url",
): string {
  const variable = option === undefined ? fromEnvironment("HEXPUSH_URL") : undefined;
  const name = option === undefined ? "HEXPUSH_URL" : optionName;
  let url: URL;
  try {
    url = new URL(option ?? variable ?? DEFAULT_URL);
  } catch {
    throw new UsageError(`${name} must be an address like ${DEFAULT_URL}`);
  }
  // The messages do not show the value: it may contain a password.
  if (!/^(?:http|ws)s?:$/.test(url.protocol)) {
    throw new UsageError(`${name} must begin with http:// or https://`);
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw new UsageError(`${name} must not contain a user, a password, a query or a fragment`);
  }
  const secure = url.protocol.endsWith("s:") ? "s" : "";
  return `${scheme}${secure}://${url.host}${url.pathname.replace(/\/+$/, "")}`;
}

/** A number of seconds above 0 and at most `max`. @defaultValue a day */
export function secondsOf(option: string, text: string, max = 86_400): number {
  const seconds = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  if (seconds > 0 && seconds <= max) return seconds;
  throw new UsageError(`${option} must be a number of seconds above 0 and at most ${max}`);
}

export function wholeNumberOf(option: string, text: string, max: number, min = 1): number {
  const number = /^\d{1,12}$/.test(text) ? Number(text) : 0;
  if (number >= min && number <= max) return number;
  throw new UsageError(`${option} must be a whole number from ${min} to ${max}`);
}

/** Checks a value for a header field. The error message does not show it, because it may be secret. */
export function headerValue(name: string, value: string): string {
  if (/^[\x21-\x7e]+$/.test(value)) return value;
  throw new UsageError(`${name} must be printable ASCII characters without blanks`);
}
