import { randomFillSync } from "node:crypto";

const ID_LENGTH = 20;
/** 3 bytes are 4 characters. */
const ID_BYTES = (ID_LENGTH * 3) / 4;
/** Encoding one id per call would take a tenth of the time of a push. */
const IDS_PER_TEXT = 8;
const TEXTS_PER_FILL = 32;

/** @returns a function that makes ids of 20 characters of URL-safe Base64, from 120 random bits. */
export function randomIds(): () => string {
  const bytes = Buffer.alloc(ID_BYTES * IDS_PER_TEXT * TEXTS_PER_FILL);
  let usedBytes = bytes.length;
  // An id is a slice that keeps this text in memory, so the text is short.
  let text = "";
  let used = 0;

  const encodeMore = (): void => {
    if (usedBytes === bytes.length) {
      randomFillSync(bytes);
      usedBytes = 0;
    }
    const end = usedBytes + ID_BYTES * IDS_PER_TEXT;
    text = bytes.toString("base64url", usedBytes, end);
    usedBytes = end;
    used = 0;
  };

  return () => {
    if (used === text.length) encodeMore();
    used += ID_LENGTH;
    return text.slice(used - ID_LENGTH, used);
  };
}
