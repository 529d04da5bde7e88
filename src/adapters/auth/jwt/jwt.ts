import type { JWTVerifyOptions } from "jose";
import type {
  AuthPolicy,
  ConnectAuthRequest,
  ConnectDecision,
  Identity,
  JoinAuthRequest,
  JoinDecision,
  MaybePromise,
  OperateAuthRequest,
  OperateDecision,
  PushAuthRequest,
  PushDecision,
} from "../../../domain/auth-policy.js";
import { bearerToken } from "../bearer-token.js";
import type { Grant } from "./claims.js";
import { jose } from "./jose.js";
import { type KeySource, publicKeys, secretKey } from "./keys.js";
import { DEFAULT_JWKS_TIMES, type JwksTimes, remoteKeys } from "./remote-keys.js";
import { verifyToken } from "./verify.js";

export type JwtPolicyOptions = JwtKeySource & JwtChecks;

/** Where the keys that verify tokens come from. */
export type JwtKeySource =
  | {
      /** For HS256, HS384 and HS512: at least 32, 48 and 64 bytes (RFC 7518, section 3.2). */
      readonly secret: string | Uint8Array;
      readonly publicKeys?: undefined;
      readonly jwksUrl?: undefined;
    }
  | {
      readonly secret?: undefined;
      /** PEM (public keys or certificates), a JWK or a JWK set as text. */
      readonly publicKeys: string;
      readonly jwksUrl?: undefined;
    }
  | {
      readonly secret?: undefined;
      readonly publicKeys?: undefined;
      /** An http or https URL of a JWK set; redirects are not followed. */
      readonly jwksUrl: string;
    };

export interface JwtChecks {
  /** Algorithms to accept. @defaultValue all that the key source allows */
  readonly algorithms?: readonly string[] | undefined;
  /** A token must be for one of these (`aud`). @defaultValue not checked */
  readonly audience?: readonly string[] | undefined;
  /** A token must be from one of these (`iss`). @defaultValue not checked */
  readonly issuer?: readonly string[] | undefined;
  /** By how many seconds clocks may differ, from 0 to 300. @defaultValue 5 */
  readonly leewaySeconds?: number | undefined;
  /** Whether tokens may push to the channels of their claim `push`. @defaultValue false */
  readonly pushes?: boolean | undefined;
  /**
   * Whether the claim `scope` (RFC 8693, section 4.2) gives rights of an operator: `hexpush:read`
   * and `hexpush:operate`. @defaultValue false
   */
  readonly operates?: boolean | undefined;
  readonly jwksTimes?: Partial<JwksTimes> | undefined;
  /** Seconds since 1970. @defaultValue the system's clock */
  readonly now?: (() => number) | undefined;
  /** Called with the reason for each rejected token; it quotes nothing of the token. */
  readonly onRefused?: ((reason: string) => void) | undefined;
  /** Called for errors that no token causes: the JWKS server is down, or its answer is not a key set. */
  readonly onFault?: ((error: unknown) => void) | undefined;
}

const DENY = Object.freeze({ allow: false as const });
const DENY_EXPIRED = Object.freeze({ allow: false as const, reason: "token expired" });
const ALLOW = Object.freeze({ allow: true as const });

/** The scope (RFC 8693, section 4.2) that gives each right of an operator. */
const SCOPE_OF = { read: "hexpush:read", operate: "hexpush:operate" } as const;

/**
 * Sockets need a JSON Web Token (RFC 7519, signed as in RFC 7515), and may join the channels of its
 * claim `channels`. Pushes need a token with the claim `push`, if the options allow pushes.
 *
 * Operators need a token with the scope of their right, if the options allow it. The claim
 * `channels` limits both rights: to read a channel, it must match; anything about the whole server
 * needs `*`.
 *
 * `sub` becomes the id of the socket and its presence, `exp` the end of the socket. A token without
 * `exp` never expires. A claim of the wrong form rejects the token.
 */
export class JwtPolicy implements AuthPolicy {
  readonly #keys: KeySource;
  readonly #options: JWTVerifyOptions;
  readonly #leeway: number;
  readonly #pushes: boolean;
  readonly #operates: boolean;
  readonly #now: () => number;
  readonly #refused: (reason: string) => void;
  readonly #fault: (error: unknown) => void;
  /** The grants of the identities that this policy gave; it trusts no others. */
  readonly #grants = new WeakMap<Identity, Grant>();

  /** @throws {TypeError} if an option is invalid: one line that quotes no key. */
  constructor(options: JwtPolicyOptions) {
    const { leewaySeconds = 5, pushes = false, operates = false } = options;
    const { audience, issuer } = options;
    if (!(leewaySeconds >= 0 && leewaySeconds <= 300)) {
      throw new TypeError("the leeway must be a number of seconds from 0 to 300");
    }
    this.#leeway = leewaySeconds;
    this.#pushes = pushes;
    this.#operates = operates;
    this.#now = options.now ?? (() => Date.now() / 1000);
    this.#refused = options.onRefused ?? (() => {});
    this.#fault = options.onFault ?? (() => {});
    this.#keys = keySource(options, this.#fault);
    this.#options = {
      algorithms: [...this.#keys.algorithms],
      clockTolerance: leewaySeconds,
      ...expected("audience", audience),
      ...expected("issuer", issuer),
    };
    // Loaded early, so that the first client does not wait for it.
    void jose();
  }

  authorizePush(request: PushAuthRequest): MaybePromise<PushDecision> {
    if (!this.#pushes) return DENY;
    return this.#decidePush(request);
  }

  authorizeOperate(request: OperateAuthRequest): MaybePromise<OperateDecision> {
    if (!this.#operates) return DENY;
    return this.#decideOperate(request);
  }

  async authorizeConnect({ token }: ConnectAuthRequest): Promise<ConnectDecision> {
    const grant = await this.#verify(token);
    if (grant === undefined) return DENY;
    const { claims, subject, expires } = grant;
    const identity: Identity = Object.freeze({
      claims,
      ...(subject === undefined ? {} : { socketId: subject, presenceId: subject }),
      ...(expires === undefined ? {} : { expiresAt: expires + this.#leeway }),
    });
    this.#grants.set(identity, grant);
    return { allow: true, identity };
  }

  authorizeJoin({ channel, identity }: JoinAuthRequest): JoinDecision {
    const grant = this.#grants.get(identity);
    if (grant === undefined) return DENY;
    if (identity.expiresAt !== undefined && this.#seconds() >= identity.expiresAt) {
      return DENY_EXPIRED;
    }
    return grant.channels.match(channel) ? ALLOW : DENY;
  }

  async #decidePush(request: PushAuthRequest): Promise<PushDecision> {
    const grant = await this.#verify(bearerToken(request.headers.authorization));
    if (grant?.push === undefined) return DENY;
    const { push, subject: by = "token", claims } = grant;
    // Input without channels is invalid anyway, but only a token for every channel may learn that.
    if (!push.isEverything && !push.matchInput(request.input.channel)) return DENY;
    return { allow: true, by, claims };
  }

  async #decideOperate(request: OperateAuthRequest): Promise<OperateDecision> {
    const { headers, right, channel } = request;
    const grant = await this.#verify(bearerToken(headers.authorization));
    if (grant === undefined || !grant.scopes.has(SCOPE_OF[right])) return DENY;
    const { channels, subject: by = "token", claims } = grant;
    const isWithin = channel === undefined ? channels.isEverything : channels.match(channel);
    return isWithin ? { allow: true, by, claims } : DENY;
  }

  async #verify(token: string | undefined): Promise<Grant | undefined> {
    const result =
      token === undefined
        ? ({ ok: false, reason: "missing" } as const)
        : await verifyToken(
            token,
            this.#keys.find,
            { ...this.#options, currentDate: new Date(this.#seconds() * 1000) },
            this.#fault,
          );
    if (result.ok) return result.grant;
    this.#refused(result.reason);
    return undefined;
  }

  /** Whole seconds, as jose compares them. */
  #seconds(): number {
    return Math.floor(this.#now());
  }
}

function keySource(options: JwtPolicyOptions, fault: (error: unknown) => void): KeySource {
  const { secret, publicKeys: text, jwksUrl, algorithms, jwksTimes } = options;
  const given = [secret, text, jwksUrl].filter((source) => source !== undefined);
  if (given.length !== 1) {
    throw new TypeError("needs exactly one of a secret, public keys and a JWKS URL");
  }
  if (secret !== undefined) return secretKey(secret, algorithms);
  if (text !== undefined) return publicKeys(text, algorithms);
  return remoteKeys(jwksUrl ?? "", algorithms, fault, { ...DEFAULT_JWKS_TIMES, ...jwksTimes });
}

/** An empty list is rejected: it could be taken for nothing or for everything. */
function expected(name: "audience" | "issuer", values: readonly string[] | undefined) {
  if (values === undefined) return {};
  if (values.length === 0 || values.some((value) => typeof value !== "string" || value === "")) {
    throw new TypeError(`the ${name} must be one or more texts that are not empty`);
  }
  return { [name]: [...values] };
}
