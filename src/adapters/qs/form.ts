import qs from "qs";

/** As Phoenix reads forms: `a[]=`, `a[b]=`, and of a repeated name the last one. */
const OPTIONS = {
  allowDots: false,
  plainObjects: true,
  duplicates: "last",
  depth: 32,
  strictDepth: true,
  arrayLimit: 10_000,
  parameterLimit: 10_000,
  throwOnLimitExceeded: true,
  // The decoder of qs leaves what it cannot decode as it is, which would deliver another text.
  decoder: (text: string) => decodeURIComponent(text.replaceAll("+", " ")),
} as const;

/**
 * The members of `application/x-www-form-urlencoded` text.
 *
 * @throws {URIError} if the text is not percent-encoded UTF-8.
 * @throws {RangeError} if there are too many members, or they are nested too deep.
 */
export function parseForm(text: string): Readonly<Record<string, unknown>> {
  return qs.parse(text, OPTIONS);
}
