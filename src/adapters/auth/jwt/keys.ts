import { createPublicKey, type KeyObject, subtle } from "node:crypto";
import type { JWK, JWTVerifyGetKey } from "jose";
import { jose } from "./jose.js";

/** Where the key of a token comes from, and which algorithms it may be used with. */
export interface KeySource {
  readonly algorithms: readonly string[];
  readonly find: JWTVerifyGetKey;
}

/** Shortest secret of each algorithm in bytes: its hash's own length (RFC 7518, section 3.2). */
const SECRET_BYTES_MIN: Readonly<Record<string, number>> = { HS256: 32, HS384: 48, HS512: 64 };

/**
 * What public keys may be used with. HMAC is not among them: whoever knows a public key could
 * sign with its bytes (RFC 8725, section 2.1).
 */
export const PUBLIC_KEY_ALGORITHMS: readonly string[] = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  ...["ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
];

/** Most keys of a set. */
export const KEYS_MAX = 100;

/** Shortest RSA key in bits (RFC 7518, sections 3.3 and 3.5). */
const RSA_BITS_MIN = 2048;

/**
 * The algorithms to accept: those given, or all of the family.
 *
 * @throws {TypeError} for one that is not of the family; the message quotes nothing but the family.
 */
export function algorithmsOf(
  given: readonly string[] | undefined,
  family: readonly string[],
  source: string,
): readonly string[] {
  if (given === undefined) return family;
  if (given.length === 0 || given.some((algorithm) => !family.includes(algorithm))) {
    throw new TypeError(`algorithms for ${source} must be some of ${family.join(", ")}`);
  }
  return [...given];
}

/**
 * One secret for HS256, HS384 and HS512, as far as it is long enough for them; a text stands for
 * its UTF-8 bytes.
 *
 * @throws {TypeError} if it is too short, for HS256 or for an algorithm that was asked for.
 */
export function secretKey(secret: string | Uint8Array, given?: readonly string[]): KeySource {
  const bytes = typeof secret === "string" ? new TextEncoder().encode(secret) : secret.slice();
  const wanted = algorithmsOf(given, Object.keys(SECRET_BYTES_MIN), "a secret");
  const long = wanted.filter((algorithm) => bytes.length >= (SECRET_BYTES_MIN[algorithm] ?? 0));
  const short = wanted.find((algorithm) => !long.includes(algorithm));
  if (short !== undefined && (given !== undefined || long.length === 0)) {
    const min = SECRET_BYTES_MIN[short];
    throw new TypeError(`the secret for ${short} must have at least ${min} bytes (RFC 7518)`);
  }
  const keys = new Map<string, ReturnType<typeof importSecret>>();
  return {
    algorithms: long,
    // Asked only once jose has found `alg` among the algorithms above.
    find({ alg = "" }) {
      const key = keys.get(alg) ?? importSecret(bytes, alg);
      keys.set(alg, key);
      return key;
    },
  };
}

function importSecret(bytes: Uint8Array, alg: string) {
  const algorithm = { name: "HMAC", hash: `SHA-${alg.slice(2)}` };
  return subtle.importKey("raw", new Uint8Array(bytes), algorithm, false, ["verify"]);
}

/**
 * Public keys given as text: PEM (one or more public keys or certificates), a JWK, or a JWK set
 * (RFC 7517).
 *
 * If no key has an identifier (PEM has none), that of a token (`kid`) is not looked at.
 *
 * @throws {TypeError} if the text holds no key that can verify, or one that must stay secret.
 */
export function publicKeys(text: string, given?: readonly string[]): KeySource {
  const algorithms = algorithmsOf(given, PUBLIC_KEY_ALGORITHMS, "public keys");
  const keys = text.trimStart().startsWith("{") ? readJwks(text) : readPem(text);
  if (keys.length === 0) {
    throw new TypeError("the public keys hold none that can verify: RSA, P-256/384/521 or Ed25519");
  }
  if (keys.length > KEYS_MAX) throw new TypeError(`more than ${KEYS_MAX} public keys`);
  const find = localKeys(keys);
  if (keys.some(({ kid }) => kid !== undefined)) return { algorithms, find };
  return {
    algorithms,
    find: ({ kid: _ignored, ...header }, token) => find(header, token),
  };
}

function localKeys(keys: JWK[]): JWTVerifyGetKey {
  const set = jose().then(({ createLocalJWKSet }) => createLocalJWKSet({ keys }));
  return async (header, token) => (await set)(header, token);
}

function readJwks(text: string): JWK[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new TypeError("the public keys are neither PEM nor valid JSON");
  }
  const { keys = [parsed] } = parsed as { keys?: unknown };
  if (!Array.isArray(keys)) throw new TypeError(`"keys" of the JWK set must be an array`);
  if (keys.some((key) => isObject(key) && (key.d !== undefined || key.k !== undefined))) {
    throw new TypeError("the public keys hold a private or secret key, which must not be there");
  }
  return keys.map(usableJwk).filter((key) => key !== undefined);
}

function readPem(text: string): JWK[] {
  const blocks = [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g)];
  if (blocks.length === 0) throw new TypeError("the public keys are neither PEM nor JSON");
  return blocks.map(([block, label = ""]) => {
    if (label.endsWith("PRIVATE KEY")) {
      throw new TypeError("the public keys hold a private key, which must not be there");
    }
    let key: KeyObject;
    try {
      key = createPublicKey(block);
    } catch {
      throw new TypeError("a PEM block of the public keys holds no public key");
    }
    const jwk = verifyingJwk(key);
    if (jwk === undefined) {
      throw new TypeError(
        `a PEM public key is none of RSA (${RSA_BITS_MIN} bits or more), P-256/384/521 and Ed25519`,
      );
    }
    return jwk;
  });
}

/**
 * The key if it can verify; undefined for any other, which a set may hold as well (RFC 7517,
 * section 5).
 */
export function usableJwk(jwk: unknown): JWK | undefined {
  if (!isObject(jwk) || jwk.d !== undefined) return undefined;
  const { kid, alg, use, key_ops: operations } = jwk as JWK;
  if (use !== undefined && use !== "sig") return undefined;
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes("verify"))) {
    return undefined;
  }
  if ([kid, alg].some((text) => text !== undefined && typeof text !== "string")) return undefined;
  let verifying: JWK | undefined;
  try {
    verifying = verifyingJwk(createPublicKey({ key: jwk, format: "jwk" }));
  } catch {
    return undefined;
  }
  if (verifying === undefined) return undefined;
  return {
    ...verifying,
    ...(kid === undefined ? {} : { kid }),
    ...(alg === undefined ? {} : { alg }),
  };
}

function verifyingJwk(key: KeyObject): JWK | undefined {
  const { modulusLength = 0, namedCurve = "" } = key.asymmetricKeyDetails ?? {};
  const fits =
    (key.asymmetricKeyType === "rsa" && modulusLength >= RSA_BITS_MIN) ||
    (key.asymmetricKeyType === "ec" &&
      ["prime256v1", "secp384r1", "secp521r1"].includes(namedCurve)) ||
    key.asymmetricKeyType === "ed25519";
  return fits ? (key.export({ format: "jwk" }) as JWK) : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
