import { timingSafeEqual } from "node:crypto";
import type { AuthPolicy, PushAuthRequest } from "../../../domain/auth-policy.js";
import { bearerToken } from "../bearer-token.js";
import { type ApiKey, checkApiKeys, type KnownApiKey, sha256Hex } from "./api-key.js";

export type { ApiKey, LimitedApiKey } from "./api-key.js";

const ALLOW = Object.freeze({ allow: true as const });
/** Of the key that is compared; in one turn, so that one is enough for all. */
const DIGEST = Buffer.alloc(64);
const DENY = Object.freeze({ allow: false as const });

/**
 * Pushes need one of the keys, as `authorization: Bearer KEY`; sockets may connect and join freely.
 *
 * A key with `channels` may push where every channel that the push names is matched. What names no
 * channel (the operator's routes about all of them) is for unlimited keys. The decision's `by` is
 * the key's name.
 *
 * The comparison takes the same time whichever key is sent and wherever it differs.
 */
export class ApiKeyPolicy implements AuthPolicy {
  #keys: readonly KnownApiKey[];

  /**
   * @throws {TypeError} where there is no key, one that is none, or a key or a name twice; the
   * message holds no key.
   */
  constructor(keys: readonly ApiKey[]) {
    this.#keys = checkApiKeys(keys);
  }

  /**
   * Takes these keys in place of the present ones, from the next question on.
   *
   * @throws {TypeError} as the constructor does; the present keys stay.
   */
  reload(keys: readonly ApiKey[]): void {
    this.#keys = checkApiKeys(keys);
  }

  authorizePush(request: PushAuthRequest) {
    const sent = bearerToken(request.headers.authorization);
    const key = sent === undefined ? undefined : this.#find(sent);
    if (key === undefined) return DENY;
    const isWithin = key.channels?.matchInput(request.input.channel) ?? true;
    return isWithin ? key.decision : DENY;
  }

  authorizeConnect() {
    return ALLOW;
  }

  authorizeJoin() {
    return ALLOW;
  }

  #find(sent: string): KnownApiKey | undefined {
    DIGEST.write(sha256Hex(sent), "latin1");
    let found: KnownApiKey | undefined;
    // Every digest is compared, so that the time tells neither whether nor which one matched.
    for (const key of this.#keys) if (timingSafeEqual(key.digest, DIGEST)) found = key;
    return found;
  }
}
