/**
 * Which web pages may use the server from a browser. A request without an `origin` comes from no
 * page, and origins say nothing about it.
 */
export interface OriginRule {
  /**
   * @param origin the request's `origin`, as it came
   * @param host the request's `host`: name and port
   */
  allows(origin: string, host: string | undefined): boolean;
}

/** An origin is ASCII (RFC 6454, section 6.2): what is not is no page's, and no field could name it. */
export const anyOrigin: OriginRule = { allows: (origin) => /^[\x20-\x7e]*$/.test(origin) };

/** Pages of the server's own host and port, whatever the scheme (TLS may end before the server). */
export const sameHost: OriginRule = {
  allows(origin, host) {
    const match = /^https?:\/\/([^/?#@]+)$/i.exec(origin);
    if (match?.[1] === undefined || host === undefined) return false;
    return withoutDefaultPort(match[1]) === withoutDefaultPort(host);
  },
};

/**
 * Pages of the listed origins: `https://example.com`, `https://*.example.com` for every host below
 * it, or `*` for any.
 *
 * @throws {TypeError} if an entry is not an origin.
 */
export function listedOrigins(entries: readonly string[]): OriginRule {
  if (entries.includes("*")) return anyOrigin;
  const exact = new Set<string>();
  const below: { prefix: string; suffix: string }[] = [];
  for (const entry of entries) {
    const match =
      /^(https?:\/\/)(\*\.)?([a-z\d.-]+(?::\d{1,5})?|\[[\da-f:.]+\](?::\d{1,5})?)$/.exec(
        entry.toLowerCase(),
      );
    if (match === null) {
      throw new TypeError(
        `"${entry}" is no origin such as https://example.com, https://*.example.com or *`,
      );
    }
    const [, scheme = "", wildcard, host = ""] = match;
    if (wildcard === undefined) exact.add(normalOrigin(`${scheme}${host}`));
    else
      below.push({
        prefix: scheme,
        suffix: `.${normalOrigin(`${scheme}${host}`).slice(scheme.length)}`,
      });
  }
  return {
    allows(origin) {
      const normal = normalOrigin(origin.toLowerCase());
      if (exact.has(normal)) return true;
      return below.some(
        ({ prefix, suffix }) =>
          normal.startsWith(prefix) &&
          normal.endsWith(suffix) &&
          /^[a-z\d.-]+$/.test(normal.slice(prefix.length, -suffix.length)),
      );
    },
  };
}

/** Browsers leave a scheme's own port out, lists may name it. */
function normalOrigin(origin: string): string {
  if (origin.startsWith("http://")) return origin.replace(/:80$/, "");
  return origin.replace(/:443$/, "");
}

function withoutDefaultPort(host: string): string {
  return host.toLowerCase().replace(/:(?:80|443)$/, "");
}
