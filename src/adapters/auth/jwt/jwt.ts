import type { JWTVerifyOptions } from "jose";
import type {
  AuthPolicy,
  ConnectAuthRequest,
  ConnectDecision,
  Identity,
  JoinAuthRequest,
  JoinDecision,
  MaybePromise,
  PushAuthRequest,
  PushDecision,
} from "../../../domain/auth-policy.js";
import { bearerToken } from "../bearer-token.js";
import type { Grant } from "./claims.js";
import { jose } from "./jose.js";
import { type KeySource, publicKeys, secretKey } from "./keys.js";
import { DEFAULT_JWKS_TIMES, type JwksTimes, remoteKeys } from "./remote-keys.js";
import { verifyToken } from "./verify.js";

/** Exactly one of `secret`, `publicKeys` and `jwksUrl` is given. */
export interface JwtPolicyOptions {
  /** For HS256, HS384 and HS512: at least 32, 48 and 64 bytes (RFC 7518, section 3.2). */
  readonly secret?: string | Uint8Array | undefined;
  /** PEM (public keys or certificates), a JWK or a JWK set as text. */
  readonly publicKeys?: string | undefined;
  /** Where a JWK set is fetched, by http or https; no redirect is followed. */
  readonly jwksUrl?: string | undefined;
  /** Algorithms to accept. @defaultValue all that the keys' source allows */
  readonly algorithms?: readonly string[] | undefined;
  /** A token must be for one of these (`aud`). @defaultValue not looked at */
  readonly audience?: readonly string[] | undefined;
  /** A token must be from one of these (`iss`). @defaultValue not looked at */
  readonly issuer?: readonly string[] | undefined;
  /** How far clocks may differ, from 0 to 300. @defaultValue 5 */
  readonly leewaySeconds?: number | undefined;
  /** Whether tokens may push where their claim `push` says. @defaultValue false */
  readonly pushes?: boolean | undefined;
  readonly jwksTimes?: Partial<JwksTimes> | undefined;
  /** Seconds since 1970. @defaultValue the system's clock */
  readonly now?: (() => number) | undefined;
  /** Told of each token that is refused, and why; the reason quotes nothing of it. */
  readonly onRefused?: ((reason: string) => void) | undefined;
  /** Told of an error that is no token's: the JWKS server is down, an answer of it is no key set. */
  readonly onFault?: ((error: unknown) => void) | undefined;
}

const DENY = Object.freeze({ allow: false as const });
const DENY_EXPIRED = Object.freeze({ allow: false as const, reason: "token expired" });
const ALLOW = Object.freeze({ allow: true as const });

/**
 * Sockets need a JSON Web Token (RFC 7519, signed as of RFC 7515), and join what its claim
 * `channels` names; pushes need one with the claim `push`, where they are allowed at all.
 *
 * `sub` becomes the socket's and the presence's id, `exp` the end of the socket. A token without
 * `exp` never ends. A claim that has another form than it should refuses the token.
 */
export class JwtPolicy implements AuthPolicy {
  readonly #keys: KeySource;
  readonly #options: JWTVerifyOptions;
  readonly #leeway: number;
  readonly #pushes: boolean;
  readonly #now: () => number;
  readonly #refused: (reason: string) => void;
  readonly #fault: (error: unknown) => void;
  /** What this policy's own identities may join; it trusts no other. */
  readonly #grants = new WeakMap<Identity, Grant>();

  /** @throws {TypeError} for options that are wrong: one line, without a key in it. */
  constructor(options: JwtPolicyOptions) {
    const { leewaySeconds = 5, pushes = false, audience, issuer } = options;
    if (!(leewaySeconds >= 0 && leewaySeconds <= 300)) {
      throw new TypeError("the leeway must be a number of seconds from 0 to 300");
    }
    this.#leeway = leewaySeconds;
    this.#pushes = pushes;
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
    // From now on, so that the first client need not wait for all of it.
    void jose();
  }

  authorizePush(request: PushAuthRequest): MaybePromise<PushDecision> {
    if (!this.#pushes) return DENY;
    return this.#decidePush(request);
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
    // What names no channel is the operator's, and only for who may push everywhere.
    if (!push.isEverything && !push.matchInput(request.input.channel)) return DENY;
    return { allow: true, by, claims };
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

  /** Whole ones, as jose compares them. */
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

/** An empty list would be satisfied by nothing, or by all, depending on who reads it. */
function expected(name: "audience" | "issuer", values: readonly string[] | undefined) {
  if (values === undefined) return {};
  if (values.length === 0 || values.some((value) => typeof value !== "string" || value === "")) {
    throw new TypeError(`the ${name} must be one or more texts that are not empty`);
  }
  return { [name]: [...values] };
}
