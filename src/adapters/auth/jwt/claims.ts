import type { JWTPayload } from "jose";
import { tokenNameFault } from "../../../application/revocation.js";
import { ChannelPatterns } from "../../../domain/channel-pattern.js";

/** The checked claims of a token. */
export interface Grant {
  /** All claims (RFC 7519, section 4), frozen. */
  readonly claims: Readonly<JWTPayload>;
  /** The claim `sub`. */
  readonly subject: string | undefined;
  /** The claim `channels`: the channels that it may join. */
  readonly channels: ChannelPatterns;
  /** The claim `push`: the channels that it may push to; undefined if it is missing. */
  readonly push: ChannelPatterns | undefined;
  /** The claim `scope` (RFC 8693, section 4.2); empty if it is missing or not a string. */
  readonly scopes: ReadonlySet<string>;
  /** The claim `exp`, in seconds since 1970; undefined if it is missing. */
  readonly expires: number | undefined;
}

export type GrantResult =
  | { readonly ok: true; readonly grant: Grant }
  | { readonly ok: false; readonly reason: string };

/** Reads the claims of a token whose signature and times are valid; the reason quotes no value. */
export function readGrant(claims: JWTPayload): GrantResult {
  for (const name of ["sub", "jti"] as const) {
    // A name that revocations do not accept could never be revoked.
    const fault = tokenNameFault(claims[name]);
    if (fault !== undefined) return { ok: false, reason: `claim "${name}" ${fault}` };
  }
  for (const name of ["exp", "nbf", "iat"] as const) {
    // JSON.parse turns 1e999 into Infinity, a time that never expires and cannot be revoked.
    if (claims[name] !== undefined && !Number.isFinite(claims[name])) {
      return { ok: false, reason: `claim "${name}" must be a finite number` };
    }
  }
  const channels = patternsOf(claims.channels);
  const push = patternsOf(claims.push);
  if (channels === null || push === null) {
    const name = channels === null ? "channels" : "push";
    return { ok: false, reason: `claim "${name}" must be a pattern or an array of patterns` };
  }
  const grant: Grant = {
    claims: Object.freeze(claims),
    subject: claims.sub,
    channels: channels ?? new ChannelPatterns([]),
    push,
    // Other forms are other servers' business: they give no right here and reject no token.
    scopes: new Set(typeof claims.scope === "string" ? claims.scope.split(" ") : []),
    expires: claims.exp,
  };
  return { ok: true, grant };
}

/** Null if the value is neither a string nor an array of strings; undefined if it is missing. */
function patternsOf(value: unknown): ChannelPatterns | undefined | null {
  if (value === undefined) return undefined;
  if (typeof value === "string") return new ChannelPatterns([value]);
  if (!Array.isArray(value)) return null;
  const texts = value as readonly unknown[];
  return texts.every((text) => typeof text === "string") ? new ChannelPatterns(texts) : null;
}
