import { timingSafeEqual } from "node:crypto";
import type { AuthPolicy, PushAuthRequest } from "../../../domain/auth-policy.js";
import { bearerToken } from "../bearer-token.js";
import { type ApiKey, checkApiKeys, type KnownApiKey, sha256Hex } from "./api-key.js";

export type { ApiKey, LimitedApiKey } from "./api-key.js";

const ALLOW = Object.freeze({ allow: true as const });
/** Of the key that is sent; compared in one turn, so that one is enough for all. */
const DIGEST = Buffer.alloc(64);
const DENY = Object.freeze({ allow: false as const });

/**
 * Pushes need one of the keys, as `authorization: Bearer KEY`; sockets may connect and join freely.
 *
 * A key with `channels` may push where every channel that the push names is matched. What names no
 * channel (the operator's routes about all of them) is for unlimited keys. The decision's `by` is
 * the key's name.
 *
 * The comparison takes the same time whichever key of a length is sent and wherever it differs.
 */
export class ApiKeyPolicy implements AuthPolicy {
  #keys: KeyTable;

  /**
   * @throws {TypeError} where there is no key, one that is none, or a key or a name twice; the
   * message holds no key.
   */
  constructor(keys: readonly ApiKey[]) {
    this.#keys = new KeyTable(checkApiKeys(keys));
  }

  /**
   * Takes these keys in place of the present ones, from the next question on.
   *
   * @throws {TypeError} as the constructor does; the present keys stay.
   */
  reload(keys: readonly ApiKey[]): void {
    this.#keys = new KeyTable(checkApiKeys(keys));
  }

  authorizePush(request: PushAuthRequest) {
    const sent = bearerToken(request.headers.authorization);
    const key = sent === undefined ? undefined : this.#keys.find(sent);
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
}

interface KeysOfOneLength {
  readonly keys: readonly (KnownApiKey & { readonly text: Buffer })[];
  /** Of that length, for the key that is sent. */
  readonly sent: Buffer;
}

/**
 * Finds the key that was sent. Each key that may be it is compared, in constant time, so that the
 * time tells neither whether nor which one matched.
 */
class KeyTable {
  /** Those given as themselves: equal lengths compared as they are need no digest, which costs more. */
  readonly #texts = new Map<number, KeysOfOneLength>();
  readonly #digests: readonly KnownApiKey[];

  constructor(keys: readonly KnownApiKey[]) {
    this.#digests = keys.filter(({ text }) => text === undefined);
    const texts = keys.filter((key) => key.text !== undefined) as KeysOfOneLength["keys"];
    for (const length of new Set(texts.map(({ text }) => text.length))) {
      const ofLength = texts.filter(({ text }) => text.length === length);
      this.#texts.set(length, { keys: ofLength, sent: Buffer.alloc(length) });
    }
  }

  find(sent: string): KnownApiKey | undefined {
    return this.#findText(sent) ?? this.#findDigest(sent);
  }

  #findText(text: string): KnownApiKey | undefined {
    const ofLength = this.#texts.get(text.length);
    // In UTF-8: what is not ASCII is longer than that, or differs from every key.
    if (ofLength?.sent.write(text) !== text.length) return undefined;
    let found: KnownApiKey | undefined;
    for (const key of ofLength.keys) if (timingSafeEqual(key.text, ofLength.sent)) found = key;
    return found;
  }

  #findDigest(text: string): KnownApiKey | undefined {
    if (this.#digests.length === 0) return undefined;
    DIGEST.write(sha256Hex(text), "latin1");
    let found: KnownApiKey | undefined;
    for (const key of this.#digests) if (timingSafeEqual(key.digest, DIGEST)) found = key;
    return found;
  }
}
