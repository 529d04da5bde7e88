import { createHash, timingSafeEqual } from "node:crypto";
import type { AuthPolicy, PushAuthRequest } from "../../domain/auth-policy.js";

const ALLOW = Object.freeze({ allow: true as const });
const DENY = Object.freeze({ allow: false as const });
const HASHED = /^sha256:([0-9a-f]{64})$/i;

/**
 * Pushes need one of the keys, as `authorization: Bearer KEY`; sockets may connect and join freely.
 *
 * A key is given as itself or as `sha256:` and the hexadecimal SHA-256 of its UTF-8 bytes. The
 * comparison takes the same time whichever key is sent and wherever it differs.
 */
export class ApiKeyPolicy implements AuthPolicy {
  readonly #digests: readonly Buffer[];

  /** @throws {TypeError} where there is no key, or one that is none; the message holds no key. */
  constructor(keys: readonly string[]) {
    if (keys.length === 0) throw new TypeError("needs at least one API key");
    this.#digests = keys.map(digestOfKey);
  }

  authorizePush(request: PushAuthRequest) {
    const key = bearerToken(request.headers.authorization);
    return key !== undefined && this.#knows(key) ? ALLOW : DENY;
  }

  authorizeConnect() {
    return ALLOW;
  }

  authorizeJoin() {
    return ALLOW;
  }

  #knows(key: string): boolean {
    const digest = sha256(key);
    let known = false;
    // Every digest is compared, so that the time tells neither whether nor which one matched.
    for (const candidate of this.#digests) known = timingSafeEqual(candidate, digest) || known;
    return known;
  }
}

function digestOfKey(key: string, index: number): Buffer {
  const hashed = HASHED.exec(key);
  if (hashed?.[1] !== undefined) return Buffer.from(hashed[1], "hex");
  if (/^sha256:/i.test(key)) {
    throw new TypeError(`key ${index + 1}: "sha256:" must be followed by 64 hexadecimal digits`);
  }
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw new TypeError(
      `key ${index + 1}: must be one or more printable ASCII characters, no blanks`,
    );
  }
  return sha256(key);
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text, "utf8").digest();
}

/** RFC 6750, section 2.1; the scheme's name is case-insensitive (RFC 9110, section 11.1). */
export function bearerToken(authorization: string | undefined): string | undefined {
  return authorization === undefined ? undefined : /^bearer +(\S+) *$/i.exec(authorization)?.[1];
}
