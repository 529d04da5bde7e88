import { timingSafeEqual } from "node:crypto";
import type {
  AuthPolicy,
  OperateAuthRequest,
  PushAuthRequest,
} from "../../../domain/auth-policy.js";
import { bearerToken } from "../bearer-token.js";
import {
  type ApiKey,
  type ApiKeyScope,
  checkApiKeys,
  type KnownApiKey,
  sha256Hex,
} from "./api-key.js";

export type { ApiKey, ApiKeyScope, LimitedApiKey } from "./api-key.js";

const ALLOW = Object.freeze({ allow: true as const });
/** The digest of the sent key. Shared: it is written and compared without waiting in between. */
const DIGEST = Buffer.alloc(64);
const DENY = Object.freeze({ allow: false as const });

/**
 * Pushes and operators need one of the keys, as `authorization: Bearer KEY`; sockets may connect and
 * join freely.
 *
 * A key may do what its scopes say; without scopes, it may only push. A key with `channels` may push
 * if every channel of the push matches, and read a channel that matches. It may not read what is
 * about the whole server. The decision's `by` is the key's name.
 *
 * The comparison takes the same time whichever key of a length is sent and wherever it differs.
 */
export class ApiKeyPolicy implements AuthPolicy {
  #keys: KeyTable;

  /**
   * @throws {TypeError} if the list is empty, or a key is invalid, or a key or a name is repeated;
   * the message quotes no key.
   */
  constructor(keys: readonly ApiKey[]) {
    this.#keys = new KeyTable(checkApiKeys(keys));
  }

  /**
   * Replaces the keys, from the next question on.
   *
   * @throws {TypeError} as the constructor does; then the present keys stay.
   */
  reload(keys: readonly ApiKey[]): void {
    this.#keys = new KeyTable(checkApiKeys(keys));
  }

  authorizePush({ headers, input }: PushAuthRequest) {
    const key = this.#find(headers.authorization, "push");
    if (key === undefined) return DENY;
    const isWithin = key.channels?.matchInput(input.channel) ?? true;
    return isWithin ? key.decision : DENY;
  }

  authorizeOperate({ headers, right, channel }: OperateAuthRequest) {
    const key = this.#find(headers.authorization, right);
    if (key === undefined) return DENY;
    // The whole server includes channels that a limited key may not see.
    const isWithin = key.channels?.matchInput(channel) ?? true;
    return isWithin ? key.decision : DENY;
  }

  authorizeConnect() {
    return ALLOW;
  }

  authorizeJoin() {
    return ALLOW;
  }

  #find(authorization: string | undefined, scope: ApiKeyScope): KnownApiKey | undefined {
    const sent = bearerToken(authorization);
    const key = sent === undefined ? undefined : this.#keys.find(sent);
    return key?.scopes.has(scope) ? key : undefined;
  }
}

interface KeysOfOneLength {
  readonly keys: readonly (KnownApiKey & { readonly text: Buffer })[];
  /** A buffer of that length for the sent key. */
  readonly sent: Buffer;
}

/**
 * Finds the key that was sent. All candidates are compared in constant time, so that the time does
 * not tell whether one matched, or which.
 */
class KeyTable {
  /** Keys given as themselves, by length: comparing them needs no digest, which would cost more. */
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
    // Written as UTF-8: text that is not ASCII is longer, or differs from every key.
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
