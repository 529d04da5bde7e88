import type { HexpushOptions, Params } from "./types.js";

export interface Grant {
  readonly params: Params;
  /** Beside the URL where the transport can. */
  readonly token: string | undefined;
  /** When to ask for the next one, in milliseconds from now; undefined where that is not known. */
  readonly refreshMs: number | undefined;
}

/** Where tokens and parameters come from, for one connection after the other. */
export class Credentials {
  readonly #options: Pick<HexpushOptions, "token" | "params" | "getParams">;
  readonly #random: () => number;
  /** Whether asking again can bring anything new. */
  readonly renewable: boolean;

  constructor(
    options: Pick<HexpushOptions, "token" | "params" | "getParams">,
    random: () => number,
  ) {
    this.#options = options;
    this.#random = random;
    this.renewable = typeof options.token === "function" || options.getParams !== undefined;
  }

  /** Rejects where the application's own function does. */
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
 * How long from `now` (milliseconds) until a JWT (RFC 7519) should be replaced: after 80 to 90 percent
 * of what is left of it, not always the same, so that tokens issued together are not renewed together.
 * Undefined where the token is no JWT, does not expire, or has expired. Nothing is verified here.
 */
export function refreshAfterMs(
  token: string,
  now: number,
  random: () => number,
): number | undefined {
  const { exp, iat } = claimsOf(token);
  if (exp === undefined) return undefined;
  let leftMs = exp * 1000 - now;
  // A clock that is far off shows as a token that is over, or younger than its issue: then the
  // token's own lifetime is the better guess.
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
