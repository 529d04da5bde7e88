import { hasDirectory, type Transport } from "../domain/transport.js";
import type { Revocation, RevocationInput } from "./revocation.js";
import type { Revocations } from "./revocations.js";

/** Where revocations outlive the process. */
export interface RevocationLog {
  /** Resolves once the entry survives a crash. */
  append(revocation: Revocation): Promise<void>;
}

export type RevokerResult =
  | { readonly ok: true; readonly revocation: Revocation; readonly closed: number }
  /** `not_kept`: it holds, and would be forgotten by a restart. */
  | {
      readonly ok: false;
      readonly code: "invalid" | "full" | "not_kept";
      readonly message: string;
      readonly cause?: unknown;
    };

/** Ends what is open for tokens that are not to count any more, and sees to it that they stay out. */
export class Revoker {
  readonly #revocations: Revocations;
  readonly #transports: readonly Transport[];
  readonly #log: RevocationLog | undefined;

  constructor(
    revocations: Revocations,
    transports: readonly Transport[],
    log: RevocationLog | undefined,
  ) {
    this.#revocations = revocations;
    this.#transports = transports;
    this.#log = log;
  }

  async revoke(input: RevocationInput): Promise<RevokerResult> {
    const result = this.#revocations.revoke(input);
    if (!result.ok) return result;
    const { revocation } = result;
    // Before it is kept: no socket stays open while a disk is slow.
    const closed = this.#closeRevoked();
    try {
      await this.#log?.append(revocation);
    } catch (cause) {
      const message =
        "The revocation holds, but could not be written to its file: a restart would forget it.";
      return { ok: false, code: "not_kept", message, cause };
    }
    return { ok: true, revocation, closed };
  }

  #closeRevoked(): number {
    let closed = 0;
    for (const transport of this.#transports.filter(hasDirectory)) {
      closed += transport.closeWhere(
        ({ claims }) => this.#revocations.covers(claims),
        "token revoked",
      );
    }
    return closed;
  }
}
