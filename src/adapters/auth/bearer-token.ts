/** RFC 6750, section 2.1; the scheme's name is case-insensitive (RFC 9110, section 11.1). */
export function bearerToken(authorization: string | undefined): string | undefined {
  return authorization === undefined ? undefined : /^bearer +(\S+) *$/i.exec(authorization)?.[1];
}
