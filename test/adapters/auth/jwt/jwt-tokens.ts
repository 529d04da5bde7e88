import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { JwtPolicy, type JwtPolicyOptions } from "../../../../src/adapters/auth/jwt/jwt.js";
import type { Identity } from "../../../../src/domain/auth-policy.js";
import { strangeConnect, strangePush } from "../../../contract/auth-policy.contract.js";

// Tokens are made here by hand, from RFC 7515 and Node's own cryptography, so that a test does not
// ask the library that it checks.

export const SECRET = "a-secret-of-thirty-two-bytes-or-more-which-is-enough-for-HS512-too";
export const NOW = 1_790_000_000;

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
const p521 = generateKeyPairSync("ec", { namedCurve: "P-521" });
const ed25519 = generateKeyPairSync("ed25519");
export const PAIRS = { rsa, p256, p384, p521, ed25519 } as const;

/** Every asymmetric algorithm that is accepted, with the pair that signs it. */
export const PAIR_OF: Readonly<Record<string, keyof typeof PAIRS>> = {
  RS256: "rsa",
  RS384: "rsa",
  RS512: "rsa",
  PS256: "rsa",
  PS384: "rsa",
  PS512: "rsa",
  ES256: "p256",
  ES384: "p384",
  ES512: "p521",
  EdDSA: "ed25519",
  Ed25519: "ed25519",
};

export function pem(key: KeyObject): string {
  return key.export({ type: "spki", format: "pem" }).toString();
}

export function jwk(key: KeyObject, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { ...key.export({ format: "jwk" }), ...more };
}

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

export function signature(alg: string, key: string | KeyObject, input: string): Buffer {
  const hash = `sha${alg.slice(2)}`;
  if (alg.startsWith("HS")) return createHmac(hash, key).update(input).digest();
  if (typeof key === "string") throw new TypeError("needs a private key");
  const bytes = Buffer.from(input);
  if (alg.startsWith("PS")) {
    return sign(hash, bytes, { key, padding: 6, saltLength: Number(alg.slice(2)) / 8 });
  }
  if (alg.startsWith("ES")) return sign(hash, bytes, { key, dsaEncoding: "ieee-p1363" });
  return sign(alg.startsWith("RS") ? hash : null, bytes, key);
}

/** What is signed of a token: its header and its claims, whatever they are. */
export function signingInput(claims: unknown, header: object): string {
  return `${part(header)}.${part(claims)}`;
}

export function makeToken(
  claims: unknown,
  { alg = "HS256", key = SECRET as string | KeyObject, header = {} as object } = {},
): string {
  const input = signingInput(claims, { alg, typ: "JWT", ...header });
  return `${input}.${signature(alg, key, input).toString("base64url")}`;
}

/** Puts other parts in a token's places; its signature stays. */
export function withParts(token: string, header: object, claims: unknown, sig?: string): string {
  const [, , old = ""] = token.split(".");
  return `${signingInput(claims, header)}.${sig ?? old}`;
}

export interface Watched {
  readonly policy: JwtPolicy;
  readonly refusals: string[];
  readonly faults: unknown[];
}

export function watched(options: JwtPolicyOptions = { secret: SECRET }): Watched {
  const refusals: string[] = [];
  const faults: unknown[] = [];
  const policy = new JwtPolicy({
    now: () => NOW,
    onRefused: (reason) => refusals.push(reason),
    onFault: (error) => faults.push(error),
    ...options,
  });
  return { policy, refusals, faults };
}

/** The identity that a token gives; undefined where it is refused. */
export async function connect(policy: JwtPolicy, token: string | undefined) {
  const decision = await policy.authorizeConnect({ ...strangeConnect, token });
  return decision.allow ? (decision.identity as Identity) : undefined;
}

export async function pushTo(policy: JwtPolicy, token: string | undefined, channel?: unknown) {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const input = channel === undefined ? {} : { channel };
  return policy.authorizePush({ ...strangePush, headers, input });
}
