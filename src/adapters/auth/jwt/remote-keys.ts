import type { JWTVerifyGetKey } from "jose";
import { jose } from "./jose.js";
import {
  algorithmsOf,
  KEYS_MAX,
  type KeySource,
  PUBLIC_KEY_ALGORITHMS,
  usableJwk,
} from "./keys.js";

/** Largest answer of a JWKS server, in bytes after decompression. */
export const JWKS_BYTES_MAX = 1_048_576;

/** All in milliseconds. */
export interface JwksTimes {
  /** How long an answer may take, to its last byte. @defaultValue 5000 */
  readonly timeoutMs: number;
  /** After a failed fetch: until the next one. @defaultValue 5000 */
  readonly retryMs: number;
  /** After a fetch: until a token with an unknown key identifier causes another. @defaultValue 30000 */
  readonly unknownKeyMs: number;
  /** Age from which keys in use are fetched again in the background. @defaultValue 300000 */
  readonly refreshMs: number;
  /** Age at which keys are no longer used, also where no newer ones can be had. @defaultValue 3600000 */
  readonly maxAgeMs: number;
}

export const DEFAULT_JWKS_TIMES: JwksTimes = {
  timeoutMs: 5000,
  retryMs: 5000,
  unknownKeyMs: 30_000,
  refreshMs: 300_000,
  maxAgeMs: 3_600_000,
};

/** The JWKS server gives no keys; the message says why, and holds nothing of its answer. */
export class KeysUnavailable extends Error {
  override readonly name = "KeysUnavailable";
}

/**
 * The keys of a JWK set on a server, fetched when first needed.
 *
 * A stranger's tokens cause no more than one fetch in `unknownKeyMs` while the server answers, and
 * one in `retryMs` while it does not. While it is down, keys that are known go on working until
 * `maxAgeMs`. No redirect is followed: the operator named the server that is trusted.
 *
 * @param report is told of each fetch that failed, once
 * @throws {TypeError} if the URL is neither http nor https, or holds a user or a password.
 */
export function remoteKeys(
  url: string,
  given: readonly string[] | undefined,
  report: (error: KeysUnavailable) => void,
  times: JwksTimes,
): KeySource {
  const algorithms = algorithmsOf(given, PUBLIC_KEY_ALGORITHMS, "a JWKS URL");
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let failed: { readonly at: number; readonly error: KeysUnavailable } | undefined;

  const fetchKeys = async (href: string, init: RequestInit): Promise<Response> => {
    if (failed !== undefined && Date.now() < failed.at + times.retryMs) throw failed.error;
    try {
      const keys = await download(href, init);
      fetchedAt = Date.now();
      failed = undefined;
      return Response.json({ keys });
    } catch (cause) {
      const error = asUnavailable(cause);
      failed = { at: Date.now(), error };
      report(error);
      throw error;
    }
  };

  const server = checkedUrl(url);
  const keySet = jose().then(({ createRemoteJWKSet, customFetch }) =>
    createRemoteJWKSet(server, {
      timeoutDuration: times.timeoutMs,
      cooldownDuration: times.unknownKeyMs,
      cacheMaxAge: times.maxAgeMs,
      [customFetch]: fetchKeys,
    }),
  );
  const find: JWTVerifyGetKey = async (header, token) => {
    const set = await keySet;
    if (set.fresh && !set.reloading && Date.now() >= fetchedAt + times.refreshMs) {
      set.reload().catch(() => {
        // Reported where it failed; the keys at hand are good until their age says otherwise.
      });
    }
    return set(header, token);
  };
  return { algorithms, find };
}

function checkedUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new TypeError("the JWKS URL must be an http or https URL");
  }
  if (url.username !== "" || url.password !== "") {
    throw new TypeError("the JWKS URL must not hold a user or a password");
  }
  return url;
}

async function download(href: string, init: RequestInit): Promise<object[]> {
  const response = await fetch(href, init);
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new KeysUnavailable(`the JWKS server answered with status ${response.status}`);
  }
  const text = await readBounded(response);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new KeysUnavailable("the JWKS server's answer is not JSON");
  }
  const keys = (parsed as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys)) throw new KeysUnavailable("the JWKS server's answer is no JWK set");
  if (keys.length > KEYS_MAX) {
    throw new KeysUnavailable(`the JWKS server's set has more than ${KEYS_MAX} keys`);
  }
  return keys.map(usableJwk).filter((key) => key !== undefined);
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop early cancels the body, and with it the transfer.
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > JWKS_BYTES_MAX) {
      throw new KeysUnavailable(`the JWKS server's answer is larger than ${JWKS_BYTES_MAX} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function asUnavailable(error: unknown): KeysUnavailable {
  if (error instanceof KeysUnavailable) return error;
  if (error instanceof Error && error.name === "TimeoutError") {
    return new KeysUnavailable("the JWKS server did not answer in time");
  }
  const { code } = ((error as Error).cause ?? {}) as { code?: unknown };
  const why = typeof code === "string" ? ` (${code})` : "";
  return new KeysUnavailable(`the JWKS server cannot be reached${why}`);
}
