import type { JWTPayload } from "jose";
import { tokenNameFault } from "../../../application/revocation.js";
import { ChannelPatterns } from "../../../domain/channel-pattern.js";

/** What a token gives: its claims, read and checked. */
export interface Grant {
  /** All claims (RFC 7519, section 4), frozen. */
  readonly claims: Readonly<JWTPayload>;
  /** The claim `sub`. */
  readonly subject: string | undefined;
  /** The claim `channels`: what may be joined. */
  readonly channels: ChannelPatterns;
  /** The claim `push`: where may be pushed to; undefined where it is missing. */
  readonly push: ChannelPatterns | undefined;
  /** The claim `exp`, in seconds since 1970; undefined where it is missing. */
  readonly expires: number | undefined;
}

export type GrantResult =
  | { readonly ok: true; readonly grant: Grant }
  | { readonly ok: false; readonly reason: string };

/** Reads the claims of a token whose signature and times are good; the reason quotes no value. */
export function readGrant(claims: JWTPayload): GrantResult {
  for (const name of ["sub", "jti"] as const) {
    // A name that no revocation takes could not be revoked.
    const fault = tokenNameFault(claims[name]);
    if (fault !== undefined) return { ok: false, reason: `claim "${name}" ${fault}` };
  }
  for (const name of ["exp", "nbf", "iat"] as const) {
    // JSON.parse makes Infinity of 1e999: issued in no time that could be revoked, expired never.
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
    expires: claims.exp,
  };
  return { ok: true, grant };
}

/** Null where it is neither a string nor an array of them, undefined where there is none. */
function patternsOf(value: unknown): ChannelPatterns | undefined | null {
  if (value === undefined) return undefined;
  if (typeof value === "string") return new ChannelPatterns([value]);
  if (!Array.isArray(value)) return null;
  const texts = value as readonly unknown[];
  return texts.every((text) => typeof text === "string") ? new ChannelPatterns(texts) : null;
}
