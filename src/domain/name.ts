/** Length of `text` in UTF-8 bytes; a lone surrogate counts 3, as the character that replaces it. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x80) continue;
    if (code < 0x800) {
      bytes += 1;
    } else {
      bytes += 2;
      // A pair is two units here and four bytes there: the first unit brought three, the second one.
      if (isHighSurrogate(code) && isLowSurrogate(text.charCodeAt(at + 1))) at++;
    }
  }
  return bytes;
}

/**
 * What is wrong with a channel's or an event's name, as words that follow the name of its field;
 * undefined if nothing is.
 *
 * Any characters are allowed. A lone surrogate is none: it has no UTF-8 form, and two names that
 * differ only in such units would be one name on the wire.
 */
export function nameFault(name: string, bytesMax: number): string | undefined {
  // A UTF-16 unit has at most three bytes in UTF-8, so short names need no counting.
  if (name.length * 3 > bytesMax && utf8Length(name) > bytesMax) {
    return `must not be longer than ${bytesMax} bytes in UTF-8`;
  }
  if (!name.isWellFormed()) return "must be well-formed Unicode (it holds a lone surrogate)";
  return undefined;
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}

/** False for the NaN that `charCodeAt` gives after the end. */
function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}
