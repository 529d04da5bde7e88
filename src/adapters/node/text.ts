import { isAscii, isUtf8 } from "node:buffer";
import { hash } from "node:crypto";

/** The text of these bytes; undefined if they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  const { buffer, byteOffset, byteLength } = bytes;
  const read = Buffer.isBuffer(bytes) ? bytes : Buffer.from(buffer, byteOffset, byteLength);
  // Latin-1 needs no decoding, and most bodies are ASCII.
  if (isAscii(read)) return read.toString("latin1");
  return isUtf8(read) ? read.toString("utf8") : undefined;
}

/** SHA-256 in Base64. */
export function fingerprint(text: string): string {
  return hash("sha256", text, "base64");
}
