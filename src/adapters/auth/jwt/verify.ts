import type { errors as JoseErrors, JWTPayload, JWTVerifyGetKey, JWTVerifyOptions } from "jose";
import { type GrantResult, readGrant } from "./claims.js";
import { jose } from "./jose.js";
import { KeysUnavailable } from "./remote-keys.js";

/** Longest token in bytes; what is longer is not even parsed. */
export const TOKEN_BYTES_MAX = 8192;

/** Most keys that are tried on a token that does not name its own (`kid`). */
export const KEY_TRIES_MAX = 16;

/**
 * What a token gives, or why it gives nothing; the reason quotes nothing of the token.
 *
 * @param fault is told of an error that is not the token's
 */
export async function verifyToken(
  token: string,
  find: JWTVerifyGetKey,
  options: JWTVerifyOptions,
  fault: (error: unknown) => void,
): Promise<GrantResult> {
  if (token.length > TOKEN_BYTES_MAX) {
    return { ok: false, reason: `longer than ${TOKEN_BYTES_MAX} bytes` };
  }
  if (!isCompactJws(token)) return { ok: false, reason: "not a JSON Web Token" };
  try {
    return readGrant(await verifiedClaims(token, find, options));
  } catch (error) {
    const reason = reasonOf(error, (await jose()).errors);
    if (reason === undefined) fault(error);
    return { ok: false, reason: reason ?? "could not be checked" };
  }
}

/**
 * RFC 7515, section 7.1. jose reads base64 as browsers do, with blanks, padding and stray bits;
 * here one token has one spelling.
 */
function isCompactJws(token: string): boolean {
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return false;
  return token
    .split(".")
    .every((part) => Buffer.from(part, "base64url").toString("base64url") === part);
}

async function verifiedClaims(
  token: string,
  find: JWTVerifyGetKey,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  const { errors, jwtVerify } = await jose();
  try {
    return (await jwtVerify(token, find, options)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    let tries = 0;
    for await (const key of error) {
      if (++tries > KEY_TRIES_MAX) break;
      try {
        return (await jwtVerify(token, key, options)).payload;
      } catch (failed) {
        if (!(failed instanceof errors.JWSSignatureVerificationFailed)) throw failed;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

/** Undefined if the token is not to blame. */
function reasonOf(error: unknown, errors: typeof JoseErrors): string | undefined {
  // Told where it happened, once for all tokens that waited for the keys.
  if (error instanceof KeysUnavailable) return "the keys are not available";
  if (error instanceof errors.JWTExpired) return "expired";
  if (error instanceof errors.JWTClaimValidationFailed) {
    return error.claim === "nbf" && error.reason === "check_failed"
      ? "not valid yet"
      : `claim "${error.claim}" is missing or wrong`;
  }
  if (error instanceof errors.JOSEAlgNotAllowed)
    return "signed with an algorithm that is not allowed";
  if (error instanceof errors.JWKSNoMatchingKey) return "signed with an unknown key";
  if (error instanceof errors.JWSSignatureVerificationFailed) return "wrong signature";
  if (error instanceof errors.JOSENotSupported) return "needs an extension that is not supported";
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) {
    return "not a JSON Web Token";
  }
  return undefined;
}
