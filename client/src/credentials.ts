import type { HexpushOptions, Params } from "./types.js";

export interface Grant {
  readonly params: Params;
  /** Not sent in the URL if the transport allows that. */
  readonly token: string | undefined;
  /** When to get the next token, in milliseconds from now; undefined if not known. */
  readonly refreshMs: number | undefined;
}

/** Gets the token and the parameters of each connection. */
export class Credentials {
  readonly #options: Pick<HexpushOptions, "token" | "params" | "getParams">;
  readonly #random: () => number;
  /** Whether the next `get` may return something else. */
  readonly renewable: boolean;

  constructor(
    options: Pick<HexpushOptions, "token" | "params" | "getParams">,
    random: () => number,
  ) {
    this.#options = options;
    this.#random = random;
    this.renewable = typeof options.token === "function" || options.getParams !== undefined;
  }

  /** Rejects if the application's function throws or rejects. */
  async get(): Promise<Grant> {
    const { token, params, getParams } = this.#options;
    const [ownToken, ownParams] = await Promise.all([
      typeof token === "function" ? token() : token,
      getParams?.(),
    ]);
    const all = { ...params, ...ownParams };
    const refreshMs = this.renewable
      ? refreshAfterMs(ownToken ?? `${all.token ?? ""}`, Date.now(), this.#random)
      : undefined;
    return { params: all, token: ownToken, refreshMs };
  }
}

/**
 * Milliseconds from `now` until a JWT (RFC 7519) should be replaced: a random 80 to 90 percent of its
 * remaining lifetime, so that tokens issued together are not renewed together. Undefined if the token
 * is not a JWT, does not expire, or has expired. The token is not verified.
 */
export function refreshAfterMs(
  token: string,
  now: number,
  random: () => number,
): number | undefined {
  const { exp, iat } = claimsOf(token);
  if (exp === undefined) return undefined;
  let leftMs = exp * 1000 - now;
  // If the clock is wrong, the token seems expired, or to last longer than it was issued for. The
  // token's own lifetime is then a better estimate.
  if (iat !== undefined && (leftMs <= 0 || leftMs > (exp - iat) * 1000 + 60_000)) {
    leftMs = (exp - iat) * 1000;
  }
  return leftMs > 0 ? leftMs * (0.8 + 0.1 * random()) : undefined;
}

function claimsOf(token: string): { exp?: number; iat?: number } {
  try {
    const payload = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const { exp, iat } = JSON.parse(atob(payload)) as { exp?: unknown; iat?: unknown };
    return {
      ...(typeof exp === "number" && Number.isFinite(exp) && { exp }),
      ...(typeof iat === "number" && Number.isFinite(iat) && { iat }),
    };
  } catch {
    return {};
  }
}
